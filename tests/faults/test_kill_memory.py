"""Kill any actor of the graph, at any moment, under load.

Nothing that was accepted is lost, nothing runs in two workers at once, whoever waits is
answered, and the graph heals. One integer is one history: `test_...[asyncio-7]`.
"""

from collections import Counter
from random import Random
from typing import Any

import anyio
import pytest

from oncue import QueueNotRunning, StoreUnavailable, TaskData, TaskStatus
from oncue.runtime import ActorSystem
from oncue.testing import VirtualClock, wait_until_idle
from tests.actors.kit import HookedQueue, hung
from tests.flow.kit import task

TASKS = 300
KILLS = 25
KILL_S = 2.0
"""Three in five seconds is what each supervisor forgives."""


class History:
    """A queue under load, and what its handlers saw."""

    def __init__(self, seed: int, clock: VirtualClock) -> None:
        self.random = Random(seed)
        self.queue = HookedQueue(
            clock, max_workers=4, shutdown_grace=1, result_cache_limit=10 * TASKS
        )
        self.queue.register_handler("quick", self.quick)
        self.queue.register_handler("slow", self.slow)
        self.queue.register_handler("flaky", self.flaky)
        self.queue.store.before = self.queue.store.after = self.dawdle
        self.running: Counter[Any] = Counter()
        self.together: list[Any] = []
        self.accepted: list[str] = []
        self.answered: list[str] = []

    async def dawdle(self, call: str, about: Any) -> None:
        """So that a kill finds the store before its commit, or between commit and answer."""
        if self.random.random() < 0.2:
            await anyio.sleep(self.random.random() * 0.1)

    async def attempt(self, task: TaskData, seconds: float) -> None:
        self.running[task.task_id] += 1
        if self.running[task.task_id] > 1:
            self.together.append(task.task_id)
        try:
            await anyio.sleep(seconds)
        finally:
            self.running[task.task_id] -= 1

    async def quick(self, task: TaskData) -> None:
        await self.attempt(task, 0)

    async def slow(self, task: TaskData) -> None:
        await self.attempt(task, self.random.random() * 2)

    async def flaky(self, task: TaskData) -> None:
        await self.attempt(task, 0.01)
        if task.retry_count == 0:
            raise ValueError("the first time")

    async def produce(self, tasks: int) -> None:
        """Enqueue one after the other; what is refused was not accepted, and is left."""
        for _ in range(tasks):
            await anyio.sleep(self.random.random() * 2 * KILLS * KILL_S / TASKS * 3)
            one = task(
                self.random.choice(["quick", "quick", "slow", "flaky"]),
                queue_name=self.random.choice("ab"),
                delay=self.random.choice([0, 0, 0, 1]),
                max_retries=100,
                retry_delay=0.1,
            )
            try:
                task_id = await self.queue.enqueue(one)
            except (StoreUnavailable, QueueNotRunning):
                continue
            self.accepted.append(task_id)

    async def wait(self, task_id: str) -> None:
        while True:
            try:
                result = await self.queue.wait(task_id, timeout=300)
            except QueueNotRunning:
                await anyio.sleep(0.1)
                continue
            assert result.status is TaskStatus.COMPLETED, result
            self.answered.append(task_id)
            return

    async def kill(self, system: ActorSystem) -> None:
        for _ in range(KILLS):
            await anyio.sleep(KILL_S * (1 + self.random.random() / 10))
            victim = self.random.choice(list(system.tree().walk())[1:])  # all but `app`
            system.kill(system.lookup(victim.path))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(8))
async def test_whatever_is_killed_nothing_is_lost_or_done_twice_at_once(
    clock: VirtualClock, seed: int
) -> None:
    history = History(seed, clock)
    async with hung(history.queue, clock) as system:
        async with anyio.create_task_group() as group:
            group.start_soon(history.kill, system)
            for _ in range(3):
                group.start_soon(history.produce, TASKS // 3)
            await anyio.sleep(KILLS * KILL_S / 2)
            for task_id in list(history.accepted):
                group.start_soon(history.wait, task_id)
        async with anyio.create_task_group() as group:
            for task_id in set(history.accepted) - set(history.answered):
                group.start_soon(history.wait, task_id)
        assert history.together == []
        assert sorted(history.answered) == sorted(history.accepted)
        assert len(history.accepted) > TASKS * 0.8
        assert {node.state for node in system.tree().walk()} == {"running"}
        await wait_until_idle(history.queue)
        assert (await history.queue.health_check())["memory_queue"]["total_tasks"] == 0
