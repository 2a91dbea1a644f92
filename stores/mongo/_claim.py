"""Claiming: the heads of a queue, taken by one conditional update, and read back.

Rules:
- Who waits is found first and taken afterwards, if it waits still. So of two claims that meet, each
  task goes to one; whoever gets too few looks again.
- The update gives each task its lease by its place in the list. Where some went to others, the
  rest moves up, lowest first: leases count up without a gap, and no two tasks ever share one.
- What cannot be read is parked: held, with its error, until somebody repairs or cancels it.
"""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from pymongo import ASCENDING, DESCENDING, UpdateOne

from .._log import logger
from ..records import ClaimedTask
from ..requests import Claim, Claims
from ._call import Call
from ._documents import UNREADABLE, claimed_of
from ._schema import HELD, LEASE, READY, RUNNING, WAITING, Document

# As often as others may be faster before we leave it to the next exchange.
_ROUNDS_MAX: Final = 10
_ORDER: Final = [("priority", DESCENDING), ("run_us", ASCENDING), ("place", ASCENDING)]


def claim(call: Call, claims: Claims | None) -> tuple[list[ClaimedTask], frozenset[str], bool]:
    """What was claimed, the queues that may have more, and whether one came short."""
    wanted = [each for each in claims.queues if each.limit] if claims else []
    if claims is None or not wanted:
        return [], frozenset(), False
    names = [each.queue_name for each in wanted]
    paused = {each["_id"] for each in call.paused.find({"_id": {"$in": names}})}
    claimed: list[ClaimedTask] = []
    more: set[str] = set()
    short = False
    for each in wanted:
        taken, has_more = (
            ([], False)
            if each.queue_name in paused
            else _take(call, claims, each, claims.first_lease + len(claimed))
        )
        claimed += taken
        if has_more:
            more.add(each.queue_name)
        else:
            short = True
    return claimed, frozenset(more), short


def _take(
    call: Call, claims: Claims, claim: Claim, first_lease: int
) -> tuple[list[ClaimedTask], bool]:
    """What one queue gives, and whether it may have more."""
    taken: list[ClaimedTask] = []
    for _ in range(_ROUNDS_MAX):
        left = claim.limit - len(taken)
        heads = _heads(call, claim.queue_name, claims.task_types, left)
        if heads:
            lease = first_lease + len(taken)
            taken += take(call, heads, {"state": WAITING}, claims.node, lease, call.now_us)
        if len(taken) == claim.limit:
            return taken, True
        if len(heads) < left:
            return taken, False
    return taken, True


def _heads(call: Call, name: str, task_types: frozenset[str] | None, limit: int) -> list[UUID]:
    """The first `limit` that are ready, of these types."""
    waits: Document = {"state": WAITING, "queue_name": name}
    types = call.tasks.distinct("task_type", waits) if task_types is None else sorted(task_types)
    if not types:
        return []
    ready = {**waits, "task_type": {"$in": types}, "run_us": {"$lte": call.now_us}}
    found = call.tasks.find(ready, {"_id": 1}).sort(_ORDER).limit(limit).hint(READY)
    return [document["_id"] for document in found]


def take(
    call: Call,
    ids: Sequence[UUID],
    still: Document,
    node: str,
    first_lease: int,
    started_us: int | None,
) -> list[ClaimedTask]:
    """Give the node those of these tasks that are `still` so, leases counting up in their order."""
    given: Document = {
        "state": RUNNING,
        "node": {"$literal": node},
        "lease": {"$add": [first_lease, {"$indexOfArray": [list(ids), "$_id"]}]},
    }
    if started_us is not None:
        given["started_us"] = started_us
    changed = call.tasks.update_many({"_id": {"$in": list(ids)}, **still}, [{"$set": given}])
    if not changed.modified_count:
        return []
    leases = {"$gte": first_lease, "$lt": first_lease + len(ids)}
    found = call.tasks.find({"state": RUNNING, "lease": leases, "node": node})
    return _read(call, list(found.sort("lease").hint(LEASE)), first_lease)


def _read(call: Call, found: Sequence[Document], first_lease: int) -> list[ClaimedTask]:
    """What can be read of running tasks, their leases without gaps."""
    tasks: list[ClaimedTask] = []
    moved: list[UpdateOne] = []
    for document in found:
        lease = first_lease + len(tasks)
        try:
            tasks.append(claimed_of(document, lease))
        except UNREADABLE as error:
            _park(call, document, str(error))
            continue
        if document["lease"] != lease:
            held = {"_id": document["_id"], "lease": document["lease"]}
            moved.append(UpdateOne(held, {"$set": {"lease": lease}}))
    if moved:
        call.tasks.bulk_write(moved)
    return tasks


def _park(call: Call, document: Document, why: str) -> None:
    parked: Any = call.tasks.update_one(
        {"_id": document["_id"], "lease": document["lease"]},
        {
            "$set": {"state": HELD, "error": f"cannot be read: {why}"},
            "$unset": {"lease": "", "node": ""},
        },
    ).modified_count
    if parked:
        call.note_parked()
        logger("mongo").error(
            "a document that cannot be read was set aside", task=document["_id"], why=why
        )
