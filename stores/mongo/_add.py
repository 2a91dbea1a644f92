"""Adding tasks, exactly once each.

Rules:
- `_id` refuses an id that is live or has ended, the index `key` a key that is taken; what was
  refused is asked for its reason, and where that is gone again, once more from the start.
- An id that is known is a repetition whatever its key, so ids are asked before keys.
- Within a transaction nothing may be refused, as that would end it: there all is asked first, and
  who is overtaken meanwhile tries anew.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final
from uuid import UUID

from pymongo.client_session import ClientSession
from pymongo.collection import Collection
from pymongo.errors import BulkWriteError

from ..records import Added, AddOutcome, AlreadyKnown, TaskRow, UniqueTaken
from ._call import Call
from ._database import Conflict
from ._documents import document_of
from ._schema import IS_LIVE, Document

_ADDED: Final = Added()
_ALREADY_KNOWN: Final = AlreadyKnown()
_DUPLICATE: Final = 11000
# A reason that is gone when it is asked for is a race lost by microseconds.
_ROUNDS_MAX: Final = 10


def add(
    call: Call, rows: Sequence[TaskRow], owed_to: Sequence[int | None] | None = None
) -> list[AddOutcome]:
    """One outcome per row, in order. `owed_to` is each one's version of its schedule, if any."""
    if not rows:
        return []
    documents: dict[UUID, Document] = {}
    place = call.place(len(rows))
    for number, row in enumerate(rows):
        document = document_of(row, call.now_us, place + number, call.sender)
        if owed_to is not None and owed_to[number] is not None:
            document["owed_to"] = owed_to[number]
        documents.setdefault(row.task_id, document)
    outcomes = _add(call, documents) if call.session is None else _add_within(call, documents)
    answered: set[UUID] = set()
    answers: list[AddOutcome] = []
    for row in rows:
        again = row.task_id in answered and outcomes[row.task_id] is _ADDED
        answers.append(_ALREADY_KNOWN if again else outcomes[row.task_id])
        answered.add(row.task_id)
    return answers


def _add(call: Call, pending: dict[UUID, Document]) -> dict[UUID, AddOutcome]:
    outcomes: dict[UUID, AddOutcome] = {}
    for _ in range(_ROUNDS_MAX):
        refused = insert(call.tasks, list(pending.values()))
        outcomes.update((key, _ADDED) for key in pending.keys() - refused)
        outcomes.update(_reasons(call, {key: pending[key] for key in refused}))
        pending = {key: each for key, each in pending.items() if key not in outcomes}
        if not pending:
            return outcomes
    raise Conflict


def insert(
    collection: Collection[Document],
    documents: Sequence[Document],
    session: ClientSession | None = None,
) -> set[UUID]:
    """Write all that can be; the ids of those whose id or key is taken."""
    if not documents:
        return set()
    try:
        collection.insert_many(documents, ordered=False, session=session)
    except BulkWriteError as error:
        details: Any = error.details
        failed: list[Document] = details["writeErrors"]
        if details["writeConcernErrors"] or any(each["code"] != _DUPLICATE for each in failed):
            raise
        return {documents[each["index"]]["_id"] for each in failed}
    return set()


def _reasons(call: Call, refused: dict[UUID, Document]) -> dict[UUID, AddOutcome]:
    if not refused:
        return {}
    reasons: dict[UUID, AddOutcome] = dict.fromkeys(_known(call, refused), _ALREADY_KNOWN)
    holders = _holders(call, [each for key, each in refused.items() if key not in reasons])
    for key, document in refused.items():
        holder = holders.get(_key_of(document))
        if key not in reasons and holder is not None:
            reasons[key] = UniqueTaken(live_task_id=holder)
    return reasons


def _known(call: Call, ids: Iterable[UUID]) -> list[UUID]:
    found = call.tasks.find({"_id": {"$in": list(ids)}}, {"_id": 1}, session=call.session)
    return [document["_id"] for document in found]


def _holders(call: Call, documents: Sequence[Document]) -> dict[tuple[str, str | None], UUID]:
    """By queue and key, who holds the keys that these want."""
    wanted = [
        {"state": IS_LIVE, "queue_name": each["queue_name"], "unique_key": each["unique_key"]}
        for each in documents
        if "unique_key" in each
    ]
    if not wanted:
        return {}
    shown = {"queue_name": 1, "unique_key": 1}
    found = call.tasks.find({"$or": wanted}, shown, session=call.session)
    return {_key_of(document): document["_id"] for document in found}


def _key_of(document: Document) -> tuple[str, str | None]:
    return document["queue_name"], document.get("unique_key")


def _add_within(call: Call, documents: dict[UUID, Document]) -> dict[UUID, AddOutcome]:
    """In a transaction."""
    outcomes: dict[UUID, AddOutcome] = dict.fromkeys(_known(call, documents), _ALREADY_KNOWN)
    fresh = {key: each for key, each in documents.items() if key not in outcomes}
    holders = _holders(call, list(fresh.values()))
    chosen: list[Document] = []
    for task_id, document in fresh.items():
        key = _key_of(document)
        if key[1] is None or key not in holders:
            chosen.append(document)
            outcomes[task_id] = _ADDED
            if key[1] is not None:
                holders[key] = task_id
        else:
            outcomes[task_id] = UniqueTaken(live_task_id=holders[key])
    if insert(call.tasks, chosen, call.session):
        raise Conflict
    return outcomes
