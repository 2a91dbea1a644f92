"""Limits of a queue: refused with the figures, or waited for."""

import anyio
import pytest

from oncue import DuplicateTask, MemoryLimitExceeded, QueueFull, RateLimitExceeded
from oncue.actors import Admission, Limits
from oncue.testing import VirtualClock
from tests.actors.kit import HookedQueue
from tests.flow.kit import make_queue, ok, settled, task


async def test_a_full_queue_refuses_and_says_the_figures(clock: VirtualClock) -> None:
    """Nothing is stored over `max_tasks_per_queue`; other queues are not concerned."""
    async with make_queue(clock, max_tasks_per_queue=2) as queue:
        await queue.enqueue_many([task(), task()])
        with pytest.raises(QueueFull, match="'default' holds 2 tasks of at most 2") as caught:
            await queue.enqueue(task())
        assert (caught.value.queue, caught.value.limit, caught.value.current) == ("default", 2, 2)
        assert (await queue.get_queue_info())["job_count"] == 2
        await queue.enqueue(task(queue_name="other"))


async def test_a_batch_that_does_not_fit_is_refused_whole(clock: VirtualClock) -> None:
    async with make_queue(clock, max_tasks_per_queue=2) as queue:
        with pytest.raises(ExceptionGroup) as caught:
            await queue.enqueue_many([task(), task(), task()])
        assert caught.group_contains(QueueFull)
        assert (await queue.get_queue_info())["job_count"] == 0


async def test_a_queue_that_refuses_its_part_of_a_batch_leaves_the_others_theirs(
    clock: VirtualClock,
) -> None:
    """And it is told what was stored: all but those in the group."""
    async with make_queue(clock, max_tasks_per_queue=2) as queue:
        live = await queue.enqueue(task(queue_name="c", unique_key="k"))
        batch = [task(queue_name="a"), *(task(queue_name="b") for _ in range(3))]
        with pytest.raises(ExceptionGroup, match="4 of 6 tasks were not accepted") as caught:
            await queue.enqueue_many([*batch, task(queue_name="c", unique_key="k"), task()])
        full, duplicate = caught.value.exceptions
        assert isinstance(full, QueueFull)
        assert (full.queue, full.__notes__) == ("b", ["none of 3 tasks for queue 'b' was stored"])
        assert isinstance(duplicate, DuplicateTask)
        assert str(duplicate.live_task_id) == live
        assert await queue.list_queues() == ["a", "c", "default"]


async def test_what_has_ended_makes_room(clock: VirtualClock) -> None:
    """The estimate from above is corrected by a count before anybody is refused."""
    async with make_queue(clock, max_tasks_per_queue=3) as queue:
        queue.register_handler("ok", ok)
        for _ in range(10):
            await queue.wait(await queue.enqueue(task()))
        assert (await queue.health_check())["metrics"]["completed_tasks"] == 10


async def test_memory_counts_encoded_payloads_over_all_queues(clock: VirtualClock) -> None:
    async with make_queue(clock, max_memory_usage=100) as queue:
        await queue.enqueue(task(payload={"k": "x" * 60}))
        with pytest.raises(MemoryLimitExceeded, match="payloads take 68 of at most 100") as caught:
            await queue.enqueue(task(queue_name="other", payload={"k": "x" * 60}))
        assert caught.value.wanted == 68
        assert await queue.purge_queue() == 1
        await queue.enqueue(task(queue_name="other", payload={"k": "x" * 60}))


async def test_a_rate_allows_a_second_of_burst_and_then_so_many_a_second(
    clock: VirtualClock,
) -> None:
    settings = {"enable_rate_limiting": True, "rate_limit_per_second": 4.0}
    async with make_queue(clock, **settings) as queue:
        for _ in range(4):
            await queue.enqueue(task())
        with pytest.raises(RateLimitExceeded, match="takes 4 tasks a second"):
            await queue.enqueue(task())
        await queue.enqueue(task(queue_name="other"))
        await anyio.sleep(0.25)
        await queue.enqueue(task())
        with pytest.raises(RateLimitExceeded):
            await queue.enqueue(task())


async def test_when_full_is_wait_the_rate_sets_the_pace(clock: VirtualClock) -> None:
    settings = {"enable_rate_limiting": True, "rate_limit_per_second": 10.0, "when_full": "wait"}
    async with make_queue(clock, **settings) as queue:
        began = clock.monotonic()
        for _ in range(30):
            await queue.enqueue(task())
        assert 2.0 <= clock.monotonic() - began <= 3.0


async def test_when_full_is_wait_producers_are_served_in_order_as_room_comes(
    clock: VirtualClock,
) -> None:
    async with make_queue(clock, max_tasks_per_queue=1, when_full="wait") as queue:
        accepted: list[int] = []

        async def produce(number: int) -> None:
            await queue.enqueue(task())
            accepted.append(number)

        async with anyio.create_task_group() as group:
            for number in range(5):
                group.start_soon(produce, number)
                await anyio.sleep(0.01)
            assert accepted == [0]
            queue.register_handler("ok", ok)
        assert accepted == [0, 1, 2, 3, 4]
        await settled(queue)


async def test_what_can_never_fit_is_refused_even_when_others_may_wait(
    clock: VirtualClock,
) -> None:
    async with make_queue(clock, max_tasks_per_queue=2, when_full="wait") as queue:
        with pytest.raises(ExceptionGroup) as caught:
            await queue.enqueue_many([task(), task(), task()])
        assert caught.group_contains(QueueFull)


async def test_a_producer_that_stops_waiting_leaves_nothing_behind(clock: VirtualClock) -> None:
    async with make_queue(clock, max_tasks_per_queue=1, when_full="wait") as queue:
        await queue.enqueue(task())
        with anyio.move_on_after(5):
            await queue.enqueue(task())
        await queue.purge_queue()
        await anyio.sleep(1)
        assert (await queue.get_queue_info())["job_count"] == 0


async def test_names_that_are_used_once_leave_nothing_behind(clock: VirtualClock) -> None:
    """Neither in the estimates nor among the rates, once their actors have stopped."""
    queue = HookedQueue(clock, enable_rate_limiting=True, max_tasks_per_queue=5)
    queue.register_handler("ok", ok)
    async with queue:
        for number in range(100):
            await queue.enqueue(task(queue_name=f"made up {number}"))
        assert len(queue.admission) == 100
        await anyio.sleep(130)
        assert len(queue.admission) == 0


async def test_a_queue_that_was_idle_is_as_full_as_it_was(clock: VirtualClock) -> None:
    """What its actor has forgotten is counted when it starts again."""
    async with make_queue(clock, max_tasks_per_queue=2, max_memory_usage=1000) as queue:
        await queue.enqueue_many([task(), task()])
        await anyio.sleep(200)
        with pytest.raises(QueueFull, match="holds 2 tasks of at most 2"):
            await queue.enqueue(task())


async def test_a_slow_rate_is_not_forgotten_by_being_idle(clock: VirtualClock) -> None:
    settings = {"enable_rate_limiting": True, "rate_limit_per_second": 0.001}
    async with make_queue(clock, **settings) as queue:
        await queue.enqueue(task())
        for _ in range(4):
            await anyio.sleep(200)
            with pytest.raises(RateLimitExceeded):
                await queue.enqueue(task())
        await anyio.sleep(201)
        await queue.enqueue(task())


def test_only_a_queue_with_a_limit_is_counted_when_its_actor_starts() -> None:
    """In a durable store that may be dear."""
    assert Admission(Limits(rate_per_s=1.0)).knows("new")
    assert not Admission(Limits(tasks_max=1)).knows("new")
    assert not Admission(Limits(payload_bytes_max=1)).knows("new")
