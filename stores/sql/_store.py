"""The SQL store: one for SQLite, PostgreSQL and MySQL / MariaDB.

Rules:
- A call is one transaction in one hop to a worker thread. A cancelled call is waited for: what it
  did, it did to the end, and its connection is whole.
- Statements are written once, in `_add`, `_settle`, `_claim`, `_edit`, `_look`, `_nodes` and
  `_schedules`; what a database says differently is its `Dialect`'s.
- SQLite has one writer at a time, in this process by a limiter of one, among processes by
  BEGIN IMMEDIATE.

>>> SqlStore("postgresql://scott:tiger@db/app")
<SqlStore closed postgresql://scott:***@db/app tables=apscheduler_jobs>
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar
from uuid import UUID

from anyio import CancelScope, CapacityLimiter, sleep_forever, to_thread

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
from . import _claim, _edit, _look, _nodes, _schedules, _settle
from ._add import add
from ._connect import CONNECTIONS, dialect_for, make_engine, read_url
from ._dialect import Tx
from ._engine import Database
from ._hints import Listener
from ._visit import visit
from ._watch import Watch

if TYPE_CHECKING:
    from sqlalchemy import Connection
    from sqlalchemy.orm import Session

T = TypeVar("T")

DAY_S: Final = 86_400.0
# The longest name made of it, `..._results_ended`, must fit PostgreSQL's 63 bytes.
_TABLE_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,47}")


class SqlStore:
    """A `Store` in a SQL database.

    `url` is `sqlite:///path`, `postgresql://...`, `mysql://...` or `mariadb://...`. With
    `result_ttl_s` 0 no result is written at all: then a task's id may be added again once it has
    ended. `table_name` is the live table's, and the beginning of all others'. `hold` is entered
    for each hop to a thread; a virtual clock stands still in it. `synchronous` is SQLite's:
    FULL, and what was answered is on disk; NORMAL, and the last moments may be lost with the
    machine's power, never with the process. Raises ValueError, and ModuleNotFoundError that names
    the extra to be installed.
    """

    guarantees: frozenset[Guarantee] = frozenset(Guarantee)

    def __init__(
        self,
        url: str,
        *,
        clock: StoreClock | None = None,
        result_ttl_s: float = DAY_S,
        dead_letter_ttl_s: float = 7 * DAY_S,
        table_name: str = "apscheduler_jobs",
        engine_options: Mapping[str, Any] | None = None,
        synchronous: Literal["FULL", "NORMAL"] = "FULL",
        watch_s: float = 0.02,
        hold: Callable[[], AbstractContextManager[object]] = nullcontext,
    ) -> None:
        if not _TABLE_NAME.fullmatch(table_name):
            raise ValueError(f"table_name must be a plain identifier, got {table_name!r}")
        self._url = read_url(url)
        dialect = dialect_for(self._url, table_name, clock)
        engine = make_engine(self._url, dialect, engine_options or {}, synchronous)
        self._database = Database(engine, dialect, str(ids.new_task_id()))
        self._result_ttl_us = duration_us(result_ttl_s)
        self._dead_ttl_us = duration_us(dead_letter_ttl_s)
        self._hold = hold
        self._open = False
        self._watch_s = watch_s
        self._listener: Listener | Watch | None = None
        self._lookers = CapacityLimiter(CONNECTIONS)
        self._writers = CapacityLimiter(1) if dialect.name == "sqlite" else self._lookers

    def __repr__(self) -> str:
        url = self._url.render_as_string(hide_password=True)
        state = "open" if self._open else "closed"
        return f"<SqlStore {state} {url} tables={self._database.dialect.prefix}>"

    @property
    def parked(self) -> int:
        """How many rows that could not be read this store has set aside, held with their error."""
        return self._database.parked

    # --- life ------------------------------------------------------------------------------

    async def open(self) -> None:
        if not self._open:
            await self._hop(self._writers, self._database.open)
            self._open = True

    async def close(self) -> None:
        if self._open:
            self._open = False
            if self._listener is not None:
                self._listener.close()
                self._listener = None
            with CancelScope(shield=True):  # or its connections would stay open for good
                await self._hop(self._lookers, self._database.close)

    async def _hop(self, limiter: CapacityLimiter, work: Callable[[], T]) -> T:
        with self._hold():
            return await to_thread.run_sync(work, limiter=limiter)

    async def _write(self, doing: str, work: Callable[[Tx], T]) -> T:
        if not self._open:
            raise StoreClosed(self._database.dialect.name)
        return await self._hop(self._writers, lambda: self._database.write(doing, work))

    async def _look(self, doing: str, work: Callable[[Tx], T]) -> T:
        if not self._open:
            raise StoreClosed(self._database.dialect.name)
        return await self._hop(self._lookers, lambda: self._database.look(doing, work))

    async def next_hint(self) -> str | None:
        """Wait until another process tells of work: the queue's name, None for any of them.

        PostgreSQL tells by itself, SQLite's file is looked at every `watch_s`; with MySQL it waits
        for ever. Nobody may rely on hints: some are lost. For one caller at a time, and to be
        cancelled before `close`.
        """
        if not self._open:
            raise StoreClosed(self._database.dialect.name)
        if self._database.dialect.name == "mysql":
            await sleep_forever()
        if self._listener is None:
            self._listener = self._make_listener()
        return await self._listener.next_hint()

    def _make_listener(self) -> Listener | Watch:
        database = self._database
        if database.dialect.name == "postgresql":
            return Listener(database, lambda work: self._hop(self._lookers, work))
        database.watch = Watch(self._url.database or "", self._watch_s)
        return database.watch

    async def durability(self) -> Durability:
        dialect = self._database.dialect
        return await self._look("durability", dialect.durability)

    # --- nodes -----------------------------------------------------------------------------

    async def join(self, node: str, *, beat_s: float | None = None, restarted: bool = False) -> int:
        return await self._write("join", lambda tx: _nodes.join(tx, node, beat_s, restarted))

    async def leave(self, node: str, incarnation: int) -> int:
        return await self._write("leave", lambda tx: _nodes.leave(tx, node, incarnation))

    async def heartbeat(self, beats: Sequence[Beat]) -> list[Pulse]:
        return await self._write("heartbeat", lambda tx: _nodes.heartbeat(tx, beats))

    async def reconcile(self, node: str, incarnation: int, held: Collection[int]) -> Reconciled:
        return await self._write(
            "reconcile", lambda tx: _nodes.reconcile(tx, node, incarnation, held)
        )

    async def rescue(self, node: str, first_lease: int, limit: int) -> list[ClaimedTask]:
        return await self._write("rescue", lambda tx: _nodes.rescue(tx, node, first_lease, limit))

    async def nodes(self) -> list[NodeView]:
        return await self._look("nodes", _nodes.nodes)

    # --- tasks -----------------------------------------------------------------------------

    async def add(self, rows: Sequence[TaskRow]) -> list[AddOutcome]:
        return await self._write("add", lambda tx: add(tx, rows))

    def add_on(
        self, connection: "Connection | Session", rows: Sequence[TaskRow]
    ) -> list[AddOutcome]:
        """`add` on the caller's own connection: the tasks exist once and only if that commits.

        Not async, and no thread: it runs where it is called. It neither commits nor rolls back,
        and needs the store to have been opened once, by anybody. Nobody is told; workers find
        the tasks by looking. Raises ValueError when the connection is to another kind of
        database than the store's, and what SQLAlchemy raises.
        """
        return visit(connection, self._database.dialect, lambda tx: add(tx, rows))

    async def exchange(
        self,
        settlements: Sequence[Settlement],
        claims: Claims | None = None,
        *,
        survey: bool = False,
    ) -> Exchanged:
        if claims is not None and any(claim.limit < 0 for claim in claims.queues):
            raise ValueError(f"a claim's limit must be 0 or more, got {claims.queues!r}")

        def exchange(tx: Tx) -> Exchanged:
            refused = _settle.settle(tx, settlements, self._result_ttl_us > 0)
            valid = claims is not None and _nodes.is_there(
                tx, claims.node, claims.first_lease, tx.now_us
            )
            claimed, more, short = _claim.claim(tx, claims if valid else None)
            return Exchanged(
                claimed=claimed,
                refused=refused,
                more=more,
                survey=_look.survey(tx) if survey or short else None,
            )

        return await self._write("exchange", exchange)

    async def edit(self, changes: Sequence[Change]) -> list[Edited]:
        keep_results = self._result_ttl_us > 0
        return await self._write(
            "edit", lambda tx: [_edit.edit(tx, change, keep_results) for change in changes]
        )

    async def find(self, query: Query) -> list[TaskView]:
        return await self._look(
            "find", lambda tx: _look.find(tx, query, self._result_ttl_us, self._dead_ttl_us)
        )

    async def count(self, queue_name: str | None = None) -> Counts:
        return await self._look("count", lambda tx: _look.count(tx, queue_name))

    async def queues(self) -> list[str]:
        return await self._look("queues", _look.queues)

    async def purge(self, what: Purge) -> int:
        return await self._write(
            "purge", lambda tx: _edit.purge(tx, what, self._result_ttl_us, self._dead_ttl_us)
        )

    # --- schedules -------------------------------------------------------------------------

    async def plan(self, changes: Sequence[ScheduleChange]) -> list[bool]:
        return await self._write("plan", lambda tx: _schedules.plan(tx, changes))

    async def due(self, limit: int, after: tuple[datetime, UUID] | None = None) -> Due:
        while True:
            try:
                return await self._look("due", lambda tx: _schedules.due(tx, limit, after))
            except _claim.Unreadable as error:
                await self._hop(self._writers, partial(self._database.park, error))

    async def fire(self, fires: Sequence[Fire]) -> list[FireOutcome]:
        return await self._write("fire", lambda tx: _schedules.fire(tx, fires))

    async def schedules(
        self, job_ids: Sequence[UUID] | None = None, *, limit: int = 1000, after: int = 0
    ) -> list[ScheduleView]:
        return await self._look("schedules", lambda tx: _schedules.find(tx, job_ids, limit, after))
