"""Hints from other processes: the change stream that a replica set gives.

Rules:
- A hint is never needed: whoever misses some looks by itself in a while. Nothing here raises but
  cancellation.
- After each (re)connection everything is to be looked at, as hints were missed.
- What one has added oneself is dropped, by the server: this process was told from within. Of a
  queue that goes on nothing says who did it.
- The driver waits in a thread, where nothing can interrupt it: who is cancelled leaves it to
  itself, and it ends with its wait, which is short.
"""

from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final

import anyio
from bson.errors import BSONError
from pymongo.change_stream import ChangeStream
from pymongo.errors import PyMongoError

from ._database import Database
from ._schema import WAITING, Document

WAIT_MS: Final = 500
_CHANGED: Final = "updateDescription.updatedFields"
_BACKOFF_S_MIN: Final = 0.5
_BACKOFF_S_MAX: Final = 30.0


class Stream:
    """A change stream on the tasks. `hop` runs a function in a thread that may be abandoned."""

    def __init__(
        self, database: Database, hop: Callable[[Callable[[], Any]], Awaitable[Any]]
    ) -> None:
        self._database = database
        self._hop = hop
        self._stream: ChangeStream[Document] | None = None
        self._hints: deque[str | None] = deque()
        self._backoff_s = _BACKOFF_S_MIN

    async def next_hint(self) -> str | None:
        """The name of a queue to be looked at, None for all of them."""
        while not self._hints:
            try:
                if self._stream is None:
                    self._stream = await self._hop(self._connect)
                    self._hints.append(None)
                else:
                    self._note(await self._hop(partial(self._wait, self._stream)))
                self._backoff_s = _BACKOFF_S_MIN
            except anyio.get_cancelled_exc_class():
                self._stream = None
                raise
            except (PyMongoError, BSONError):
                self._stream = None
                await anyio.sleep(self._backoff_s)
                self._backoff_s = min(2 * self._backoff_s, _BACKOFF_S_MAX)
        return self._hints.popleft()

    def _connect(self) -> ChangeStream[Document]:
        # Of the whole database: that a queue goes on is told by what is removed from the paused.
        watched = self._database.on_primary("majority")
        tasks = {"ns.coll": f"{self._database.prefix}_tasks"}
        paused = {"ns.coll": f"{self._database.prefix}_paused"}
        others: Document = {"$ne": self._database.sender}
        waits = [
            {f"{_CHANGED}.state": WAITING},
            {f"{_CHANGED}.run_us": {"$exists": True}},
            {f"{_CHANGED}.queue_name": {"$exists": True}},
            {f"{_CHANGED}.status": "cancelled"},
        ]
        telling: list[Document] = [
            {**tasks, "operationType": "insert", "fullDocument.sender": others},
            {**tasks, "operationType": "update", f"{_CHANGED}.sender": others, "$or": waits},
            {**paused, "operationType": "delete"},
        ]
        names = ("fullDocument.queue_name", f"{_CHANGED}.queue_name", "documentKey")
        shown = {"operationType": 1, **dict.fromkeys(names, 1)}
        steps: list[Document] = [{"$match": {"$or": telling}}, {"$project": shown}]
        return watched.watch(steps, max_await_time_ms=WAIT_MS)

    def _wait(self, stream: ChangeStream[Document]) -> Document | None:
        if not stream.alive:
            raise PyMongoError("the change stream has ended")
        change = stream.try_next()
        if stream is not self._stream:  # who waited for it has left
            stream.close()
        return change

    def _note(self, change: Document | None) -> None:
        if change is not None:
            hint = _queue_of(change)
            if hint not in self._hints:
                self._hints.append(hint)


def _queue_of(change: Document) -> str | None:
    """The queue to be looked at, where the change tells."""
    if change["operationType"] == "delete":
        name = change["documentKey"]["_id"]
    else:
        told = change.get("fullDocument") or change["updateDescription"].get("updatedFields", {})
        name = told.get("queue_name")
    return name if isinstance(name, str) else None
