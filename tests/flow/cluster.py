"""Several nodes on one store, each by a link of its own that a test can cut."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

import anyio

from oncue.adapters.apscheduler import APSchedulerQueue, APSchedulerSettings
from oncue.runtime import SeededEntropy
from oncue.stores import (
    AddOutcome,
    Beat,
    CallableStoreClock,
    Change,
    ClaimedTask,
    Claims,
    Counts,
    Due,
    Edited,
    Exchanged,
    Fire,
    FireOutcome,
    Guarantee,
    MemoryStore,
    NodeView,
    Pulse,
    Purge,
    Query,
    Reconciled,
    ScheduleChange,
    ScheduleView,
    Settlement,
    Store,
    StoreUnavailable,
    TaskRow,
    TaskView,
)
from oncue.testing import VirtualClock

T = TypeVar("T")

BEAT_S = 10.0
"""Of the nodes here: one fences itself after 30 s of silence, and is given up after 40."""


class Link:
    """A `Store` that is another one, as seen from one node.

    `before(call)` and `after(call, answer)` see each call but open and close, and fail it by
    raising: before it has done anything, or with its answer lost. Closing a link does not close
    the store.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self.is_cut = False
        self.before: Callable[[str], Awaitable[None]] = _pass
        self.after: Callable[[str, Any], Awaitable[None]] = _pass

    @property
    def guarantees(self) -> frozenset[Guarantee]:
        return self._store.guarantees

    def trouble(self, call: str) -> StoreUnavailable:
        return StoreUnavailable("shared", call)

    async def _call(self, call: str, work: Callable[[], Awaitable[T]]) -> T:
        if self.is_cut:
            raise self.trouble(call)
        await self.before(call)
        answer = await work()
        await self.after(call, answer)
        return answer

    async def open(self) -> None:
        if self.is_cut:
            raise self.trouble("open")
        await self._store.open()

    async def close(self) -> None:
        pass

    async def join(self, node: str, *, beat_s: float | None = None, restarted: bool = False) -> int:
        return await self._call(
            "join", lambda: self._store.join(node, beat_s=beat_s, restarted=restarted)
        )

    async def leave(self, node: str, incarnation: int) -> int:
        return await self._call("leave", lambda: self._store.leave(node, incarnation))

    async def heartbeat(self, beats: Sequence[Beat]) -> list[Pulse]:
        return await self._call("heartbeat", lambda: self._store.heartbeat(beats))

    async def reconcile(self, node: str, incarnation: int, held: Collection[int]) -> Reconciled:
        return await self._call("reconcile", lambda: self._store.reconcile(node, incarnation, held))

    async def rescue(self, node: str, first_lease: int, limit: int) -> list[ClaimedTask]:
        return await self._call("rescue", lambda: self._store.rescue(node, first_lease, limit))

    async def nodes(self) -> list[NodeView]:
        return await self._call("nodes", self._store.nodes)

    async def add(self, rows: Sequence[TaskRow]) -> list[AddOutcome]:
        return await self._call("add", lambda: self._store.add(rows))

    async def exchange(
        self,
        settlements: Sequence[Settlement],
        claims: Claims | None = None,
        *,
        survey: bool = False,
    ) -> Exchanged:
        return await self._call(
            "exchange", lambda: self._store.exchange(settlements, claims, survey=survey)
        )

    async def edit(self, changes: Sequence[Change]) -> list[Edited]:
        return await self._call("edit", lambda: self._store.edit(changes))

    async def find(self, query: Query) -> list[TaskView]:
        return await self._call("find", lambda: self._store.find(query))

    async def plan(self, changes: Sequence[ScheduleChange]) -> list[bool]:
        return await self._call("plan", lambda: self._store.plan(changes))

    async def due(self, limit: int, after: tuple[datetime, UUID] | None = None) -> Due:
        return await self._call("due", lambda: self._store.due(limit, after))

    async def fire(self, fires: Sequence[Fire]) -> list[FireOutcome]:
        return await self._call("fire", lambda: self._store.fire(fires))

    async def schedules(
        self, job_ids: Sequence[UUID] | None = None, *, limit: int = 1000, after: int = 0
    ) -> list[ScheduleView]:
        return await self._call(
            "schedules", lambda: self._store.schedules(job_ids, limit=limit, after=after)
        )

    async def count(self, queue_name: str | None = None) -> Counts:
        return await self._call("count", lambda: self._store.count(queue_name))

    async def queues(self) -> list[str]:
        return await self._call("queues", self._store.queues)

    async def purge(self, what: Purge) -> int:
        return await self._call("purge", lambda: self._store.purge(what))


async def _pass(*_: Any) -> None:
    pass


class NodeQueue(APSchedulerQueue):
    """A node. Its settings say `sqlalchemy`; its store is a link to one in memory."""

    def __init__(self, link: Link, clock: VirtualClock, seed: int, **settings: Any) -> None:
        self.link = link
        super().__init__(
            APSchedulerSettings(job_store_type="sqlalchemy", **settings),
            clock=clock,
            entropy=SeededEntropy(seed),
        )

    def _make_store(self) -> Store:
        return self.link


class Cluster:
    """One store in memory, and nodes on it."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.ahead_s = 0.0  # of the nodes' clocks: they stood still so long, all of them
        self.store = MemoryStore(clock=CallableStoreClock(self._now))
        self._made = 0

    def _now(self) -> datetime:
        return self.clock.now() + timedelta(seconds=self.ahead_s)

    def node(self, name: str, **settings: Any) -> NodeQueue:
        """A clustered node that does not run yet, with no handlers."""
        own = {"enable_clustering": True, "cluster_heartbeat_interval": BEAT_S, "cluster_id": name}
        return self.queue(**{**own, **settings})

    def queue(self, **settings: Any) -> NodeQueue:
        """As `node`, by the defaults: not clustered."""
        self._made += 1
        return NodeQueue(Link(self.store), self.clock, self._made, **settings)


@asynccontextmanager
async def alive(queue: NodeQueue) -> AsyncGenerator[Callable[[], None]]:
    """The queue running in a task of its own; yields what kills its process.

    Whatever it still does as it falls, its store hears nothing of it.
    """
    async with anyio.create_task_group() as group:

        def die() -> None:
            queue.link.is_cut = True
            group.cancel_scope.cancel()

        await group.start(queue.run)
        yield die
        group.cancel_scope.cancel()
