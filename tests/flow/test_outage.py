"""A store that fails, for a while or at one call: nothing is lost, and nobody is restarted."""

from typing import Any
from uuid import UUID

import anyio
import pytest

from oncue import TaskData, TaskStatus
from oncue.runtime import ActorSystem, SeededEntropy, SupervisorSpec
from oncue.stores import StoreUnavailable
from oncue.testing import VirtualClock
from tests.flow.cluster import BEAT_S, Cluster, NodeQueue
from tests.flow.kit import ok, task


class Spoiler:
    """Fails one call of a link: before it does anything, or with its answer lost."""

    def __init__(self, queue: NodeQueue, nth: int, *, answer_lost: bool) -> None:
        self.calls = 0
        self.spoiled = ""
        self._nth = nth
        if answer_lost:
            queue.link.after = self._spoil
        else:
            queue.link.before = self._spoil

    async def _spoil(self, call: str, answer: Any = None) -> None:
        self.calls += 1
        if self.calls == self._nth:
            self.spoiled = call
            raise StoreUnavailable("shared", call)


async def enqueue_until_accepted(queue: NodeQueue, one: TaskData) -> str:
    """As a producer does that must know: the same task again is harmless."""
    while True:
        try:
            return await queue.enqueue(one)
        except StoreUnavailable:
            await anyio.sleep(0.5)


def restarts(system: ActorSystem) -> int:
    return sum(node.restarts for node in system.tree().walk())


def system_of(queue: NodeQueue, clock: VirtualClock) -> ActorSystem:
    spec = SupervisorSpec("app", children=[queue.child_spec()])
    return ActorSystem(spec, clock=clock, entropy=SeededEntropy(2))


@pytest.mark.parametrize("answer_lost", [False, True])
async def test_any_one_call_may_fail(clock: VirtualClock, answer_lost: bool) -> None:
    """The first, the second, ... until a whole run meets none: each task ends once."""
    nth = 0
    spoiled: set[str] = set()
    while True:
        nth += 1
        cluster = Cluster(clock)
        queue = cluster.node("a", max_workers=2, cluster_heartbeat_interval=3.37)
        spoiler = Spoiler(queue, nth, answer_lost=answer_lost)
        attempts: list[int] = []

        async def flaky(task: TaskData, attempts: list[int] = attempts) -> None:
            attempts.append(task.retry_count)
            await anyio.sleep(0.2)
            if not task.retry_count:
                raise ValueError("the first time")

        queue.register_handler("ok", ok)
        queue.register_handler("flaky", flaky)
        async with system_of(queue, clock) as system:
            tasks = [task(), task("flaky", max_retries=1), task(delay=1.5), task(priority=10)]
            ids = [await enqueue_until_accepted(queue, one) for one in tasks]
            results = [await queue.wait(task_id, 60) for task_id in ids]
            await anyio.sleep(1.1 * BEAT_S)
            counts = await cluster.store.count()
            assert restarts(system) == 0, (nth, spoiler.spoiled)
            assert queue.metrics["dead_letter_tasks"] == 0
        assert {result.status for result in results} == {TaskStatus.COMPLETED}, nth
        assert [result.retry_count for result in results] == [0, 1, 0, 0], (nth, spoiler.spoiled)
        assert counts.live == counts.dead_letters == 0, nth
        assert attempts == [0, 1], (nth, spoiler.spoiled)
        if not spoiler.spoiled:
            break
        spoiled.add(spoiler.spoiled)
    # (Which call is the nth, where several come at one moment, is the event loop's affair.)
    assert nth > 30
    assert spoiled >= {"add", "exchange", "find"}


@pytest.mark.parametrize("after_s", [0.0, 0.1, 1.0, 2.05, 3.3])
async def test_an_outage_shorter_than_the_fence_interrupts_nobody(
    clock: VirtualClock, after_s: float
) -> None:
    """Handlers run on, what ended waits to be recorded, and callers are told."""
    cluster = Cluster(clock)
    queue = cluster.node("a")
    cancelled: list[UUID] = []
    ended: list[float] = []

    async def steady(task: TaskData) -> None:
        try:
            await anyio.sleep(task.payload["takes"])
        except BaseException:
            cancelled.append(task.task_id)
            raise
        ended.append(task.payload["takes"])

    queue.register_handler("steady", steady)
    async with system_of(queue, clock) as system:
        takes = [1, 2, 3, 10, 40]
        tasks = [task("steady", payload={"takes": each}, max_retries=0) for each in takes]
        ids = await queue.enqueue_many(tasks)
        await anyio.sleep(after_s)
        queue.link.is_cut = True
        for call in (queue.enqueue(task()), queue.list_queues(), queue.cancel_task(ids[4])):
            with pytest.raises(StoreUnavailable):
                await call
        await anyio.sleep(1.9 * BEAT_S)
        health = await queue.health_check()
        assert not health["healthy"]
        queue.link.is_cut = False
        results = [await queue.wait(task_id, 60) for task_id in ids]
        assert restarts(system) == 0
        assert (await queue.health_check())["healthy"]
    assert {(r.status, r.retry_count) for r in results} == {(TaskStatus.COMPLETED, 0)}
    assert sorted(ended) == takes
    assert cancelled == []


async def test_after_a_longer_one_work_goes_on_by_itself(clock: VirtualClock) -> None:
    """The handlers were cancelled, and their tasks run again: that was an attempt."""
    cluster = Cluster(clock)
    queue = cluster.node("a")
    begun: list[float] = []

    async def slow(task: TaskData) -> None:
        begun.append(clock.monotonic())
        await anyio.sleep(50)

    queue.register_handler("slow", slow)
    queue.register_handler("ok", ok)
    async with queue:
        slow_id = await queue.enqueue(task("slow", timeout=None))
        await anyio.sleep(1)
        queue.link.is_cut = True
        await anyio.sleep(1000)
        assert len(begun) == 1
        queue.link.is_cut = False
        ok_id = await enqueue_until_accepted(queue, task())
        assert (await queue.wait(ok_id, 5)).status is TaskStatus.COMPLETED
        result = await queue.wait(slow_id, 100)
    assert (result.status, result.retry_count) == (TaskStatus.COMPLETED, 1)


async def test_a_store_that_is_away_when_the_queue_stops_delays_it_within_bounds(
    clock: VirtualClock,
) -> None:
    cluster = Cluster(clock)
    queue = cluster.node("a", shutdown_grace=2)
    queue.register_handler("ok", ok)
    async with queue:
        await queue.enqueue(task())
        await queue.wait(await queue.enqueue(task()))
        queue.link.is_cut = True
        before_s = clock.monotonic()
    assert clock.monotonic() - before_s < 20
