"""The schedules of the memory store.

Rules:
- Those that are planned stand in one sorted list, so what is due is found by bisection.
- What runs of them there are is `_memory_table`'s business, and so is adding more.
"""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from itertools import islice
from typing import Final, TypeAlias, assert_never
from uuid import UUID

from ._memory_table import Tables
from ._moments import microseconds
from ._versions import first_version
from .base import Due
from .records import Fired, FireOutcome, InstancesFull, Overtaken, ScheduleRow, ScheduleView
from .requests import AddSchedule, Fire, RemoveSchedule, ReplaceSchedule, ScheduleChange

_Turn: TypeAlias = tuple[datetime, UUID]
_LAST_ID: Final = UUID(int=2**128 - 1)


class _Schedule:
    __slots__ = ("goes_on_at", "number", "row", "version")

    def __init__(self, row: ScheduleRow, number: int) -> None:
        self.row = row
        self.number = number
        self.version = first_version(number)
        self.goes_on_at: datetime | None = None

    @property
    def turn(self) -> _Turn | None:
        """Where it stands among those that are planned."""
        next_run_at = self.row.next_run_at
        return None if next_run_at is None else (next_run_at, self.row.job_id)


class Schedules:
    """The schedules, by id in the order added. `tables` is where their runs are."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._by_id: dict[UUID, _Schedule] = {}
        self._turns: list[_Turn] = []
        self._number = 0

    def plan(self, change: ScheduleChange) -> bool:
        """Whether the change applied."""
        match change:
            case AddSchedule(row=row):
                if row.job_id in self._by_id:
                    return False
                self._number += 1
                added = self._by_id[row.job_id] = _Schedule(row, self._number)
                self._stand(added)
                return True
            case ReplaceSchedule(row=row, version=version):
                schedule = self._at(row.job_id, version)
                if schedule is None:
                    return False
                self._replace(schedule, row)
                return True
            case RemoveSchedule(job_id=job_id):
                removed = self._by_id.pop(job_id, None)
                if removed is None:
                    return False
                self._step_out(removed)
                return True
            case _:
                assert_never(change)

    def fire(self, fire: Fire, now: datetime) -> FireOutcome:
        """Move on and add the runs, as `Store.fire` says."""
        schedule = self._at(fire.job_id, fire.version)
        if schedule is None:
            return Overtaken()
        if fire.next_run_at is None:
            self.plan(RemoveSchedule(job_id=fire.job_id))
        else:
            self._replace(schedule, replace(schedule.row, next_run_at=fire.next_run_at))
        live = self._tables.runs[fire.job_id]
        is_full = bool(fire.rows) and fire.instances_max is not None and live >= fire.instances_max
        schedule.goes_on_at = fire.next_run_at if fire.goes_on and not is_full else None
        if is_full:
            return InstancesFull(live=live)
        now_us = microseconds(now)
        return Fired(outcomes=[self._tables.add(row, now, now_us) for row in fire.rows])

    def _at(self, job_id: UUID, version: int) -> _Schedule | None:
        schedule = self._by_id.get(job_id)
        return None if schedule is None or schedule.version != version else schedule

    def _replace(self, schedule: _Schedule, row: ScheduleRow) -> None:
        self._step_out(schedule)
        schedule.row = row
        schedule.version += 1
        self._stand(schedule)

    def _stand(self, schedule: _Schedule) -> None:
        if (turn := schedule.turn) is not None:
            insort(self._turns, turn)

    def _step_out(self, schedule: _Schedule) -> None:
        if (turn := schedule.turn) is not None:
            del self._turns[bisect_left(self._turns, turn)]

    # --- looking ---------------------------------------------------------------------------

    def due(self, now: datetime, limit: int, after: _Turn | None) -> Due:
        """What `Store.due` answers at `now`."""
        turns = self._turns
        start = 0 if after is None else bisect_right(turns, after)
        stop = bisect_right(turns, (now, _LAST_ID))
        chosen = turns[start : min(stop, start + limit)]
        return Due(
            now=now,
            schedules=[self._view(self._by_id[job_id]) for _, job_id in chosen],
            next_due_s=(turns[stop][0] - now).total_seconds() if stop < len(turns) else None,
        )

    def find(self, job_ids: Sequence[UUID] | None, limit: int, after: int) -> list[ScheduleView]:
        """What `Store.schedules` answers."""
        if job_ids is not None:
            return [self._view(self._by_id[key]) for key in job_ids if key in self._by_id]
        found = (each for each in self._by_id.values() if each.number > after)
        return [self._view(each) for each in islice(found, limit)]

    def _view(self, schedule: _Schedule) -> ScheduleView:
        return ScheduleView(
            row=schedule.row,
            version=schedule.version,
            number=schedule.number,
            goes_on=None is not schedule.goes_on_at == schedule.row.next_run_at,
        )
