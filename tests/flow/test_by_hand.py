"""Tasks pulled and settled by hand."""

import anyio

from oncue import TaskResult, TaskStatus
from oncue.testing import VirtualClock
from tests.flow.kit import make_queue, task


async def test_a_pulled_task_is_yours_until_you_settle_it(clock: VirtualClock) -> None:
    async with make_queue(clock) as queue:
        task_id = await queue.enqueue(task(payload={"n": 1}))
        pulled = await queue.dequeue()
        assert pulled is not None
        assert (str(pulled.task_id), pulled.payload) == (task_id, {"n": 1})
        assert await queue.dequeue() is None
        assert await queue.settle(pulled, {"answer": 42})
        result = await queue.wait(task_id)
        assert (result.status, result.result) == (TaskStatus.COMPLETED, {"answer": 42})
        assert not await queue.settle(pulled, "again"), "it is not yours any more"


async def test_the_highest_priority_comes_first_and_a_queue_can_be_named(
    clock: VirtualClock,
) -> None:
    async with make_queue(clock) as queue:
        await queue.enqueue(task(queue_name="a"))
        urgent = await queue.enqueue(task(queue_name="b", priority=20))
        await queue.enqueue(task(queue_name="b"))
        pulled = await queue.dequeue("b")
        assert pulled is not None
        assert str(pulled.task_id) == urgent
        assert await queue.dequeue("none such") is None


async def test_unsettled_it_goes_back_after_its_timeout(clock: VirtualClock) -> None:
    """The late settlement is refused, and the pull does not count as an attempt."""
    async with make_queue(clock) as queue:
        await queue.enqueue(task(timeout=5.0))
        first = await queue.dequeue()
        assert first is not None
        await anyio.sleep(4.9)
        assert await queue.dequeue() is None
        await anyio.sleep(0.2)
        second = await queue.dequeue()
        assert second is not None
        assert (second.task_id, second.retry_count) == (first.task_id, 0)
        assert await queue.settle(second)


async def test_a_failed_result_is_retried_like_a_handlers(clock: VirtualClock) -> None:
    async with make_queue(clock) as queue:
        task_id = await queue.enqueue(task(max_retries=1, retry_delay=10.0))
        for expected in (TaskStatus.RETRYING, TaskStatus.DEAD_LETTER):
            await anyio.sleep(12)
            pulled = await queue.dequeue()
            assert pulled is not None
            failed = TaskResult(task_id=pulled.task_id, status=TaskStatus.FAILED, error="no good")
            assert await queue.settle(pulled, failed)
            status = await queue.get_task_status(task_id)
            assert status is not None
            assert (status.status, status.error) == (expected, "no good")


async def test_what_is_in_hand_when_the_queue_stops_is_put_back(clock: VirtualClock) -> None:
    queue = make_queue(clock)
    async with queue:
        await queue.enqueue(task())
        assert await queue.dequeue() is not None
    async with queue:
        again = await queue.dequeue()
        assert again is not None
        assert again.retry_count == 0
