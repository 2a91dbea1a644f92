"""The door: a queue's scope opens with it, and closes when what ran has ended."""

import anyio
import pytest

from oncue import QueueNotRunning, TaskData, TaskStatus
from oncue.testing import VirtualClock
from tests.actors.kit import hung, kill
from tests.flow.kit import make_queue, ok, task


async def test_a_handler_may_enqueue_while_the_queue_drains(clock: VirtualClock) -> None:
    """What it enqueues is kept, and runs when the queue runs again."""
    queue = make_queue(clock)
    children: list[str] = []

    async def parent(task: TaskData) -> None:
        await anyio.sleep(1)
        children.append(await queue.create_task("child"))

    queue.register_handler("parent", parent)
    async with queue:
        await queue.enqueue(task("parent"))
        await anyio.sleep(0.5)
    assert clock.monotonic() == pytest.approx(1, abs=0.01)
    queue.register_handler("child", ok)
    async with queue:
        assert (await queue.wait(children[0])).status is TaskStatus.COMPLETED


async def test_a_drained_queue_claims_no_more(clock: VirtualClock) -> None:
    """What waits while a handler ends is left for the next run."""
    queue = make_queue(clock, max_workers=1)
    ran: list[int] = []

    async def slow(task: TaskData) -> None:
        await anyio.sleep(1)
        ran.append(task.payload["n"])

    queue.register_handler("slow", slow)
    async with queue:
        ids = await queue.enqueue_many([task("slow", payload={"n": n}) for n in range(3)])
        await anyio.sleep(0.5)
    assert ran == [0]
    async with queue:
        for task_id in ids:
            assert (await queue.wait(task_id)).retry_count == 0
    assert ran == [0, 1, 2]


async def test_a_handler_that_outlasts_the_grace_is_cancelled_and_handed_back(
    clock: VirtualClock,
) -> None:
    """And that is no attempt."""
    queue = make_queue(clock, shutdown_grace=5)
    attempts: list[int] = []

    async def slow(task: TaskData) -> None:
        attempts.append(task.retry_count)
        await anyio.sleep(60 if len(attempts) == 1 else 1)

    queue.register_handler("slow", slow)
    async with queue:
        task_id = await queue.enqueue(task("slow", max_retries=0))
        await anyio.sleep(1)
    assert clock.monotonic() == pytest.approx(6, abs=0.01)
    async with queue:
        assert (await queue.wait(task_id)).status is TaskStatus.COMPLETED
    assert attempts == [0, 0]


async def test_a_handler_that_ignores_its_cancellation_ends_the_drain_after_its_margin(
    clock: VirtualClock,
) -> None:
    """It is handed back by the next run, since Python cannot end it."""
    queue = make_queue(clock, shutdown_grace=5)
    runs: list[float] = []

    async def stubborn(task: TaskData) -> None:
        runs.append(clock.monotonic())
        if len(runs) == 1:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(12)
            raise ValueError("too late to be told")

    queue.register_handler("stubborn", stubborn)
    async with queue:
        task_id = await queue.enqueue(task("stubborn", max_retries=0))
        await anyio.sleep(1)
    assert clock.monotonic() <= 12.1
    async with queue:
        assert (await queue.wait(task_id)).status is TaskStatus.COMPLETED


async def test_a_queue_whose_door_was_killed_works_on(clock: VirtualClock) -> None:
    """It has drained the pool; the next door opens it again."""
    queue = make_queue(clock, shutdown_grace=2)
    queue.register_handler("ok", ok)
    async with hung(queue, clock) as system:
        kill(system, "memory/door")
        await anyio.sleep(3)
        assert (await queue.wait(await queue.enqueue(task()), 10)).status is TaskStatus.COMPLETED


async def test_a_pool_that_dies_while_it_drains_claims_nothing_anew(clock: VirtualClock) -> None:
    queue = make_queue(clock, max_workers=1)
    runs: list[int] = []

    async def slow(task: TaskData) -> None:
        runs.append(task.payload["n"])
        await anyio.sleep(1)

    queue.register_handler("slow", slow)
    async with hung(queue, clock) as system:
        await queue.enqueue_many([task("slow", payload={"n": n}) for n in range(4)])
        await anyio.sleep(0.5)
        async with anyio.create_task_group() as group:
            group.start_soon(system.stop)
            await anyio.sleep(0.1)
            kill(system, "work/pool")
    assert runs == [0]


async def test_whoever_waits_when_the_queue_stops_is_told_so(clock: VirtualClock) -> None:
    queue = make_queue(clock)

    async def wait(task_id: str) -> None:
        with pytest.raises(QueueNotRunning):
            await queue.wait(task_id)

    async with anyio.create_task_group() as group, queue:
        group.start_soon(wait, await queue.enqueue(task()))
        await clock.wait_all_tasks_blocked()
