"""Schedules: planned, looked at, and fired.

Rules:
- The fence is (job_id, version) and nothing else. Who fires locks the rows first and compares them
  then: of two who fire a version, the second finds another.
- Who fires waits for nobody: what somebody else has locked is being fired or changed, and counts as
  overtaken. (To wait was tried: one process that froze in a fire held up all that was due.)
- A thousand schedules are fired by as many statements as one, where the driver can.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import count, islice
from types import NoneType
from typing import Final, assert_never
from uuid import UUID

from .._moments import microseconds, moment_at
from .._versions import first_version
from ..base import Due
from ..records import Fired, FireOutcome, InstancesFull, Overtaken, ScheduleRow, ScheduleView
from ..requests import AddSchedule, Fire, RemoveSchedule, ReplaceSchedule, ScheduleChange
from ._add import add
from ._claim import Unreadable
from ._dialect import Tx
from ._rows import Columns, uuid_of
from ._schema import SCHEDULE_COLUMNS

_LISTED: Final = ", ".join(SCHEDULE_COLUMNS)
_MARKS: Final = ", ".join("?" * len(SCHEDULE_COLUMNS))
_SET: Final = ", ".join(f"{name} = ?" for name in SCHEDULE_COLUMNS)
_VIEW: Final = f"s.number, s.version, s.goes_on_us, {', '.join(f's.{n}' for n in SCHEDULE_COLUMNS)}"
# As for tasks: SQLite keeps any type in any column, and other programs may write there.
_KINDS: Final[tuple[tuple[type, ...], ...]] = (
    (UUID, bytes),
    (str,),
    (str,),
    (bytes,),
    (str,),
    (int, NoneType),
    (int, float, NoneType),
    (int,),
    (int,),
    (int,),
)


# --- plan ------------------------------------------------------------------------------------


def plan(tx: Tx, changes: Sequence[ScheduleChange]) -> list[bool]:
    """Whether each change applied."""
    numbers = _numbers(tx, sum(isinstance(change, AddSchedule) for change in changes))
    return [_apply(tx, change, numbers) for change in changes]


def _numbers(tx: Tx, wanted: int) -> Iterator[int]:
    """Numbers for so many schedules, never given before."""
    if not wanted:
        return iter(())
    tx.do("UPDATE {counters} SET value = value + ? WHERE name = 'schedule'", wanted)
    [[last]] = tx.rows("SELECT value FROM {counters} WHERE name = 'schedule'")
    return count(int(last) - wanted + 1)


def _apply(tx: Tx, change: ScheduleChange, numbers: Iterator[int]) -> bool:
    match change:
        case AddSchedule(row=row):
            number = next(numbers)
            return tx.do(
                f"{{insert}} INTO {{schedules}} (number, version, {_LISTED})"
                f" VALUES (?, ?, {_MARKS}) {{or_not}}",
                number, first_version(number), *_columns_of(tx, row),
            ) > 0  # fmt: skip
        case ReplaceSchedule(row=row, version=version):
            return tx.do(
                f"UPDATE {{schedules}} SET {_SET}, version = version + 1, error = NULL"
                " WHERE job_id = ? AND version = ?",
                *_columns_of(tx, row), tx.dialect.id_of(row.job_id), version,
            ) > 0  # fmt: skip
        case RemoveSchedule(job_id=job_id):
            key = tx.dialect.id_of(job_id)
            return tx.do("DELETE FROM {schedules} WHERE job_id = ?", key) > 0
        case _:
            assert_never(change)


def _columns_of(tx: Tx, row: ScheduleRow) -> tuple[object, ...]:
    """The values of `SCHEDULE_COLUMNS`."""
    return (
        tx.dialect.id_of(row.job_id),
        row.name,
        row.queue_name,
        row.task,
        row.trigger,
        _us(row.next_run_at),
        row.misfire_grace_s,
        int(row.coalesce),
        row.instances_max,
        microseconds(row.created_at),
    )


def _us(moment: datetime | None) -> int | None:
    return None if moment is None else microseconds(moment)


# --- look ------------------------------------------------------------------------------------


def due(tx: Tx, limit: int, after: tuple[datetime, UUID] | None) -> Due:
    """What is due, and when more will be. Raises Unreadable."""
    behind: str = ""
    values: list[object] = [tx.now_us]
    if after is not None:
        # The first half says no more than the second; but MySQL has no index for that one.
        behind = " AND s.next_run_us >= ? AND (s.next_run_us, s.job_id) > (?, ?)"
        after_us = microseconds(after[0])
        values += [after_us, after_us, tx.dialect.id_of(after[1])]
    found = tx.rows(
        f"SELECT {_VIEW} FROM {{schedules}} AS s {{by_due}} WHERE s.next_run_us <= ?{behind}"
        " ORDER BY s.next_run_us, s.job_id LIMIT ?",
        *values,
        limit,
    )
    views, unreadable = _read(found)
    coming = tx.row(
        "SELECT number, next_run_us FROM {schedules} {by_due} WHERE next_run_us > ?"
        " ORDER BY next_run_us, job_id LIMIT 1",
        tx.now_us,
    )
    next_due_s: float | None = None
    if coming is not None:
        try:
            next_due_s = (moment_at(coming[1]) - moment_at(tx.now_us)).total_seconds()
        except (TypeError, OverflowError) as error:
            unreadable[coming[0]] = str(error)
    if unreadable:
        raise Unreadable(unreadable, "schedules")
    return Due(now=moment_at(tx.now_us), schedules=views, next_due_s=next_due_s)


def find(tx: Tx, job_ids: Sequence[UUID] | None, limit: int, after: int) -> list[ScheduleView]:
    """What can be read of the schedules asked for."""
    select = f"SELECT {_VIEW} FROM {{schedules}} AS s WHERE"
    if job_ids is None:
        return _read(tx.rows(f"{select} s.number > ? ORDER BY s.number LIMIT ?", after, limit))[0]
    views, _ = _read(tx.rows_among(f"{select} s.job_id {{among}}", list(dict.fromkeys(job_ids))))
    there = {view.row.job_id: view for view in views}
    return [there[job_id] for job_id in job_ids if job_id in there]


def _read(found: Sequence[Columns]) -> tuple[list[ScheduleView], dict[int, str]]:
    """The views of what can be read, and why the others cannot, by number."""
    views: list[ScheduleView] = []
    unreadable: dict[int, str] = {}
    for columns in found:
        try:
            views.append(_view_of(columns))
        except (ValueError, TypeError, OverflowError) as error:
            unreadable[columns[0]] = str(error)
    return views, unreadable


def _view_of(columns: Columns) -> ScheduleView:
    """The schedule in the values of `_VIEW`. Raises ValueError or OverflowError."""
    number, version, goes_on_us, *rest = columns
    for column, value, kinds in zip(SCHEDULE_COLUMNS, rest, _KINDS, strict=True):
        if not isinstance(value, kinds):
            raise ValueError(f"{column} is {value!r}")
    if not isinstance(version, int):
        raise ValueError(f"version is {version!r}")
    job_id, name, queue_name, task, trigger, next_run_us, grace_s, coalesce, most, created = rest
    return ScheduleView(
        row=ScheduleRow(
            job_id=uuid_of(job_id),
            name=name,
            queue_name=queue_name,
            task=task,
            trigger=trigger,
            next_run_at=None if next_run_us is None else moment_at(next_run_us),
            misfire_grace_s=grace_s,
            coalesce=bool(coalesce),
            instances_max=most,
            created_at=moment_at(created),
        ),
        version=version,
        number=number,
        goes_on=None is not goes_on_us == next_run_us,
    )


# --- fire ------------------------------------------------------------------------------------


def fire(tx: Tx, fires: Sequence[Fire]) -> list[FireOutcome]:
    """One outcome per fire, in order."""
    outcomes: list[FireOutcome] = []
    while batch := _distinct(fires[len(outcomes) :]):
        outcomes += _fire(tx, batch)
    return outcomes


def _distinct(fires: Sequence[Fire]) -> list[Fire]:
    """As many as can be fired at once: up to a schedule that is among them already."""
    batch: dict[UUID, Fire] = {}
    for each in fires:
        if batch.setdefault(each.job_id, each) is not each:
            break
    return list(batch.values())


def _fire(tx: Tx, fires: Sequence[Fire]) -> list[FireOutcome]:
    """Of schedules that differ."""
    at = _locked(tx, [each.job_id for each in fires])
    moving = [each for each in fires if each.job_id in at and at[each.job_id][1] == each.version]
    full = _full(tx, moving)
    running = [each for each in moving if each.job_id not in full]
    added = iter(add(tx, [row for each in running for row in each.rows]))
    outcomes: dict[UUID, FireOutcome] = {
        each.job_id: Fired(outcomes=list(islice(added, len(each.rows)))) for each in running
    }
    _move_on(
        tx,
        [(each, at[each.job_id][0], each.goes_on and each.job_id not in full) for each in moving],
    )
    return [full.get(each.job_id) or outcomes.get(each.job_id) or Overtaken() for each in fires]


def _locked(tx: Tx, job_ids: Sequence[UUID]) -> dict[UUID, tuple[int, int]]:
    """The number and version of those that are there, and in nobody's hands."""
    found = tx.rows_among(
        "SELECT job_id, number, version FROM {schedules} WHERE job_id {among}"
        " ORDER BY job_id {for_update_unlocked}",
        sorted(job_ids),
    )
    return {uuid_of(job_id): (number, version) for job_id, number, version in found}


def _full(tx: Tx, fires: Sequence[Fire]) -> dict[UUID, InstancesFull]:
    """Those that have as many live runs as they may."""
    limits = {
        each.job_id: each.instances_max
        for each in fires
        if each.rows and each.instances_max is not None
    }
    counted = tx.rows_among(
        "SELECT job_id, count(*) FROM {live} {by_job} WHERE job_id {among} GROUP BY job_id",
        list(limits),
    )
    live = dict.fromkeys(limits, 0) | {uuid_of(job_id): runs for job_id, runs in counted}
    return {
        job_id: InstancesFull(live=runs) for job_id, runs in live.items() if runs >= limits[job_id]
    }


def _move_on(tx: Tx, fires: Sequence[tuple[Fire, int, bool]]) -> None:
    """Each to its next run, by its number, or away when there is none; and whether it goes on."""
    tx.many(
        "UPDATE {schedules} SET next_run_us = ?, goes_on_us = ?, version = version + 1"
        " WHERE number = ?",
        [
            (next_us := _us(each.next_run_at), next_us if goes_on else None, number)
            for each, number, goes_on in fires
            if each.next_run_at
        ],
    )
    ended = [number for each, number, _ in fires if each.next_run_at is None]
    tx.do_among("DELETE FROM {schedules} WHERE number {among}", ended)
