"""Changes by hand, each of one document."""

from collections.abc import Sequence
from typing import Final, assert_never
from uuid import UUID

from pymongo import ASCENDING
from pymongo.errors import DuplicateKeyError

from .._moments import microseconds
from ..base import Edited
from ..requests import (
    CancelTask,
    Change,
    PauseQueue,
    PauseTask,
    RequeueDead,
    RequeueDeadLetters,
    ResumeQueue,
    ResumeTask,
    ReviseTask,
)
from ..task import TaskStatus
from ._call import Call
from ._documents import given, holder_of
from ._schema import DEAD, ENDINGS, HELD, IS_LIVE, WAITING, Document
from ._settle import FORGOTTEN, ending, forget

_NOT_APPLIED: Final = Edited(count=0)
_WAITS: Final = {"$in": [WAITING, HELD]}
_PAST: Final = ("execution_s", "error", "worker_id", "started_us", "ended_us")
"""What a dead letter's new life knows nothing of."""
_PAGE: Final = 1000


def edit(call: Call, change: Change, keep_results: bool) -> Edited:
    """Apply one change."""
    match change:
        case CancelTask(task_id=task_id):
            return _cancel(call, task_id, keep_results)
        case PauseTask(task_id=task_id):
            return _change(call, task_id, WAITING, {"$set": {"state": HELD}})
        case ResumeTask(task_id=task_id):
            return _change(call, task_id, HELD, _told(call, state=WAITING))
        case ReviseTask(task_id=task_id):
            return _change(call, task_id, _WAITS, _revised(call, change))
        case RequeueDead(task_id=task_id):
            anew = _told(call, state=WAITING, run_us=call.now_us, place=call.place())
            anew["$set"]["retry_count"] = 0
            return _change(call, task_id, DEAD, {**anew, "$unset": dict.fromkeys(_PAST, "")})
        case RequeueDeadLetters(queue_name=name, limit=limit):
            return Edited(count=_requeue_many(call, name, limit), queue_name=name)
        case PauseQueue(queue_name=name):
            try:
                call.paused.insert_one({"_id": name})
            except DuplicateKeyError:
                return _NOT_APPLIED
            return Edited(count=1, queue_name=name)
        case ResumeQueue(queue_name=name):
            resumed = call.paused.delete_one({"_id": name}).deleted_count
            return Edited(count=1, queue_name=name) if resumed else _NOT_APPLIED
        case _:
            assert_never(change)


def _told(call: Call, **fields: object) -> Document:
    return {"$set": {"sender": call.sender, **fields}}


def _change(call: Call, task_id: UUID, state: object, update: Document) -> Edited:
    """Change a task in this state, unless its key is taken where it goes."""
    try:
        document = call.tasks.find_one_and_update(
            {"_id": task_id, "state": state}, update, {"queue_name": 1}, return_document=True
        )
    except DuplicateKeyError:
        return _NOT_APPLIED
    if document is None:
        return _NOT_APPLIED
    return Edited(count=1, queue_name=document["queue_name"])


def _revised(call: Call, change: ReviseTask) -> Document:
    run_at = change.run_at
    return _told(
        call,
        **given(
            queue_name=change.queue_name,
            payload=change.payload,
            size=None if change.payload is None else len(change.payload),
            priority=change.priority,
            run_us=None if run_at is None else max(microseconds(run_at), call.now_us),
        ),
    )


def _cancel(call: Call, task_id: UUID, keep_results: bool) -> Edited:
    before = call.tasks.find_one_and_update(
        {"_id": task_id, "state": IS_LIVE},
        {
            "$set": {**ending(call, TaskStatus.CANCELLED, call.place()), "sender": call.sender},
            "$unset": FORGOTTEN,
        },
        {"queue_name": 1, "state": 1, "node": 1, "lease": 1},
    )
    if before is None:
        return _NOT_APPLIED
    if not keep_results:
        forget(call, [task_id])
    return Edited(count=1, queue_name=before["queue_name"], holder=holder_of(before))


def _requeue_many(call: Call, name: str | None, limit: int) -> int:
    """How many dead letters got a new life: oldest first, and passing over those whose key is
    taken."""
    count = 0
    after = (-1, -1)
    while count < limit:
        page = _oldest(call, name, min(limit - count, _PAGE), after)
        if not page:
            break
        after = page[-1]["ended_us"], page[-1]["place"]
        count += _revive(call, [each["_id"] for each in page if "unique_key" not in each])
        for each in page:
            if "unique_key" in each:
                count += edit(call, RequeueDead(task_id=each["_id"]), True).count
    return count


def _oldest(call: Call, name: str | None, limit: int, after: tuple[int, int]) -> list[Document]:
    ended_us, place = after
    mine = {} if name is None else {"queue_name": name}
    behind = [{"ended_us": {"$gt": ended_us}}, {"ended_us": ended_us, "place": {"$gt": place}}]
    dead = call.tasks.find(
        {"state": DEAD, "ended_us": {"$gte": ended_us}, "$or": behind, **mine},
        {"ended_us": 1, "place": 1, "unique_key": 1},
    )
    order = [("ended_us", ASCENDING), ("place", ASCENDING)]
    return list(dead.sort(order).limit(limit).hint(ENDINGS))


def _revive(call: Call, ids: Sequence[UUID]) -> int:
    """A new life for dead letters without a key, in this order."""
    if not ids:
        return 0
    place = {"$add": [call.place(len(ids)), {"$indexOfArray": [list(ids), "$_id"]}]}
    anew = {"state": WAITING, "retry_count": 0, "run_us": call.now_us, "sender": call.sender}
    return call.tasks.update_many(
        {"_id": {"$in": list(ids)}, "state": DEAD},
        [{"$set": {**anew, "place": place}}, {"$unset": list(_PAST)}],
    ).modified_count
