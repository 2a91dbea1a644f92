"""Events: APScheduler's classes, to callbacks and to iterators, and nobody is harmed."""

import asyncio
import sys
import threading
from typing import Any

import anyio
import pytest

from oncue import EVENT_JOB_ADDED, EVENT_JOB_EXECUTED
from oncue.actors.messages import Publish
from oncue.adapters.memory import MemoryQueue
from oncue.testing import VirtualClock
from tests.actors.kit import hung, kill
from tests.flow.kit import make_queue, ok, settled, task


async def test_a_raising_listener_and_a_stuck_one_harm_nobody(clock: VirtualClock) -> None:
    queue = make_queue(clock)
    queue.register_handler("ok", ok)
    heard: list[int] = []

    async def raising(event: Any) -> None:
        raise RuntimeError("a listener's own trouble")

    async def stuck(event: Any) -> None:
        await anyio.sleep_forever()

    async def good(event: Any) -> None:
        heard.append(event.code)

    for callback in (raising, stuck, good):
        queue.add_listener(callback, EVENT_JOB_EXECUTED)
    async with queue:
        await queue.enqueue_many([task() for _ in range(3000)])
        await settled(queue)
        await anyio.sleep(1)
    assert heard == [EVENT_JOB_EXECUTED] * 3000


async def test_an_iterator_that_is_not_read_loses_its_oldest_and_counts_them(
    clock: VirtualClock,
) -> None:
    queue = make_queue(clock)
    stream = queue.events(EVENT_JOB_ADDED)
    async with queue:
        await queue.enqueue_many([task() for _ in range(1200)])
    assert len([event async for event in stream]) == 1000
    assert stream.dropped == 200


@pytest.mark.parametrize("victim", ["events", "listeners"])
async def test_those_who_listen_hear_on_after_a_crash(clock: VirtualClock, victim: str) -> None:
    """Of the fan, or of all the listeners' actors: what comes later is heard."""
    queue = make_queue(clock)
    heard: list[str] = []

    async def listen(event: Any) -> None:
        heard.append(event.job_id)

    queue.add_listener(listen, EVENT_JOB_ADDED)
    async with hung(queue, clock) as system:
        await queue.enqueue(task())
        await anyio.sleep(1)
        kill(system, f"memory/{victim}")
        await anyio.sleep(1)
        await queue.enqueue(task())  # this one may be lost
        await anyio.sleep(1)
        last = await queue.enqueue(task())
        await anyio.sleep(1)
    assert heard[-1] == last


async def test_an_iterator_reads_on_after_a_crash(clock: VirtualClock) -> None:
    """It ends when the queue does."""
    queue = make_queue(clock)
    stream = queue.events(EVENT_JOB_ADDED)
    async with hung(queue, clock) as system:
        await queue.enqueue(task())
        nonsense: Any = None
        await system.lookup("app/memory/events").tell(Publish(events=nonsense))
        await anyio.sleep(1)
        assert [node.restarts for node in system.tree().walk() if node.name == "events"] == [1]
        await queue.enqueue(task())
    assert len([event async for event in stream]) == 2


async def test_a_listener_that_cancels_itself_harms_nobody(
    clock: VirtualClock, anyio_backend_name: str
) -> None:
    """As by awaiting a cancelled task."""
    if anyio_backend_name != "asyncio":
        pytest.skip("trio's Cancelled cannot be raised without a cancellation")
    queue = make_queue(clock)

    async def confused(event: Any) -> None:
        raise asyncio.CancelledError

    queue.add_listener(confused, EVENT_JOB_ADDED)
    async with hung(queue, clock) as system:
        for _ in range(20):
            await queue.enqueue(task())
            await anyio.sleep(0.1)
        assert sum(node.restarts for node in system.tree().walk()) == 0


@pytest.mark.real_time
async def test_a_plain_listener_that_exits_or_hangs_keeps_no_queue_from_ending() -> None:
    """Its thread is abandoned."""
    queue = MemoryQueue()
    done = threading.Event()

    def hangs(event: Any) -> None:
        done.wait(30)

    def leaves(event: Any) -> None:
        sys.exit(1)

    for callback in (hangs, leaves):
        queue.add_listener(callback, EVENT_JOB_ADDED)
    try:
        with anyio.fail_after(20):
            async with queue:
                for _ in range(10):
                    await queue.enqueue(task())
        assert not done.is_set()
    finally:
        done.set()
