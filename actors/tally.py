"""What a pool has done since it started, in numbers."""

from dataclasses import dataclass
from typing import assert_never

from ..stores import Back, Cancelled, Dead, Done, RetryAt, Settlement


@dataclass(slots=True, kw_only=True)
class Tally:
    """Attempts by how they ended, as the store recorded them.

    `refused` settled too late: the task had another owner by then, or was cancelled.
    """

    completed: int = 0
    retried: int = 0
    dead: int = 0
    handed_back: int = 0
    cancelled: int = 0
    refused: int = 0
    running: int = 0
    idle: int = 0

    def count(self, settlement: Settlement) -> None:
        match settlement:
            case Done():
                self.completed += 1
            case RetryAt():
                self.retried += 1
            case Dead():
                self.dead += 1
            case Back():
                self.handed_back += 1
            case Cancelled():
                self.cancelled += 1
            case _:
                assert_never(settlement)
