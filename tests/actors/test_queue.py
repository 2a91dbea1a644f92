"""A queue's actor: admission and batched enqueue, there while somebody writes."""

from typing import Any

import anyio
import pytest

from oncue import DuplicateTask, TaskData, TaskStatus
from oncue.runtime import ActorSystem
from oncue.testing import VirtualClock
from tests.actors.kit import HookedQueue, hung, kill, node_at
from tests.flow.kit import make_queue, ok, task


def queue_actors(system: ActorSystem) -> list[str]:
    return [node.name for node in node_at(system, "work/queues").children]


async def test_it_starts_with_the_first_enqueue_and_stops_when_idle(clock: VirtualClock) -> None:
    """So a program that makes up names does not grow; the next enqueue starts it again."""
    queue = make_queue(clock)
    async with hung(queue, clock) as system:
        assert queue_actors(system) == []
        await queue.enqueue(task(queue_name="a/b c"))
        assert queue_actors(system) == ["q:a%2Fb c"]
        await anyio.sleep(130)
        assert queue_actors(system) == []
        await queue.enqueue(task(queue_name="a/b c"))
        assert queue_actors(system) == ["q:a%2Fb c"]
        assert (await queue.get_queue_info("a/b c"))["job_count"] == 2


async def test_many_who_enqueue_into_a_new_queue_at_once_share_one_actor(
    clock: VirtualClock,
) -> None:
    queue = make_queue(clock)
    async with hung(queue, clock) as system, anyio.create_task_group() as group:
        for _ in range(50):
            group.start_soon(queue.enqueue, task())
        await clock.wait_all_tasks_blocked()
        assert queue_actors(system) == ["q:default"]
        assert (await queue.get_queue_info())["job_count"] == 50


async def test_what_is_enqueued_is_stored_when_enqueue_returns(clock: VirtualClock) -> None:
    queue = HookedQueue(clock)
    async with queue:

        async def slow(call: str, about: Any) -> None:
            await anyio.sleep(3 if call == "add" else 0)

        queue.store.before = slow
        await queue.enqueue(task())
        assert clock.monotonic() >= 3
        assert (await queue.get_queue_info())["pending_tasks"] == 1


async def test_the_same_task_enqueued_twice_is_there_once(clock: VirtualClock) -> None:
    async with make_queue(clock) as queue:
        one = task()
        assert await queue.enqueue(one) == await queue.enqueue(one)
        assert (await queue.get_queue_info())["job_count"] == 1


async def test_a_taken_unique_key_is_refused_with_the_live_id(clock: VirtualClock) -> None:
    """Until the first is over; other queues have keys of their own."""
    async with make_queue(clock) as queue:
        first = await queue.enqueue(task(unique_key="k"))
        with pytest.raises(DuplicateTask) as caught:
            await queue.enqueue(task(unique_key="k"))
        assert str(caught.value.live_task_id) == first
        await queue.enqueue(task(unique_key="k", queue_name="other"))
        assert await queue.cancel_task(first)
        await queue.enqueue(task(unique_key="k"))


async def test_of_many_tasks_those_with_a_taken_key_are_refused_alone(clock: VirtualClock) -> None:
    async with make_queue(clock) as queue:
        await queue.enqueue(task(unique_key="k"))
        with pytest.raises(ExceptionGroup) as caught:
            await queue.enqueue_many([task(), task(unique_key="k"), task(), task(unique_key="k")])
        assert [type(error) for error in caught.value.exceptions] == [DuplicateTask] * 2
        assert (await queue.get_queue_info())["job_count"] == 3


async def test_an_enqueue_outlives_the_death_of_its_queues_actor(clock: VirtualClock) -> None:
    """Killed with the request in hand: the facade repeats it under the same id."""
    queue = HookedQueue(clock)
    queue.register_handler("ok", ok)
    killed: list[str] = []
    async with hung(queue, clock) as system:

        async def die(call: str, about: Any) -> None:
            if call == "add" and not killed:
                killed.append(call)
                kill(system, "queues/q:default")
                await anyio.sleep(1)

        queue.store.after = die
        task_id = await queue.enqueue(task())
        assert killed
        assert (await queue.wait(task_id)).status is TaskStatus.COMPLETED
        assert queue.metrics["completed_tasks"] == 1


async def test_an_enqueue_waits_for_the_work_to_restart(clock: VirtualClock) -> None:
    """While a fallen pool's workers end, their queues' supervisor is down too."""
    queue = make_queue(clock)

    async def shielded(task: TaskData) -> None:
        with anyio.CancelScope(shield=True):
            await anyio.sleep(3)

    queue.register_handler("shielded", shielded)
    async with hung(queue, clock) as system:
        first = await queue.enqueue(task("shielded"))
        await anyio.sleep(1)
        kill(system, "work/pool")
        await clock.wait_all_tasks_blocked()
        second = await queue.enqueue(task("shielded"))
        for task_id in (first, second):
            assert (await queue.wait(task_id)).retry_count == 0
