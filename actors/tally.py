"""What a queue has done in this process, in numbers: totals, and rates of the last minute.

The herald counts what the store has recorded; the facade reads. Lent to the actors, so that
a restart of the pool loses no count.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import assert_never
from uuid import UUID

from ..stores import Back, Cancelled, Counts, Dead, Done, RetryAt, Settlement

WINDOW_S = 60


@dataclass(slots=True)
class _Second:
    at_s: int
    completed: int = 0
    failed: int = 0


@dataclass(slots=True)
class Tally:
    """Attempts by how they ended.

    `failed` counts attempts, `retried` those of them that are tried again. `refused` settled
    too late: the task had another owner by then, or was cancelled. `counts` is what the
    store held when the pool last asked. Of schedules, runs that were enqueued from here, that were
    found too late, and that were not enqueued because too many were live; and those that are due
    and not understood here, with the reason.
    """

    completed: int = 0
    failed: int = 0
    retried: int = 0
    dead: int = 0
    handed_back: int = 0
    refused: int = 0
    busy: int = 0
    idle: int = 0
    counts: Counts | None = None
    fired_runs: int = 0
    missed_runs: int = 0
    skipped_runs: int = 0
    unread_schedules: dict[UUID, str] = field(default_factory=dict[UUID, str])
    _seconds: deque[_Second] = field(default_factory=deque[_Second])

    def count(self, settlement: Settlement, now: float) -> None:
        """One settlement was recorded at `now` (event loop seconds)."""
        second = self._second(int(now))
        match settlement:
            case Done():
                self.completed += 1
                second.completed += 1
            case RetryAt():
                self.failed += 1
                self.retried += 1
                second.failed += 1
            case Dead():
                self.failed += 1
                self.dead += 1
                second.failed += 1
            case Back():
                self.handed_back += 1
            case Cancelled():
                pass  # counted where it was asked for
            case _:
                assert_never(settlement)

    def rates(self, now: float) -> tuple[float, float]:
        """Tasks completed a second, and the share of attempts that failed, over `WINDOW_S`."""
        recent = [s for s in self._seconds if 0 <= int(now) - s.at_s < WINDOW_S]
        completed = sum(second.completed for second in recent)
        failed = sum(second.failed for second in recent)
        if not recent:
            return 0.0, 0.0
        span_s = max(1, int(now) - recent[0].at_s + 1)
        return completed / span_s, failed / (completed + failed) if completed + failed else 0.0

    def _second(self, at_s: int) -> _Second:
        seconds = self._seconds
        if not seconds or seconds[-1].at_s != at_s:
            seconds.append(_Second(at_s))
            # At most a window's worth; also after a new event loop's clock began anew.
            while len(seconds) > WINDOW_S:
                seconds.popleft()
        return seconds[-1]
