"""Looking: the survey of an exchange, `find`, `count` and `queues`."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final, assert_never
from uuid import UUID

from pymongo import ASCENDING, DESCENDING

from .._moments import moment_at
from ..base import Survey
from ..records import Counts, TaskView
from ..requests import ByIds, DeadLetters, LiveTasks, Query
from ..task import TaskStatus
from ..transitions import LIVE
from ._call import Call
from ._documents import UNREADABLE, view_of
from ._schema import (
    DEAD,
    DUE,
    ENDINGS,
    HELD,
    IS_LIVE,
    LEASE,
    LISTED,
    READY,
    RUNNING,
    SET_ASIDE,
    WAITING,
    Document,
)

_OF_STATUS: Final[dict[TaskStatus, Document]] = {
    TaskStatus.PENDING: {"state": WAITING, "retry_count": 0},
    TaskStatus.RETRYING: {"state": WAITING, "retry_count": {"$gt": 0}},
    TaskStatus.PROCESSING: {"state": RUNNING},
    TaskStatus.PAUSED: {"state": HELD},
}
_COUNTED: Final[Sequence[tuple[int, str, Sequence[str]]]] = (
    (WAITING, READY, ("priority", "task_type")),
    (RUNNING, LEASE, ()),
    (HELD, SET_ASIDE, ("priority",)),
    (DEAD, ENDINGS, ()),
)
"""Each state with its index, and what its figures are told apart by."""


def survey(call: Call) -> Survey:
    """Where there is work."""
    waits: Document = {"state": WAITING, "run_us": {"$gt": call.now_us}}
    due = call.tasks.find_one(waits, {"run_us": 1}, sort=[("run_us", ASCENDING)], hint=DUE)
    return Survey(
        queues=tuple(sorted(_names(call, WAITING, RUNNING, HELD))),
        next_due_s=None if due is None else (due["run_us"] - call.now_us) / 1e6,
    )


def queues(call: Call) -> list[str]:
    """All that hold live tasks or dead letters or are paused, sorted."""
    names = _names(call, WAITING, RUNNING, HELD, DEAD)
    return sorted(names | {document["_id"] for document in call.paused.find()})


def _names(call: Call, *states: int) -> set[str]:
    # One after the other, as each has an index of its own to jump through.
    return {
        name for state in states for name in call.tasks.distinct("queue_name", {"state": state})
    }


# --- find ----------------------------------------------------------------------------------


def find(call: Call, query: Query, result_ttl_us: int, dead_ttl_us: int) -> list[TaskView]:
    """What can be read of what the query asks for."""

    def readable(found: Iterable[Document]) -> list[TaskView]:
        # Whoever looks is not to fail for what another program wrote.
        views: list[TaskView] = []
        for document in found:
            try:
                views.append(view_of(document, result_ttl_us, dead_ttl_us))
            except UNREADABLE:
                continue
        return views

    match query:
        case ByIds(task_ids=ids):
            views = readable(call.tasks.find({"_id": {"$in": list(dict.fromkeys(ids))}}))
            there: dict[UUID, TaskView] = {view.task_id: view for view in views}
            return [there[task_id] for task_id in ids if task_id in there]
        case LiveTasks(queue_name=name, limit=limit, statuses=statuses):
            wanted = _live_of(name, statuses)
            listed = call.tasks.find(wanted).sort("place", ASCENDING).hint(LISTED)
            return readable(listed.limit(limit)) if limit else []
        case DeadLetters(queue_name=name, limit=limit):
            order = [("ended_us", DESCENDING), ("place", DESCENDING)]
            dead = call.tasks.find({"state": DEAD, **_of_queue(name)}).sort(order).hint(ENDINGS)
            return readable(dead.limit(limit)) if limit else []
        case _:
            assert_never(query)


def _live_of(name: str | None, statuses: frozenset[TaskStatus]) -> Document:
    live = {"state": IS_LIVE, **_of_queue(name)}
    if statuses >= LIVE:
        return live
    chosen = [_OF_STATUS[each] for each in statuses if each in LIVE]
    return {**live, "$or": chosen or [{"_id": {"$in": []}}]}


def _of_queue(name: str | None) -> Document:
    return {} if name is None else {"queue_name": name}


# --- count ---------------------------------------------------------------------------------


def count(call: Call, name: str | None) -> Counts:
    """The figures, counted: an index entry is read for each live task and each dead letter of the
    store, and no document but the oldest and the newest."""
    groups = [group for each in _COUNTED for group in _groups(call, name, *each)]
    mine = [group for group in groups if group["is_mine"]]
    places, priorities, ready_types = Counter[str](), Counter[int](), Counter[str]()
    for group in mine:
        tasks = group["tasks"]
        places[_place_of(group)] += tasks
        # Another program may have written anything there, or nothing.
        priority, task_type = group.get("priority"), group.get("task_type")
        if group["state"] in (WAITING, HELD) and isinstance(priority, int):
            priorities[priority] += tasks
        if group.get("is_due") and isinstance(task_type, str):
            ready_types[task_type] += tasks
    live = [group for group in mine if group["state"] != DEAD]
    oldest, newest = _ages(call, name, live)
    return Counts(
        queue_name=name,
        pending=places["pending"],
        delayed=places["delayed"],
        held=places["held"],
        processing=places["processing"],
        dead_letters=places["dead"],
        priorities=dict(priorities),
        ready_types=dict(ready_types),
        oldest=oldest,
        newest=newest,
        paused=call.paused.find_one({} if name is None else {"_id": name}, session=call.session)
        is not None,
        payload_bytes=sum(group["bytes"] for group in mine),
        store_payload_bytes=sum(group["bytes"] for group in groups),
    )


def _groups(
    call: Call, name: str | None, state: int, index: str, fields: Sequence[str]
) -> list[Document]:
    """What is in that state, by these fields. The index has all that is asked for."""
    is_mine = {"$literal": True} if name is None else {"$eq": ["$queue_name", {"$literal": name}]}
    by: Document = {"is_mine": is_mine, **{field: f"${field}" for field in fields}}
    if state == WAITING:
        by["is_due"] = {"$lte": ["$run_us", call.now_us]}
    figures = {
        "tasks": {"$sum": 1},
        "bytes": {"$sum": "$size"},
        "first": {"$min": "$place"},
        "last": {"$max": "$place"},
    }
    steps: list[Document] = [{"$match": {"state": state}}, {"$group": {"_id": by, **figures}}]
    found = call.tasks.aggregate(steps, hint=index, session=call.session)
    return [{"state": state, **group.pop("_id"), **group} for group in found]


def _place_of(group: Document) -> str:
    if group["state"] == WAITING:
        return "pending" if group["is_due"] else "delayed"
    return {RUNNING: "processing", HELD: "held", DEAD: "dead"}[group["state"]]


def _ages(
    call: Call, name: str | None, live: Sequence[Document]
) -> tuple[datetime | None, datetime | None]:
    """When the live tasks were made that were added first and last."""
    ends = [group[end] for end in ("first", "last") for group in live]
    places = [place for place in ends if isinstance(place, int)]
    if not places:
        return None, None
    first, last = min(places), max(places)
    which = {"state": IS_LIVE, "place": {"$in": [first, last]}, **_of_queue(name)}
    shown = {"place": 1, "created_us": 1}
    found = call.tasks.find(which, shown, session=call.session).hint(LISTED)
    made = {each["place"]: _created_at(each) for each in found}
    return made.get(first), made.get(last)


def _created_at(document: Document) -> datetime | None:
    try:
        return moment_at(document["created_us"])
    except UNREADABLE:  # it cannot be read, and is still counted
        return None
