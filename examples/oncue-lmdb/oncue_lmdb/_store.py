"""The store: each call is one transaction in one hop to a worker thread.

Rules:
- The calls of one store take turns. LMDB has one writer at a time anyway, in any process; and so
  nothing is under way when the store closes.
- A cancelled call that has begun is waited for: it is done to the end.
- What is due, and who is dead, is judged by the host's clock, asked once a call, behind the lock.

>>> LmdbStore("jobs")
<LmdbStore closed jobs>
"""

from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from typing import Final, TypeVar
from uuid import UUID

from anyio import CancelScope, CapacityLimiter, sleep, to_thread

from oncue.stores import (
    AddOutcome,
    Beat,
    Change,
    ClaimedTask,
    Claims,
    Counts,
    Due,
    Durability,
    Edited,
    Exchanged,
    Fire,
    FireOutcome,
    Guarantee,
    NodeView,
    Pulse,
    Purge,
    Query,
    Reconciled,
    RemoveSchedule,
    ScheduleChange,
    ScheduleView,
    Settlement,
    StoreClock,
    StoreClosed,
    SystemStoreClock,
    TaskRow,
    TaskView,
    duration_us,
    microseconds,
)

from . import _edit, _look, _nodes, _schedules, _tasks
from ._environment import STORE, Environment, acquire, release
from ._environment import FormatUnknown as FormatUnknown
from ._tx import Tx

T = TypeVar("T")

DAY_S: Final = 86_400.0
MAP_SIZE: Final = 1024**3
MAP_SIZE_MIN: Final = 16 * 1024**2
"""Four of the largest payloads."""
WATCH_S: Final = 0.05
"""How often it is looked whether another process has written."""


class LmdbStore:
    """A `Store` in a directory of this machine, for any number of its processes.

    `map_size` is how large its file may become, in bytes; what is not used takes no room on most
    file systems. All processes give the same. From seven eighths on nothing is added, so that what
    makes room goes on. With `sync=False` a power failure may lose the last moments, or break the
    whole file; a process that is killed loses nothing either way. `hold` is entered for each hop to
    a thread. Raises ValueError.
    """

    guarantees: frozenset[Guarantee] = frozenset(Guarantee)

    def __init__(
        self,
        path: str,
        *,
        clock: StoreClock | None = None,
        result_ttl_s: float = DAY_S,
        dead_letter_ttl_s: float = 7 * DAY_S,
        map_size: int = MAP_SIZE,
        sync: bool = True,
        hold: Callable[[], AbstractContextManager[object]] = nullcontext,
    ) -> None:
        if type(map_size) is not int or map_size < MAP_SIZE_MIN:
            raise ValueError(
                f"map_size must be a number of bytes, {MAP_SIZE_MIN} or more, got {map_size!r}"
            )
        if type(sync) is not bool:
            raise ValueError(f"sync must be true or false, got {sync!r}")
        self._path = path
        self._map_size = map_size
        self._sync = sync
        self._clock = clock or SystemStoreClock()
        self._result_ttl_us = duration_us(result_ttl_s)
        self._dead_ttl_us = duration_us(dead_letter_ttl_s)
        self._hold = hold
        self._environment: Environment | None = None
        self._turns = CapacityLimiter(1)
        self._seen_txn: int = 0
        self._has_news: bool = False

    def __repr__(self) -> str:
        state = "closed" if self._environment is None else "open"
        return f"<LmdbStore {state} {self._path}>"

    # --- life ------------------------------------------------------------------------------

    async def open(self) -> None:
        """Make the directory if it is not there. Harmless when open.

        Raises StoreUnavailable, also where this process has it open with other options, or was
        forked while it was open; FormatUnknown.
        """
        await self._hop(self._open)

    def _open(self) -> None:
        if self._environment is None:
            self._environment = acquire(self._path, self._map_size, self._sync)
            self._seen_txn = self._environment.last_txn

    async def close(self) -> None:
        environment, self._environment = self._environment, None
        if environment is not None:
            with CancelScope(shield=True):  # or it would stay open for good
                await self._hop(lambda: release(environment))

    async def _hop(self, work: Callable[[], T]) -> T:
        with self._hold():
            return await to_thread.run_sync(work, limiter=self._turns)

    def _there(self) -> Environment:
        if self._environment is None or not self._environment.is_ours:
            raise StoreClosed(STORE)
        return self._environment

    def _now_us(self) -> int:
        return microseconds(self._clock.now())

    async def _write(self, doing: str, work: Callable[[Tx], T], *, adds: bool = False) -> T:
        environment = self._there()

        def write() -> T:
            done = environment.write(doing, work, self._now_us, adds=adds)
            self._has_news = self._has_news or done.last_txn != self._seen_txn
            self._seen_txn = done.last_txn + done.wrote
            return done.result

        return await self._hop(write)

    async def _look(self, doing: str, work: Callable[[Tx], T]) -> T:
        environment = self._there()
        return await self._hop(lambda: environment.look(doing, work, self._now_us))

    async def next_hint(self) -> None:
        """Wait until another process has written: anything may be ready. For one caller at a time.

        To be cancelled before `close`.
        """
        while True:
            last_txn = self._there().last_txn
            if self._has_news or last_txn != self._seen_txn:
                self._seen_txn, self._has_news = last_txn, False
                return
            await sleep(WATCH_S)

    async def durability(self) -> Durability:
        self._there()
        if self._sync:
            return Durability(summary="on disk (sync)", warnings=())
        return Durability(
            summary="in the system's memory (sync=false)",
            warnings=("a power failure may lose tasks, or break the lmdb store's file",),
        )

    # --- nodes -----------------------------------------------------------------------------

    async def join(self, node: str, *, beat_s: float | None = None, restarted: bool = False) -> int:
        return await self._write("join", lambda tx: _tasks.join(tx, node, beat_s, restarted))

    async def leave(self, node: str, incarnation: int) -> int:
        return await self._write("leave", lambda tx: _tasks.leave(tx, node, incarnation))

    async def heartbeat(self, beats: Sequence[Beat]) -> list[Pulse]:
        return await self._write(
            "heartbeat", lambda tx: [_nodes.heartbeat(tx, each) for each in beats]
        )

    async def reconcile(self, node: str, incarnation: int, held: Collection[int]) -> Reconciled:
        return await self._write(
            "reconcile", lambda tx: _tasks.reconcile(tx, node, incarnation, held)
        )

    async def rescue(self, node: str, first_lease: int, limit: int) -> list[ClaimedTask]:
        return await self._write("rescue", lambda tx: _tasks.rescue(tx, node, first_lease, limit))

    async def nodes(self) -> list[NodeView]:
        return await self._look("nodes", _nodes.views)

    # --- tasks -----------------------------------------------------------------------------

    async def add(self, rows: Sequence[TaskRow]) -> list[AddOutcome]:
        return await self._write("add", lambda tx: [_tasks.add(tx, row) for row in rows], adds=True)

    async def exchange(
        self,
        settlements: Sequence[Settlement],
        claims: Claims | None = None,
        *,
        survey: bool = False,
    ) -> Exchanged:
        if claims is not None and any(claim.limit < 0 for claim in claims.queues):
            raise ValueError(f"a claim's limit must be 0 or more, got {claims.queues!r}")
        return await self._write(
            "exchange", lambda tx: _tasks.exchange(tx, settlements, claims, survey)
        )

    async def edit(self, changes: Sequence[Change]) -> list[Edited]:
        return await self._write("edit", lambda tx: [_edit.edit(tx, each) for each in changes])

    async def find(self, query: Query) -> list[TaskView]:
        return await self._look(
            "find", lambda tx: _look.find(tx, query, self._result_ttl_us, self._dead_ttl_us)
        )

    async def count(self, queue_name: str | None = None) -> Counts:
        return await self._look("count", lambda tx: _look.count(tx, queue_name))

    async def queues(self) -> list[str]:
        return await self._look("queues", lambda tx: [each.name for each in tx.queues()])

    async def purge(self, what: Purge) -> int:
        return await self._write(
            "purge", lambda tx: _edit.purge(tx, what, self._result_ttl_us, self._dead_ttl_us)
        )

    # --- schedules -------------------------------------------------------------------------

    async def plan(self, changes: Sequence[ScheduleChange]) -> list[bool]:
        adds = not all(isinstance(change, RemoveSchedule) for change in changes)
        return await self._write(
            "plan", lambda tx: [_schedules.plan(tx, each) for each in changes], adds=adds
        )

    async def due(self, limit: int, after: tuple[datetime, UUID] | None = None) -> Due:
        return await self._look("due", lambda tx: _schedules.due(tx, limit, after))

    async def fire(self, fires: Sequence[Fire]) -> list[FireOutcome]:
        return await self._write(
            "fire", lambda tx: [_schedules.fire(tx, each) for each in fires], adds=True
        )

    async def schedules(
        self, job_ids: Sequence[UUID] | None = None, *, limit: int = 1000, after: int = 0
    ) -> list[ScheduleView]:
        return await self._look("schedules", lambda tx: _schedules.find(tx, job_ids, limit, after))
