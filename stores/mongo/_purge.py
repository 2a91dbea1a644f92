"""What is removed for good, page by page.

Rules:
- What is found by its index is removed page by page, if it is so still: no statement is long,
  however many there are, and whoever must stop does so between two.
- Up to what there was at the start: what waits by its place, what ended by its time. So there is an
  end, however quickly more comes.
- What a schedule may still ask for by its id stays: see `_fire`.
"""

from collections.abc import Iterator
from itertools import islice
from typing import Final, assert_never

from pymongo import DESCENDING

from .._moments import duration_us
from ..requests import Purge, PurgeDeadLetters, PurgeExpired, PurgeResults, PurgeWaiting
from ._call import Call
from ._schema import (
    DEAD,
    ENDED,
    ENDINGS,
    HELD,
    IS_LIVE,
    LISTED,
    READY,
    SET_ASIDE,
    WAITING,
    Document,
)

PAGE: Final = 1000
_SHOWN: Final = ("state", "owed_to", "job_id")


def pages(call: Call, what: Purge, result_ttl_us: int, dead_ttl_us: int) -> Iterator[int]:
    """Remove what is to be removed: a page each time that it is asked how many that were."""
    match what:
        case PurgeWaiting(queue_name=name):
            mine = {"queue_name": name, "place": {"$not": {"$gt": _newest(call)}}}
            yield from _pages(call, {"state": WAITING, **mine}, READY)
            yield from _pages(call, {"state": HELD, **mine}, SET_ASIDE)
        case PurgeDeadLetters(queue_name=name, older_than_s=older_than_s):
            of_queue = {} if name is None else {"queue_name": name}
            yield from _ended(call, DEAD, duration_us(older_than_s), of_queue)
        case PurgeResults(older_than_s=older_than_s):
            yield from _ended(call, ENDED, duration_us(older_than_s), {})
        case PurgeExpired():
            yield from _ended(call, DEAD, dead_ttl_us, {})
            yield from _ended(call, ENDED, result_ttl_us, {})
        case _:
            assert_never(what)


def _newest(call: Call) -> int:
    """The place of the live task that was added last."""
    placed = {"state": IS_LIVE, "place": {"$type": "number"}}
    last = call.tasks.find_one(placed, {"place": 1}, sort=[("place", DESCENDING)], hint=LISTED)
    return 0 if last is None else last["place"]


def _ended(call: Call, state: int, age_us: int, mine: Document) -> Iterator[int]:
    old = {"state": state, "ended_us": {"$lte": call.now_us - age_us}, **mine}
    return _pages(call, old, ENDINGS)


def _pages(call: Call, which: Document, index: str) -> Iterator[int]:
    found = call.tasks.find(which, _SHOWN).hint(index).batch_size(PAGE)
    while page := list(islice(found, PAGE)):
        ids = [each["_id"] for each in page if not _is_owed(call, each)]
        # By _id, as the condition looks as if the index that found them could answer it.
        removed = call.tasks.delete_many({"_id": {"$in": ids}, **which}, hint="_id_")
        yield removed.deleted_count


def _is_owed(call: Call, document: Document) -> bool:
    """A few ended tasks are: of those who fired them and died before they could move on."""
    if document["state"] < DEAD or "owed_to" not in document:
        return False
    owing = {"_id": document.get("job_id"), "version": document["owed_to"]}
    return call.schedules.find_one(owing, {"_id": 1}) is not None
