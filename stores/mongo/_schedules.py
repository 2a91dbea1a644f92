"""Schedules: planned, looked at, and fired.

Rules:
- The fence is (_id, version) and nothing else: who moves a schedule on compares its version.
- To fire is one transaction where there is one. Without, the runs are added first and the schedule
  is moved on afterwards: who dies in between has lost nothing, as the schedule is still due, and
  doubled nothing, as whoever fires it then adds the same ids, which are known.
- So such an id outlives its run: `owed_to` is the version of the schedule that it was added for,
  and while that is the schedule's still, no purge removes it. Once it has moved on, the mark goes.
- Who added runs first and was overtaken then by a change of the schedule takes back those that wait
  still, if the schedule's document tells that its version was never fired (`fired` is the last that
  was). Where it cannot tell, they stay: it is as if the schedule had been fired before the change.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import count, islice
from typing import Final, assert_never
from uuid import UUID

import structlog
from pymongo import ASCENDING, UpdateOne
from pymongo.errors import DuplicateKeyError

from .._moments import microseconds, moment_at
from .._versions import first_version
from ..base import Due
from ..records import (
    Added,
    Fired,
    FireOutcome,
    InstancesFull,
    Overtaken,
    ScheduleView,
    TaskRow,
)
from ..requests import AddSchedule, Fire, RemoveSchedule, ReplaceSchedule, ScheduleChange
from ._add import add
from ._call import Call
from ._documents import UNREADABLE, given, schedule_fields, schedule_view_of
from ._schema import DUE, HELD, IS_LIVE, RUNS, WAITING, Document

_ORDER: Final = [("next_run_us", ASCENDING), ("_id", ASCENDING)]


# --- plan ------------------------------------------------------------------------------------


def plan(call: Call, changes: Sequence[ScheduleChange]) -> list[bool]:
    """Whether each change applied."""
    wanted = sum(isinstance(change, AddSchedule) for change in changes)
    last = call.number("schedule", wanted) if wanted else 0
    numbers = count(last - wanted + 1)
    return [_apply(call, change, numbers) for change in changes]


def _apply(call: Call, change: ScheduleChange, numbers: Iterator[int]) -> bool:
    match change:
        case AddSchedule(row=row):
            number = next(numbers)
            document = given(
                _id=row.job_id,
                number=number,
                version=first_version(number),
                **schedule_fields(row),
            )
            try:
                call.schedules.insert_one(document)
            except DuplicateKeyError:
                return False
            return True
        case ReplaceSchedule(row=row, version=version):
            fields = schedule_fields(row)
            absent = [name for name, value in fields.items() if value is None]
            changed = call.schedules.update_one(
                {"_id": row.job_id, "version": version},
                {
                    "$set": given(**fields),
                    "$unset": dict.fromkeys([*absent, "error"], ""),
                    "$inc": {"version": 1},
                },
            )
            return changed.matched_count > 0
        case RemoveSchedule(job_id=job_id):
            return call.schedules.delete_one({"_id": job_id}).deleted_count > 0
        case _:
            assert_never(change)


# --- look ------------------------------------------------------------------------------------


def due(call: Call, limit: int, after: tuple[datetime, UUID] | None) -> Due:
    """What is due, and when more will be. What cannot be read is parked: not planned any more."""
    while True:
        views, unreadable = _views(call, _due(call, limit, after) if limit else [])
        coming = call.schedules.find_one(
            {"next_run_us": {"$gt": call.now_us}}, {"next_run_us": 1}, sort=_ORDER, hint=DUE
        )
        if not unreadable:
            break
        for job_id, why in unreadable.items():
            _park(call, job_id, why)
    return Due(
        now=moment_at(call.now_us),
        schedules=views,
        next_due_s=None if coming is None else (coming["next_run_us"] - call.now_us) / 1e6,
    )


def _due(call: Call, limit: int, after: tuple[datetime, UUID] | None) -> list[Document]:
    is_due: Document = {"next_run_us": {"$lte": call.now_us}}
    if after is not None:
        after_us = microseconds(after[0])
        is_due["next_run_us"]["$gte"] = after_us
        behind = {"next_run_us": after_us, "_id": {"$gt": after[1]}}
        is_due["$or"] = [{"next_run_us": {"$gt": after_us}}, behind]
    return list(call.schedules.find(is_due).sort(_ORDER).limit(limit).hint(DUE))


def find(
    call: Call, job_ids: Sequence[UUID] | None, limit: int, after: int
) -> list[ScheduleView]:
    """What can be read of the schedules asked for."""
    if job_ids is None:
        listed = call.schedules.find({"number": {"$gt": after}}).sort("number").limit(limit)
        return _views(call, list(listed) if limit else [])[0]
    asked = list(dict.fromkeys(job_ids))
    views, _ = _views(call, list(call.schedules.find({"_id": {"$in": asked}})))
    there = {view.row.job_id: view for view in views}
    return [there[job_id] for job_id in job_ids if job_id in there]


def _views(
    call: Call, found: Sequence[Document]
) -> tuple[list[ScheduleView], dict[object, str]]:
    """The views of what can be read, and why the others cannot, by id."""
    live = _live(call, [document["_id"] for document in found])
    views: list[ScheduleView] = []
    unreadable: dict[object, str] = {}
    for document in found:
        try:
            views.append(schedule_view_of(document, live.get((document["_id"], None), 0)))
        except UNREADABLE as error:
            unreadable[document["_id"]] = str(error)
    return views, unreadable


def _live(
    call: Call, job_ids: Sequence[UUID], owed: bool = False
) -> dict[tuple[UUID, int | None], int]:
    """How many live tasks are runs of each; with `owed`, apart by the version they are owed to."""
    if not job_ids:
        return {}
    steps: list[Document] = [
        {"$match": {"state": IS_LIVE, "job_id": {"$in": list(job_ids)}}},
        {"$group": {"_id": {"job": "$job_id", "owed": "$owed_to"}, "runs": {"$sum": 1}}},
    ]
    counts: dict[tuple[UUID, int | None], int] = {}
    for group in call.tasks.aggregate(steps, hint=RUNS, session=call.session):
        key = group["_id"]["job"], group["_id"].get("owed") if owed else None
        counts[key] = counts.get(key, 0) + group["runs"]
    return counts


def _park(call: Call, job_id: object, why: str) -> None:
    told: Document = {"$set": {"error": f"cannot be read: {why}"}, "$unset": {"next_run_us": ""}}
    if call.schedules.update_one({"_id": job_id}, told).modified_count:
        call.note_parked()
        structlog.stdlib.get_logger("oncue.stores.mongo").error(
            "a schedule that cannot be read was set aside", job=job_id, why=why
        )


# --- fire ------------------------------------------------------------------------------------


def fire(call: Call, fires: Sequence[Fire]) -> list[FireOutcome]:
    """One outcome per fire, in order."""
    outcomes: list[FireOutcome] = []
    while batch := _distinct(fires[len(outcomes) :]):
        outcomes += _fire(call, batch)
    return outcomes


def _distinct(fires: Sequence[Fire]) -> list[Fire]:
    """As many as can be fired at once: up to a schedule that is among them already."""
    batch: dict[UUID, Fire] = {}
    for each in fires:
        if batch.setdefault(each.job_id, each) is not each:
            break
    return list(batch.values())


def _fire(call: Call, fires: Sequence[Fire]) -> list[FireOutcome]:
    """Of schedules that differ."""
    versions = _versions(call, [each.job_id for each in fires])
    moving = [each for each in fires if versions.get(each.job_id) == each.version]
    full = _full(call, moving)
    running = [each for each in moving if each.job_id not in full]
    rows = [(row, each) for each in running for row in each.rows]
    owed_to = None if call.session else [each.version for _, each in rows]
    added = iter(add(call, [row for row, _ in rows], owed_to))
    outcomes: dict[UUID, FireOutcome] = {
        each.job_id: Fired(outcomes=list(islice(added, len(each.rows)))) for each in running
    } | full
    moved = _move_on(call, moving)
    if call.session is None:
        _unmark(call, [row.task_id for row, each in rows if each.job_id in moved])
        for each in running:
            if each.job_id not in moved:
                _take_back(call, each, outcomes[each.job_id])
    return [outcomes[each.job_id] if each.job_id in moved else Overtaken() for each in fires]


def _versions(call: Call, job_ids: Sequence[UUID]) -> dict[UUID, int]:
    """The versions of those that are there."""
    asked = {"_id": {"$in": list(job_ids)}}
    found = call.schedules.find(asked, {"version": 1}, session=call.session)
    return {document["_id"]: document["version"] for document in found}


def _full(call: Call, fires: Sequence[Fire]) -> dict[UUID, FireOutcome]:
    """Those that have as many live runs as they may, not counting what is owed to this version."""
    limited = [each for each in fires if each.rows and each.instances_max is not None]
    live = _live(call, [each.job_id for each in limited], owed=True)
    full: dict[UUID, FireOutcome] = {}
    for each in limited:
        runs = sum(
            number
            for (job_id, owed_to), number in live.items()
            if job_id == each.job_id and owed_to != each.version
        )
        if each.instances_max is not None and runs >= each.instances_max:
            full[each.job_id] = InstancesFull(live=runs)
    return full


def _move_on(call: Call, fires: Sequence[Fire]) -> set[UUID]:
    """Each to its next run, or away when there is none; those that were not overtaken."""
    ended = [each for each in fires if each.next_run_at is None]
    moved = {each.job_id for each in ended if _end(call, each)}
    going = {each.job_id: each for each in fires if each.next_run_at is not None}
    if not going:
        return moved
    mark = [call.sender, call.place()]
    done = call.schedules.bulk_write(
        [_move(each, mark) for each in going.values()], ordered=False, session=call.session
    )
    if done.matched_count == len(going):
        return moved | going.keys()
    # Some were overtaken, which of a transaction's would have ended it.
    marked = call.schedules.find({"_id": {"$in": list(going)}, "fired_by": mark}, {"_id": 1})
    return moved | {document["_id"] for document in marked}


def _move(fire: Fire, mark: Sequence[int]) -> UpdateOne:
    assert fire.next_run_at is not None
    told: Document = {
        "next_run_us": microseconds(fire.next_run_at),
        "fired": fire.version,
        "fired_by": mark,
    }
    return UpdateOne(_at(fire), {"$set": told, "$inc": {"version": 1}})


def _end(call: Call, fire: Fire) -> bool:
    return call.schedules.delete_one(_at(fire), session=call.session).deleted_count > 0


def _at(fire: Fire) -> Document:
    return {"_id": fire.job_id, "version": fire.version}


def _unmark(call: Call, ids: Sequence[UUID]) -> None:
    """Their schedules have moved on: nobody will ask for these ids again."""
    if ids:
        owed = {"_id": {"$in": list(ids)}, "owed_to": {"$exists": True}}
        call.tasks.update_many(owed, {"$unset": {"owed_to": ""}})


def _take_back(call: Call, fire: Fire, outcome: FireOutcome) -> None:
    """The runs that wait still, if this version was surely never fired."""
    added = list(_added(fire.rows, outcome))
    schedule = call.schedules.find_one({"_id": fire.job_id}, {"number": 1, "fired": 1})
    if not added or schedule is None or first_version(schedule["number"]) > fire.version:
        return
    if schedule.get("fired", 0) < fire.version:
        waiting = {"state": {"$in": [WAITING, HELD]}, "owed_to": fire.version}
        call.tasks.delete_many({"_id": {"$in": added}, **waiting})


def _added(rows: Sequence[TaskRow], outcome: FireOutcome) -> Iterator[UUID]:
    if isinstance(outcome, Fired):
        for row, each in zip(rows, outcome.outcomes, strict=True):
            if isinstance(each, Added):
                yield row.task_id
