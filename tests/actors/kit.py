"""A memory queue in somebody else's tree, whose actors can be killed and whose store has hooks."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio

from oncue.actors import RetryPolicy
from oncue.adapters.memory import MemoryQueue, MemorySettings
from oncue.runtime import ActorSystem, Clock, Node, SeededEntropy, Strategy, SupervisorSpec
from oncue.stores import (
    AddOutcome,
    CallableStoreClock,
    Change,
    ClaimedTask,
    Claims,
    Done,
    Edited,
    Exchanged,
    MemoryStore,
    Query,
    Settlement,
    TaskData,
    TaskRow,
    TaskView,
    encode_task,
)

Hook = Callable[[str, Any], Awaitable[None]]
POLICY = RetryPolicy()


async def _nothing(call: str, about: Any) -> None:
    pass


class HookedStore(MemoryStore):
    """Awaits `before(call, arguments)` and `after(call, answer)` around its main calls."""

    before: Hook = staticmethod(_nothing)
    after: Hook = staticmethod(_nothing)

    async def add(self, rows: Sequence[TaskRow]) -> list[AddOutcome]:
        await self.before("add", rows)
        outcomes = await super().add(rows)
        await self.after("add", outcomes)
        return outcomes

    async def exchange(
        self,
        settlements: Sequence[Settlement],
        claims: Claims | None = None,
        *,
        survey: bool = False,
    ) -> Exchanged:
        await self.before("exchange", (settlements, claims))
        answer = await super().exchange(settlements, claims, survey=survey)
        await self.after("exchange", answer)
        return answer

    async def edit(self, changes: Sequence[Change]) -> list[Edited]:
        await self.before("edit", changes)
        edited = await super().edit(changes)
        await self.after("edit", edited)
        return edited

    async def find(self, query: Query) -> list[TaskView]:
        await self.before("find", query)
        views = await super().find(query)
        await self.after("find", views)
        return views

    def once_settled(self, act: Callable[[], None]) -> None:
        """Call `act` once, between the recording of the first result and its answer.

        The answer waits a moment: whoever `act` kills is dead before it could come.
        """
        seen: list[str] = []

        async def before(call: str, about: Any) -> None:
            if call == "exchange" and any(isinstance(each, Done) for each in about[0]):
                seen.append("settled")

        async def after(call: str, about: Any) -> None:
            if call == "exchange" and seen == ["settled"]:
                seen.append("acted")
                act()
                await anyio.sleep(0.01)

        self.before, self.after = before, after


class HookedQueue(MemoryQueue):
    """A memory queue on a `HookedStore`."""

    def __init__(self, clock: Clock, **settings: Any) -> None:
        super().__init__(MemorySettings(**settings), clock=clock, entropy=SeededEntropy(1))
        self.store = HookedStore(
            clock=CallableStoreClock(clock.now),
            result_cache_limit=self.settings.result_cache_limit,
        )
        self._store = self.store
        self.admission = self._admission


@asynccontextmanager
async def hung(
    queue: MemoryQueue, clock: Clock, *, intensity: int = 3
) -> AsyncGenerator[ActorSystem]:
    """The queue under a supervisor `app` of somebody's own system."""
    spec = SupervisorSpec(
        "app", strategy=Strategy.ONE_FOR_ONE, intensity=intensity, children=[queue.child_spec()]
    )
    async with ActorSystem(spec, clock=clock, entropy=SeededEntropy(2)) as system:
        yield system


def node_at(system: ActorSystem, end: str) -> Node:
    """The one node whose path ends so."""
    (found,) = [node for node in system.tree().walk() if node.path.endswith(end)]
    return found


def kill(system: ActorSystem, end: str) -> None:
    """Kill the actor whose path ends so."""
    system.kill(system.lookup(node_at(system, end).path))


def crash(system: ActorSystem, end: str) -> None:
    """Let the actor whose path ends so crash: no actor takes such a message."""
    system.lookup(node_at(system, end).path).tell_nowait(object())


def claimed(lease: int = 7, retry_count: int = 0, **fields: Any) -> ClaimedTask:
    """A claim on a task of these fields."""
    task = TaskData(task_type=fields.pop("task_type", "work"), **fields)
    return ClaimedTask(
        row=encode_task(task),
        lease=lease,
        retry_count=retry_count,
        run_at=task.created_at,
        started_at=task.created_at,
    )
