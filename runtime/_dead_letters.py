"""Messages that nobody handled, with the reason: counted for ever, the last ones kept."""

from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

KEPT_MAX = 1024
"""How many dead letters a system keeps to be looked at; older ones are only counted."""


class Reason(Enum):
    """Why a tell was not handled. (An ask is answered instead: it has somebody to tell.)"""

    CRASHED = "crashed"
    """In hand when its actor crashed or was killed."""
    STOPPED = "stopped"
    """Queued when its actor ended for good."""
    OVERFLOW = "overflow"
    """Dropped by a full mailbox."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """One undelivered message. `error` is the crash, when there was one."""

    path: str
    message: object
    reason: Reason
    error: Exception | None
    at: datetime


class DeadLetters:
    """The ring of the last `KEPT_MAX`, and a count per reason."""

    def __init__(self) -> None:
        self.counts: Counter[Reason] = Counter()
        self._kept: deque[DeadLetter] = deque(maxlen=KEPT_MAX)

    def add(self, letter: DeadLetter) -> None:
        self.counts[letter.reason] += 1
        self._kept.append(letter)

    def __iter__(self) -> Iterator[DeadLetter]:
        return iter(tuple(self._kept))
