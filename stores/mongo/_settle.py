"""Settling: how an attempt ended, written into the task's own document.

Rules:
- The fence is (_id, lease) and nothing else. Each settlement is one update of one document, so it
  is made whole or not at all; of several in a call, some may be made when the call fails, and to
  repeat them is harmless.
- Of several settlements of one lease in a call, the first counts.
- All go out in one batch, which tells how many applied; only where some did not, it is read which:
  each leaves its number. Should the next owner settle such a task within that moment, then its
  settlement is said to be refused although it was made.
"""

from collections.abc import Sequence
from typing import Final, assert_never
from uuid import UUID

from pymongo import UpdateOne

from .._moments import duration_us
from ..requests import Back, Cancelled, Dead, Done, RetryAt, Settlement
from ..task import TaskStatus
from ._call import Call
from ._documents import ROW_FIELDS
from ._schema import DEAD, ENDED, RUNNING, WAITING, Document

RELEASED: Final[Document] = {"lease": "", "node": ""}
"""What is unset when a lease is void."""
FORGOTTEN: Final[Document] = {**RELEASED, **dict.fromkeys(ROW_FIELDS, "")}
"""What is unset when a task becomes a result."""


def settle(call: Call, settlements: Sequence[Settlement], keep_results: bool) -> list[Settlement]:
    """Write what ended; the settlements refused, in order."""
    firsts: dict[tuple[UUID, int], int] = {}
    for number, each in enumerate(settlements):
        firsts.setdefault((each.task_id, each.lease), number)
    if not firsts:
        return []
    place = call.place(len(settlements))
    updates = [_update(call, settlements[number], place + number) for number in firsts.values()]
    matched = call.tasks.bulk_write(updates, ordered=False).matched_count
    written = set(firsts.values())
    if matched < len(written):
        asked = {place + number: settlements[number].task_id for number in written}
        written = {number - place for number in _left(call, asked)}
    if not keep_results:
        ended = [settlements[number] for number in written]
        forget(call, [each.task_id for each in ended if isinstance(each, Done | Cancelled)])
    return [each for number, each in enumerate(settlements) if number not in written]


def _left(call: Call, asked: dict[int, UUID]) -> set[int]:
    """The numbers that were left in their tasks."""
    found = call.tasks.find(
        {"_id": {"$in": list(asked.values())}, "sender": call.sender}, {"settled": 1}
    )
    numbers = {document.get("settled"): document["_id"] for document in found}
    return {number for number, task_id in asked.items() if numbers.get(number) == task_id}


def _update(call: Call, settlement: Settlement, number: int) -> UpdateOne:
    told: Document = {"settled": number, "sender": call.sender}
    unset = RELEASED
    counted: Document = {}
    match settlement:
        case Done():
            told |= _last(settlement) | ending(call, TaskStatus.COMPLETED, number)
            told["result"] = settlement.result
            unset = {**FORGOTTEN, "error": ""}
        case Cancelled():
            told |= _last(settlement) | ending(call, TaskStatus.CANCELLED, number)
            unset = FORGOTTEN
            if settlement.error is None:
                unset = {**FORGOTTEN, "error": ""}
            else:
                told["error"] = settlement.error
        case Dead():
            told |= _last(settlement)
            told |= {"state": DEAD, "error": settlement.error}
            told |= {"ended_us": call.now_us, "place": number}
        case RetryAt():
            told |= _last(settlement)
            told |= {"state": WAITING, "error": settlement.error}
            told["run_us"] = call.now_us + duration_us(settlement.delay_s)
            counted = {"$inc": {"retry_count": 1}}
        case Back():
            told["state"] = WAITING
        case _:
            assert_never(settlement)
    fence = {"_id": settlement.task_id, "lease": settlement.lease, "state": RUNNING}
    return UpdateOne(fence, {"$set": told, "$unset": unset, **counted})


def _last(settlement: Done | Cancelled | Dead | RetryAt) -> Document:
    """What is kept of an attempt, but its error."""
    return {"execution_s": settlement.execution_s, "worker_id": settlement.worker_id}


def ending(call: Call, status: TaskStatus, place: int) -> Document:
    """What makes a result of a task, with `FORGOTTEN`."""
    return {"state": ENDED, "status": status.value, "ended_us": call.now_us, "place": place}


def forget(call: Call, ids: Sequence[UUID]) -> None:
    """Keep nothing of these results, but the ids that a schedule may ask for again."""
    if ids:
        call.tasks.delete_many(
            {"_id": {"$in": list(ids)}, "state": ENDED, "owed_to": {"$exists": False}}
        )


def put_back(call: Call, which: Document) -> int:
    """Void the leases of those: no attempt, and each takes its old place in line. How many."""
    return call.tasks.update_many(
        {"state": RUNNING, **which},
        {"$set": {"state": WAITING, "sender": call.sender}, "$unset": RELEASED},
    ).modified_count
