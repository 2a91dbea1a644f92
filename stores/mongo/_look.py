"""Looking: the survey of an exchange, `find`, `count` and `queues`."""

from collections import Counter
from collections.abc import Iterable
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
    LISTED,
    RUNNING,
    WAITING,
    Document,
)

_OF_STATUS: Final[dict[TaskStatus, Document]] = {
    TaskStatus.PENDING: {"state": WAITING, "retry_count": 0},
    TaskStatus.RETRYING: {"state": WAITING, "retry_count": {"$gt": 0}},
    TaskStatus.PROCESSING: {"state": RUNNING},
    TaskStatus.PAUSED: {"state": HELD},
}
_SIZE: Final[Document] = {"$binarySize": {"$ifNull": ["$payload", b""]}}


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
    """The figures, counted. It reads every live task of the queue, and each one's size."""
    groups = _groups(call, name)
    states, priorities, ready_types = Counter[str](), Counter[int](), Counter[str]()
    for group in groups:
        key, tasks = group["_id"], group["tasks"]
        state, is_due = key["state"], key["due"]
        if state != RUNNING:
            priorities[key["priority"]] += tasks
        if state == WAITING and is_due:
            ready_types[key["type"]] += tasks
        states[_place_of(state, is_due)] += tasks
    dead_letters, dead_bytes = _sizes(call, {"state": DEAD}, ENDINGS, name)
    live_bytes = sum(group["bytes"] for group in groups)
    store_bytes = live_bytes + dead_bytes
    if name is not None:
        store_bytes = (
            _sizes(call, {"state": IS_LIVE}, LISTED, None)[1]
            + _sizes(call, {"state": DEAD}, ENDINGS, None)[1]
        )
    return Counts(
        queue_name=name,
        pending=states["pending"],
        delayed=states["delayed"],
        held=states["held"],
        processing=states["processing"],
        dead_letters=dead_letters,
        priorities=dict(priorities),
        ready_types=dict(ready_types),
        oldest=_created_at(call, name, ASCENDING),
        newest=_created_at(call, name, DESCENDING),
        paused=call.paused.find_one({} if name is None else {"_id": name}, session=call.session)
        is not None,
        payload_bytes=live_bytes + dead_bytes,
        store_payload_bytes=store_bytes,
    )


def _groups(call: Call, name: str | None) -> list[Document]:
    by = {
        "state": "$state",
        "due": {"$lte": ["$run_us", call.now_us]},
        "priority": "$priority",
        "type": "$task_type",
    }
    figures = {"tasks": {"$sum": 1}, "bytes": {"$sum": _SIZE}}
    live = {"state": IS_LIVE, **_of_queue(name)}
    steps = [{"$match": live}, {"$group": {"_id": by, **figures}}]
    return list(call.tasks.aggregate(steps, hint=LISTED, session=call.session))


def _place_of(state: int, is_due: bool) -> str:
    if state == WAITING:
        return "pending" if is_due else "delayed"
    return "processing" if state == RUNNING else "held"


def _sizes(call: Call, which: Document, index: str, name: str | None) -> tuple[int, int]:
    """How many tasks, and the bytes of their payloads."""
    figures = {"tasks": {"$sum": 1}, "bytes": {"$sum": _SIZE}}
    steps = [{"$match": {**which, **_of_queue(name)}}, {"$group": {"_id": None, **figures}}]
    for group in call.tasks.aggregate(steps, hint=index, session=call.session):
        return group["tasks"], group["bytes"]
    return 0, 0


def _created_at(call: Call, name: str | None, order: int) -> datetime | None:
    """When the live task was made that was added first, or last."""
    live: Document = {"state": IS_LIVE, **_of_queue(name)}
    found = call.tasks.find(live, {"created_us": 1}, session=call.session)
    for document in found.sort("place", order).limit(1).hint(LISTED):
        try:
            return moment_at(document["created_us"])
        except UNREADABLE:  # it cannot be read, and is still counted
            return None
    return None
