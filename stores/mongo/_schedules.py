"""Schedules: planned, and looked at.

A plan is a transaction where there are any; not to be whole alone. A server keeps the transaction
of a process that was killed in it for a minute, and what is no transaction waits for that, with all
calls of a node behind it. One that meets another fails at once instead.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, assert_never
from uuid import UUID

from pymongo import ASCENDING

from .._log import logger
from .._moments import microseconds, moment_at
from .._versions import first_version
from ..base import Due
from ..records import (
    ScheduleRow,
    ScheduleView,
)
from ..requests import AddSchedule, RemoveSchedule, ReplaceSchedule, ScheduleChange
from ._add import insert
from ._call import Call
from ._database import Conflict
from ._documents import UNREADABLE, given, schedule_fields, schedule_view_of
from ._schema import DUE, Document

_ORDER: Final = [("next_run_us", ASCENDING), ("_id", ASCENDING)]


# --- plan ------------------------------------------------------------------------------------


def plan(call: Call, changes: Sequence[ScheduleChange]) -> list[bool]:
    """Whether each change applied."""
    applied: list[bool] = []
    fresh: list[ScheduleRow] = []  # those that follow each other are added at once
    for change in changes:
        if isinstance(change, AddSchedule):
            fresh.append(change.row)
        else:
            applied += _add(call, fresh)
            applied.append(_apply(call, change))
            fresh = []
    return applied + _add(call, fresh)


def _add(call: Call, rows: Sequence[ScheduleRow]) -> list[bool]:
    """All those whose ids are free; of each, whether it was taken."""
    if not rows:
        return []
    first = call.number("schedule", len(rows)) - len(rows) + 1  # in no transaction: it goes on
    fresh: dict[UUID, Document] = {}
    for number, row in enumerate(rows, first):
        document = given(number=number, version=first_version(number), **schedule_fields(row))
        fresh.setdefault(row.job_id, {"_id": row.job_id, **document})
    refused = _insert(call, fresh)
    return [
        row.job_id not in refused and fresh[row.job_id]["number"] == number
        for number, row in enumerate(rows, first)
    ]


def _insert(call: Call, fresh: dict[UUID, Document]) -> set[UUID]:
    """The ids that were there. In a transaction nothing may be refused, so it is asked first."""
    known = set[UUID]()
    if call.session is not None:
        asked = {"_id": {"$in": list(fresh)}}
        found = call.schedules.find(asked, {"_id": 1}, session=call.session)
        known = {document["_id"] for document in found}
    unknown = [document for job_id, document in fresh.items() if job_id not in known]
    refused = insert(call.schedules, unknown, call.session)
    if refused and call.session is not None:
        raise Conflict
    return known | refused


def _apply(call: Call, change: ReplaceSchedule | RemoveSchedule) -> bool:
    match change:
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
                session=call.session,
            )
            return changed.matched_count > 0
        case RemoveSchedule(job_id=job_id):
            removed = call.schedules.delete_one({"_id": job_id}, session=call.session)
            return removed.deleted_count > 0
        case _:
            assert_never(change)


# --- look ------------------------------------------------------------------------------------


def due(call: Call, limit: int, after: tuple[datetime, UUID] | None) -> Due:
    """What is due, and when more will be. What cannot be read is parked: not planned any more."""
    while True:
        views, unreadable = _views(_due(call, limit, after) if limit else [])
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


def find(call: Call, job_ids: Sequence[UUID] | None, limit: int, after: int) -> list[ScheduleView]:
    """What can be read of the schedules asked for."""
    if job_ids is None:
        listed = call.schedules.find({"number": {"$gt": after}}).sort("number").limit(limit)
        return _views(list(listed) if limit else [])[0]
    asked = list(dict.fromkeys(job_ids))
    views, _ = _views(list(call.schedules.find({"_id": {"$in": asked}})))
    there = {view.row.job_id: view for view in views}
    return [there[job_id] for job_id in job_ids if job_id in there]


def _views(found: Sequence[Document]) -> tuple[list[ScheduleView], dict[object, str]]:
    """The views of what can be read, and why the others cannot, by id."""
    views: list[ScheduleView] = []
    unreadable: dict[object, str] = {}
    for document in found:
        try:
            views.append(schedule_view_of(document))
        except UNREADABLE as error:
            unreadable[document["_id"]] = str(error)
    return views, unreadable


def _park(call: Call, job_id: object, why: str) -> None:
    told: Document = {"$set": {"error": f"cannot be read: {why}"}, "$unset": {"next_run_us": ""}}
    if call.schedules.update_one({"_id": job_id}, told).modified_count:
        call.note_parked()
        logger("mongo").error("a schedule that cannot be read was set aside", job=job_id, why=why)
