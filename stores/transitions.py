"""The legal status changes: one table, from which the checks, the tests and the docs come.

Rules:
- A task is in one place: live (PENDING, RETRYING, PAUSED, PROCESSING), among the results
  (COMPLETED, CANCELLED), or among the dead letters (DEAD_LETTER).
- A waiting task is RETRYING when an attempt of it has failed, else PENDING. Delay does not
  change its status.
- FAILED is the outcome of one attempt and is never stored: what failed is RETRYING or
  DEAD_LETTER a moment later.
"""

from enum import StrEnum
from typing import Final

from .task import TaskStatus


class Move(StrEnum):
    """What can happen to a task that the store holds."""

    CLAIM = "claim"
    DONE = "done"
    RETRY = "retry"
    DEAD = "dead"
    BACK = "back"
    CANCEL = "cancel"
    PAUSE = "pause"
    RESUME = "resume"
    REQUEUE = "requeue"


_PENDING = TaskStatus.PENDING
_RETRYING = TaskStatus.RETRYING
_PAUSED = TaskStatus.PAUSED
_PROCESSING = TaskStatus.PROCESSING

# (from, move) -> the statuses that may follow. What is missing is refused.
TRANSITIONS: Final[dict[tuple[TaskStatus, Move], frozenset[TaskStatus]]] = {
    (_PENDING, Move.CLAIM): frozenset({_PROCESSING}),
    (_RETRYING, Move.CLAIM): frozenset({_PROCESSING}),
    (_PROCESSING, Move.DONE): frozenset({TaskStatus.COMPLETED}),
    (_PROCESSING, Move.RETRY): frozenset({_RETRYING}),
    (_PROCESSING, Move.DEAD): frozenset({TaskStatus.DEAD_LETTER}),
    (_PROCESSING, Move.BACK): frozenset({_PENDING, _RETRYING}),
    (_PENDING, Move.CANCEL): frozenset({TaskStatus.CANCELLED}),
    (_RETRYING, Move.CANCEL): frozenset({TaskStatus.CANCELLED}),
    (_PAUSED, Move.CANCEL): frozenset({TaskStatus.CANCELLED}),
    (_PROCESSING, Move.CANCEL): frozenset({TaskStatus.CANCELLED}),
    (_PENDING, Move.PAUSE): frozenset({_PAUSED}),
    (_RETRYING, Move.PAUSE): frozenset({_PAUSED}),
    (_PAUSED, Move.RESUME): frozenset({_PENDING, _RETRYING}),
    (TaskStatus.DEAD_LETTER, Move.REQUEUE): frozenset({_PENDING}),
}

LIVE: Final = frozenset({_PENDING, _RETRYING, _PAUSED, _PROCESSING})


def waiting_status(retry_count: int) -> TaskStatus:
    """The status of a task that waits unpaused: by whether an attempt has failed."""
    return _RETRYING if retry_count else _PENDING
