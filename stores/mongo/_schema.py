"""The collections: what a document holds, and the indexes that find it.

A task is one document for as long as it is known, live or ended; `state` says where it is. So each
of its moves changes one document, which MongoDB does whole or not at all, and an id is in one place
because it is `_id`. Collections are `{prefix}_tasks` and so on; times are microseconds since 1970.

A live task is waiting, running or held. Held is what was paused, and what could not be read: then
`error` says so. What has ended has a `place` of its own, in the order of ending; a result has
nothing left of its row but the queue's name.

Each index but two is partial, so that what has ended costs the live nothing, and each but one is
named in the query that is to use it:

- ready: what may be claimed, by type in the order of claims. A claim names the types it wants, and
  the server merges their heads; what is not due is jumped over.
- due: when the next waiting task will be due.
- running: what runs, by lease.
- held: the queues of what is held.
- listed: live tasks in the order added.
- key: no two live tasks of a queue have one `unique_key`.
- runs: the live runs of a schedule.
- ended: dead letters and results, in the order in which they ended.

`size`, the payload's bytes, is in a document for `count` alone. Of ready, running, held and ended
the last fields are there for it too: so these four answer it, and no document is read. A longer
entry is cheaper than one more index, which each move of a task would have to write.
"""

from contextlib import suppress
from typing import Any, Final

from pymongo import ASCENDING, DESCENDING, IndexModel
from pymongo.database import Database as Mongo
from pymongo.errors import DuplicateKeyError

VERSION: Final = 1

Document = dict[str, Any]

WAITING: Final = 0
RUNNING: Final = 1
HELD: Final = 2
DEAD: Final = 3
ENDED: Final = 4
IS_LIVE: Final = {"$lt": DEAD}

READY: Final = "ready"
DUE: Final = "due"
RUNS: Final = "runs"
LEASE: Final = "running"
SET_ASIDE: Final = "held"
LISTED: Final = "listed"
ENDINGS: Final = "ended"

COLLECTIONS: Final = ("tasks", "schedules", "nodes", "paused", "counters")

_SCHEMA: Final = "schema"
_COUNTERS: Final = {"incarnation": 0, "schedule": 0}


def _index(name: str, where: Document | None, *keys: str, unique: bool = False) -> IndexModel:
    order = [(key.lstrip("-"), DESCENDING if key[0] == "-" else ASCENDING) for key in keys]
    partial = {} if where is None else {"partialFilterExpression": where}
    return IndexModel(order, name=name, unique=unique, **partial)


def _with(field: str) -> Document:
    return {"state": IS_LIVE, field: {"$exists": True}}


# `state` stands before the others even where it has one value only: without it, no question by
# state alone would be answered from the index, nor any without fetching the document.
_TASKS: Final = (
    _index(
        READY, {"state": WAITING},
        "state", "queue_name", "task_type", "-priority", "run_us", "place", "size",
    ),
    _index(DUE, {"state": WAITING}, "state", "run_us"),
    _index(LEASE, {"state": RUNNING}, "state", "lease", "queue_name", "place", "size"),
    _index(SET_ASIDE, {"state": HELD}, "state", "queue_name", "priority", "place", "size"),
    _index(LISTED, {"state": IS_LIVE}, "place"),
    _index("key", _with("unique_key"), "queue_name", "unique_key", unique=True),
    _index(RUNS, _with("job_id"), "job_id"),
    _index(ENDINGS, {"state": {"$gte": DEAD}}, "state", "ended_us", "place", "queue_name", "size"),
)  # fmt: skip
_SCHEDULES: Final = (
    _index("number", None, "number", unique=True),
    _index(DUE, {"next_run_us": {"$exists": True}}, "next_run_us", "_id"),
)


class SchemaTooNew(RuntimeError):
    """The collections were made by a newer OnCue than this one: the caller's fault.

    `found` is their version, `known` the newest that this one knows.
    """

    def __init__(self, prefix: str, found: int, known: int) -> None:
        super().__init__(
            f"the collections {prefix!r} have schema version {found}, and this OnCue knows none "
            f"newer than {known}: upgrade OnCue, or name other collections"
        )
        self.prefix = prefix
        self.found = found
        self.known = known


def migrate(database: Mongo[Document], prefix: str) -> None:
    """Bring the collections to `VERSION`. Raises SchemaTooNew.

    Any number of processes may do so at once, since an index is made once; and whoever finds the
    schema as it should be changes nothing, and needs no right to.
    """
    counters = database[f"{prefix}_counters"]
    found = counters.find_one({"_id": _SCHEMA})
    version = 0 if found is None else int(found["value"])
    if version > VERSION:
        raise SchemaTooNew(prefix, version, VERSION)
    if version == VERSION:
        return
    database[f"{prefix}_tasks"].create_indexes(list(_TASKS))
    database[f"{prefix}_schedules"].create_indexes(list(_SCHEDULES))
    for name, value in (*_COUNTERS.items(), (_SCHEMA, VERSION)):
        with suppress(DuplicateKeyError):  # somebody else has done the same
            counters.insert_one({"_id": name, "value": value})
