"""Tasks pulled and settled by hand."""

import asyncio
from contextlib import suppress
from math import inf
from typing import Any

import anyio
import pytest
from structlog.testing import capture_logs

from oncue import (
    EVENT_JOB_ERROR,
    EVENT_JOB_EXECUTED,
    StoreUnavailable,
    TaskData,
    TaskResult,
    TaskStatus,
)
from oncue.adapters.memory import MemoryQueue
from oncue.stores import Exchanged
from oncue.testing import VirtualClock
from tests.actors.kit import HookedQueue
from tests.flow.kit import make_queue, task


def failed(task: TaskData) -> TaskResult:
    return TaskResult(task_id=task.task_id, status=TaskStatus.FAILED, error="no good")


async def pull(queue: MemoryQueue) -> TaskData:
    pulled = await queue.dequeue()
    assert pulled is not None
    return pulled


@pytest.mark.parametrize(("claim_s", "patience_s"), [(3, 5), (40, inf)])
async def test_a_pull_whose_asker_has_gone_meanwhile_is_put_back_at_once(
    clock: VirtualClock, claim_s: float, patience_s: float
) -> None:
    """Cancelled while the store was claiming, or by then past the minute that an ask may take."""
    queue = HookedQueue(clock)

    async def slow(call: str, about: Any) -> None:
        if call == "exchange" and about[1]:
            await anyio.sleep(claim_s)

    async def impatient() -> None:
        with anyio.move_on_after(patience_s), suppress(StoreUnavailable):
            await queue.dequeue("b")

    async with queue, anyio.create_task_group() as group:
        await queue.enqueue_many([task(queue_name=name, timeout=None) for name in "ab"])
        queue.store.before = slow
        group.start_soon(queue.dequeue, "a")
        await clock.wait_all_tasks_blocked()
        group.start_soon(impatient)
        await anyio.sleep(2 * claim_s + 1)
        assert (await queue.get_queue_info("b"))["pending_tasks"] == 1
        assert queue.metrics["handed_back_attempts"] == 1
        pulled = await queue.dequeue("b")
        assert pulled is not None
        assert pulled.retry_count == 0


@pytest.mark.parametrize("trips", range(8))
async def test_a_pull_cancelled_as_its_answer_comes_is_put_back_at_once(
    clock: VirtualClock, anyio_backend_name: str, trips: int
) -> None:
    """asyncio's own `task.cancel()` may come between the answer and whoever waits for it.

    It is called so many trips through the event loop after the claim.
    """
    if anyio_backend_name != "asyncio":
        pytest.skip("in trio and anyio an answer that has come is not lost to a cancellation")
    queue = HookedQueue(clock)

    def cancel_after(trips: int) -> None:
        if trips:
            asyncio.get_running_loop().call_soon(cancel_after, trips - 1)
        else:
            asker.cancel()

    async def cancel(call: str, answer: Any) -> None:
        if isinstance(answer, Exchanged) and answer.claimed:
            cancel_after(trips)

    async with queue:
        await queue.enqueue(task(timeout=None))
        queue.store.after = cancel
        asker = asyncio.create_task(queue.dequeue())
        [taken] = await asyncio.gather(asker, return_exceptions=True)
        await clock.wait_all_tasks_blocked()
        info = await queue.get_queue_info()
        assert info["pending_tasks"] == int(isinstance(taken, asyncio.CancelledError))


async def test_what_is_settled_by_hand_is_counted_like_what_a_worker_ran(
    clock: VirtualClock,
) -> None:
    """Also what goes back, and what comes too late."""
    async with make_queue(clock) as queue:
        await queue.enqueue(task(max_retries=1, retry_delay=1, timeout=5))
        first = await pull(queue)
        await queue.settle(first, failed(first))
        await anyio.sleep(2)
        first = await pull(queue)
        await anyio.sleep(6)
        metrics = queue.metrics
        assert (metrics["failed_attempts"], metrics["retried_attempts"]) == (1, 1)
        assert (metrics["handed_back_attempts"], metrics["completed_tasks"]) == (1, 0)
        assert metrics["error_rate"] == 1
        again = await pull(queue)
        assert await queue.cancel_task(again.task_id)
        assert not await queue.settle(again)
        assert queue.metrics["refused_settlements"] == 1
        await queue.enqueue(task())
        await queue.settle(await pull(queue))
        assert queue.metrics["completed_tasks"] == 1


async def test_what_is_settled_by_hand_is_an_event_like_what_a_worker_ran(
    clock: VirtualClock,
) -> None:
    """A failure carries an exception, as whoever listens expects."""
    queue = make_queue(clock)
    stream = queue.events(EVENT_JOB_EXECUTED | EVENT_JOB_ERROR)
    async with queue:
        bad, good = await queue.enqueue_many([task(max_retries=0), task()])
        pulled = await pull(queue)
        await queue.settle(pulled, failed(pulled))
        await queue.settle(await pull(queue), {"answer": 42})
    events: list[Any] = [event async for event in stream]
    assert [(event.code, event.job_id) for event in events] == [
        (EVENT_JOB_ERROR, bad),
        (EVENT_JOB_EXECUTED, good),
    ]
    assert str(events[0].exception) == "no good"
    assert events[1].retval == {"answer": 42}


async def test_a_failure_by_hand_is_logged_and_with_tracing_all_is(clock: VirtualClock) -> None:
    for tracing, expected in (
        (False, ["task_dead"]),
        (True, ["task_enqueued", "task_enqueued", "task_dead", "task_completed"]),
    ):
        with capture_logs() as logs:
            async with make_queue(clock, tracing=tracing) as queue:
                await queue.enqueue_many([task(max_retries=0), task()])
                pulled = await pull(queue)
                await queue.settle(pulled, failed(pulled))
                await queue.settle(await pull(queue))
        assert [line["event"] for line in logs] == expected
        assert all(line["worker"].endswith("/by-hand") for line in logs if "worker" in line)
