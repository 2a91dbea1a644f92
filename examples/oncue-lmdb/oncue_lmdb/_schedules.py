"""Schedules: planned, looked at, fired."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from itertools import islice, takewhile
from typing import assert_never
from uuid import UUID

from oncue.stores import (
    AddSchedule,
    Due,
    Fire,
    Fired,
    FireOutcome,
    InstancesFull,
    Overtaken,
    RemoveSchedule,
    ReplaceSchedule,
    ScheduleChange,
    ScheduleView,
    first_version,
    microseconds,
    moment_at,
)

from ._records import Schedule, number_key, pack_schedule, unpack_schedule
from ._tasks import add
from ._tx import Tx


def plan(tx: Tx, change: ScheduleChange) -> bool:
    """Whether the change applied."""
    match change:
        case AddSchedule(row=row):
            if _get(tx, row.job_id) is not None:
                return False
            number = tx.next("schedule")
            _put(tx, None, Schedule(row, first_version(number), number))
        case ReplaceSchedule(row=row, version=version):
            schedule = _get(tx, row.job_id)
            if schedule is None or schedule.version != version:
                return False
            _put(tx, schedule, replace(schedule, row=row, version=version + 1))
        case RemoveSchedule(job_id=job_id):
            schedule = _get(tx, job_id)
            if schedule is None:
                return False
            _put(tx, schedule, None)
        case _:
            assert_never(change)
    return True


def fire(tx: Tx, fire: Fire) -> FireOutcome:
    """Move on and add the runs, or find it overtaken."""
    schedule = _get(tx, fire.job_id)
    if schedule is None or schedule.version != fire.version:
        return Overtaken()
    live = sum(1 for _ in tx.scan("runs", fire.job_id.bytes))
    is_full = bool(fire.rows) and fire.instances_max is not None and live >= fire.instances_max
    if fire.next_run_at is None:
        _put(tx, schedule, None)
    else:
        moved = Schedule(
            row=replace(schedule.row, next_run_at=fire.next_run_at),
            version=schedule.version + 1,
            number=schedule.number,
            goes_on_at=fire.next_run_at if fire.goes_on and not is_full else None,
        )
        _put(tx, schedule, moved)
    if is_full:
        return InstancesFull(live=live)
    return Fired(outcomes=[add(tx, row) for row in fire.rows])


def _get(tx: Tx, job_id: UUID) -> Schedule | None:
    packed = tx.get("schedules", job_id.bytes)
    return None if packed is None else unpack_schedule(job_id.bytes, packed)


def _put(tx: Tx, old: Schedule | None, new: Schedule | None) -> None:
    """Put `new` in the place of `old`, with its entries."""
    if old is not None:
        if old.row.next_run_at is not None:
            tx.delete("planned", _turn(old.row.next_run_at, old.row.job_id))
        tx.delete("numbered", number_key(old.number))
        tx.delete("schedules", old.row.job_id.bytes)
    if new is not None:
        if new.row.next_run_at is not None:
            tx.put("planned", _turn(new.row.next_run_at, new.row.job_id), b"")
        tx.put("numbered", number_key(new.number), new.row.job_id.bytes)
        tx.put("schedules", new.row.job_id.bytes, pack_schedule(new))


def _turn(next_run_at: datetime, job_id: UUID) -> bytes:
    return number_key(microseconds(next_run_at)) + job_id.bytes


# --- looking -----------------------------------------------------------------------------------


def due(tx: Tx, limit: int, after: tuple[datetime, UUID] | None) -> Due:
    """What is due now, and when the next will be."""
    behind = number_key(tx.now_us + 1)
    start = b"" if after is None else _turn(*after) + b"\0"
    turns = takewhile(lambda each: each[0] < behind, tx.scan("planned", start=start))
    found = (_get(tx, UUID(bytes=key[8:])) for key, _ in islice(turns, limit))
    later = [int.from_bytes(key[:8]) for key, _ in islice(tx.scan("planned", start=behind), 1)]
    return Due(
        now=moment_at(tx.now_us),
        schedules=[each.view for each in found if each is not None],
        next_due_s=(later[0] - tx.now_us) / 1e6 if later else None,
    )


def find(tx: Tx, job_ids: Sequence[UUID] | None, limit: int, after: int) -> list[ScheduleView]:
    """By id in the order asked, or in the order added."""
    if job_ids is None:
        numbered = tx.scan("numbered", start=number_key(after + 1))
        job_ids = [UUID(bytes=job_id) for _, job_id in islice(numbered, limit)]
    found = (_get(tx, job_id) for job_id in job_ids)
    return [each.view for each in found if each is not None]
