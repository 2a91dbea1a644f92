"""The MongoDB store.

Each task is one document, and each of its moves one update of it, so what happens to a task happens
whole, on any server. Where several documents change in a call (an exchange that settles many), each
stands for itself: a call that fails may have done a part, and to repeat it is harmless. Only to
fire schedules takes more, and is a transaction where there are any; `_fire` says how it is safe
without.

Rules:
- A call is one hop to a worker thread. A cancelled call is waited for: what it did, it did to the
  end.
- What was answered is in the journals of a majority, unless the URL or the client's options say
  otherwise; and what is told of tasks was, too.
- The time is the server's, asked once per call, in milliseconds.

>>> MongoStore("mongodb://scott:tiger@db/")
<MongoStore closed mongodb://db database=apscheduler collections=jobs>
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from functools import partial
from typing import Any, Final, TypeVar
from uuid import UUID

from anyio import CapacityLimiter, sleep_forever, to_thread

from .. import clock as ids
from .._moments import duration_us
from ..base import Due, Durability, Edited, Exchanged, Guarantee, Pulse, Reconciled
from ..clock import StoreClock
from ..errors import StoreClosed
from ..records import (
    AddOutcome,
    ClaimedTask,
    Counts,
    FireOutcome,
    NodeView,
    ScheduleView,
    TaskRow,
    TaskView,
)
from ..requests import Beat, Change, Claims, Fire, Purge, Query, ScheduleChange, Settlement
from . import _claim, _edit, _fire, _look, _nodes, _schedules, _settle
from ._add import add
from ._call import Call
from ._connect import CONNECTIONS, check_options, make_client, read_url
from ._database import Database
from ._durability import durability
from ._stream import Stream

T = TypeVar("T")

DAY_S: Final = 86_400.0
_COLLECTION: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.]{0,99}")
_SENDER_BITS: Final = 62  # all by chance in an id of version 7


class MongoStore:
    """A `Store` in a MongoDB database.

    `url` is `mongodb://...` or `mongodb+srv://...`. `collection` is the beginning of all
    collections' names. With `result_ttl_s` 0 no result is kept: then a task's id may be added again
    once it has ended. `client_options` are `MongoClient`'s, and win over the URL's. `clock` stands
    in for the server's, in tests. `hold` is entered for each hop to a thread; a virtual clock
    stands still in it. Raises ValueError.
    """

    def __init__(
        self,
        url: str,
        *,
        database: str = "apscheduler",
        collection: str = "jobs",
        clock: StoreClock | None = None,
        result_ttl_s: float = DAY_S,
        dead_letter_ttl_s: float = 7 * DAY_S,
        client_options: Mapping[str, Any] | None = None,
        hold: Callable[[], AbstractContextManager[object]] = nullcontext,
    ) -> None:
        if not _COLLECTION.fullmatch(collection):
            raise ValueError(f"collection must be a plain name, got {collection!r}")
        address = read_url(url)
        check_options(url, client_options or {})
        self._shown = f"{address} database={database} collections={collection}"
        self._database = Database(
            partial(make_client, url, client_options or {}),
            database,
            collection,
            ids.new_task_id().int & (1 << _SENDER_BITS) - 1,
            clock,
        )
        self._result_ttl_us = duration_us(result_ttl_s)
        self._dead_ttl_us = duration_us(dead_letter_ttl_s)
        self._hold = hold
        self._open = False
        self._stream: Stream | None = None
        self._limiter = CapacityLimiter(CONNECTIONS)

    def __repr__(self) -> str:
        return f"<MongoStore {'open' if self._open else 'closed'} {self._shown}>"

    @property
    def parked(self) -> int:
        """How many documents that could not be read this store has set aside, with their error."""
        return self._database.parked

    @property
    def guarantees(self) -> frozenset[Guarantee]:
        """`WHOLE_FIRES` on a replica set or a sharded cluster, and nothing on a server alone.

        A transaction around each call would make nodes that claim from one queue repeat each
        other's work; and a server alone has none.
        """
        return frozenset({Guarantee.WHOLE_FIRES} if self._database.is_replicated else ())

    # --- life ------------------------------------------------------------------------------

    async def open(self) -> None:
        if not self._open:
            await self._hop(self._database.open)
            self._open = True

    async def close(self) -> None:
        if self._open:
            self._open = False
            self._stream = None
            await self._hop(self._database.close)

    async def _hop(self, work: Callable[[], T]) -> T:
        with self._hold():
            return await to_thread.run_sync(work, limiter=self._limiter)

    async def _run(
        self,
        way: Callable[[str, Callable[[Call], T]], T],
        doing: str,
        work: Callable[[Call], T],
    ) -> T:
        if not self._open:
            raise StoreClosed("mongodb")
        return await self._hop(partial(way, doing, work))

    async def _write(self, doing: str, work: Callable[[Call], T]) -> T:
        return await self._run(self._database.write, doing, work)

    async def _look(self, doing: str, work: Callable[[Call], T]) -> T:
        return await self._run(self._database.look, doing, work)

    async def _transact(self, doing: str, work: Callable[[Call], T]) -> T:
        return await self._run(self._database.transact, doing, work)

    async def next_hint(self) -> str | None:
        """Wait until another process tells of work: the queue's name, None for any of them.

        Replica sets and sharded clusters tell; with a single server it waits for ever. Nobody may
        rely on hints: some are lost. For one caller at a time, and to be cancelled before `close`.
        """
        if not self._open:
            raise StoreClosed("mongodb")
        if not self._database.is_replicated:
            await sleep_forever()
        if self._stream is None:
            self._stream = Stream(
                self._database, partial(to_thread.run_sync, abandon_on_cancel=True)
            )
        return await self._stream.next_hint()

    async def durability(self) -> Durability:
        if not self._open:
            raise StoreClosed("mongodb")
        concern = self._database.client.write_concern.document
        return durability(concern, self._database.is_replicated)

    # --- nodes -----------------------------------------------------------------------------

    async def join(self, node: str, *, beat_s: float | None = None, restarted: bool = False) -> int:
        return await self._write("join", lambda call: _nodes.join(call, node, beat_s, restarted))

    async def leave(self, node: str, incarnation: int) -> int:
        return await self._write("leave", lambda call: _nodes.leave(call, node, incarnation))

    async def heartbeat(self, beats: Sequence[Beat]) -> list[Pulse]:
        return await self._write("heartbeat", lambda call: _nodes.heartbeat(call, beats))

    async def reconcile(self, node: str, incarnation: int, held: Collection[int]) -> Reconciled:
        return await self._write(
            "reconcile", lambda call: _nodes.reconcile(call, node, incarnation, held)
        )

    async def rescue(self, node: str, first_lease: int, limit: int) -> list[ClaimedTask]:
        return await self._write(
            "rescue", lambda call: _nodes.rescue(call, node, first_lease, limit)
        )

    async def nodes(self) -> list[NodeView]:
        return await self._look("nodes", _nodes.nodes)

    # --- tasks -----------------------------------------------------------------------------

    async def add(self, rows: Sequence[TaskRow]) -> list[AddOutcome]:
        return await self._write("add", lambda call: add(call, rows))

    async def exchange(
        self,
        settlements: Sequence[Settlement],
        claims: Claims | None = None,
        *,
        survey: bool = False,
    ) -> Exchanged:
        if claims is not None and any(claim.limit < 0 for claim in claims.queues):
            raise ValueError(f"a claim's limit must be 0 or more, got {claims.queues!r}")

        def exchange(call: Call) -> Exchanged:
            refused = _settle.settle(call, settlements, self._result_ttl_us > 0)
            valid = claims is not None and _nodes.is_there(call, claims.node, claims.first_lease)
            claimed, more, short = _claim.claim(call, claims if valid else None)
            return Exchanged(
                claimed=claimed,
                refused=refused,
                more=more,
                survey=_look.survey(call) if survey or short else None,
            )

        return await self._write("exchange", exchange)

    async def edit(self, changes: Sequence[Change]) -> list[Edited]:
        keep_results = self._result_ttl_us > 0
        return await self._write(
            "edit", lambda call: [_edit.edit(call, change, keep_results) for change in changes]
        )

    async def find(self, query: Query) -> list[TaskView]:
        return await self._look(
            "find", lambda call: _look.find(call, query, self._result_ttl_us, self._dead_ttl_us)
        )

    async def count(self, queue_name: str | None = None) -> Counts:
        return await self._transact("count", lambda call: _look.count(call, queue_name))

    async def queues(self) -> list[str]:
        return await self._look("queues", _look.queues)

    async def purge(self, what: Purge) -> int:
        return await self._write(
            "purge", lambda call: _edit.purge(call, what, self._result_ttl_us, self._dead_ttl_us)
        )

    # --- schedules -------------------------------------------------------------------------

    async def plan(self, changes: Sequence[ScheduleChange]) -> list[bool]:
        return await self._transact("plan", lambda call: _schedules.plan(call, changes))

    async def due(self, limit: int, after: tuple[datetime, UUID] | None = None) -> Due:
        return await self._write("due", lambda call: _schedules.due(call, limit, after))

    async def fire(self, fires: Sequence[Fire]) -> list[FireOutcome]:
        return await self._transact("fire", lambda call: _fire.fire(call, fires))

    async def schedules(
        self, job_ids: Sequence[UUID] | None = None, *, limit: int = 1000, after: int = 0
    ) -> list[ScheduleView]:
        return await self._look(
            "schedules", lambda call: _schedules.find(call, job_ids, limit, after)
        )
