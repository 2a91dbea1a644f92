"""A store that hangs or crashes, as callers are told of it."""

from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest

from oncue import StoreUnavailable, TaskStatus
from oncue.runtime import ActorDied, AskTimeout
from oncue.testing import VirtualClock
from tests.actors.kit import HookedQueue, HookedStore, hung
from tests.flow.cluster import Cluster
from tests.flow.kit import ok, task


async def hang(call: str, about: Any) -> None:
    await anyio.sleep(1000)


async def crash(call: str, about: Any) -> None:
    raise RuntimeError("the store has a bug")


async def test_a_store_that_hangs_is_unavailable_after_a_minute(clock: VirtualClock) -> None:
    queue = HookedQueue(clock)
    async with queue:
        calls: list[Callable[[], Awaitable[Any]]] = [
            lambda: queue.get_job(task().task_id),
            lambda: queue.cancel_task(task().task_id),
            lambda: queue.enqueue(task()),
            queue.dequeue,
            queue.retry_dead_letter_tasks,
        ]
        queue.store.before = hang
        for call in calls:
            began_s = clock.monotonic()
            with pytest.raises(StoreUnavailable, match="did not answer") as caught:
                await call()
            assert isinstance(caught.value.__cause__, AskTimeout)
            assert clock.monotonic() - began_s <= 60.1
        queue.store.before = HookedStore.before


async def test_a_store_that_crashes_is_unavailable(clock: VirtualClock) -> None:
    queue = HookedQueue(clock)
    async with hung(queue, clock, intensity=100):
        calls: list[Callable[[], Awaitable[Any]]] = [
            lambda: queue.cancel_task(task().task_id),
            lambda: queue.enqueue(task()),
        ]
        for call in calls:
            queue.store.before = crash
            with pytest.raises(StoreUnavailable, match="died") as caught:
                await call()
            assert isinstance(caught.value.__cause__, ActorDied)
            assert isinstance(caught.value.__cause__.__cause__, RuntimeError)
            queue.store.before = HookedStore.before
            await anyio.sleep(10)


async def test_a_wait_ends_a_second_late_at_most(clock: VirtualClock) -> None:
    """However slow the store is, and in a `TimeoutError` alone."""
    queue = HookedQueue(clock)
    async with queue:
        task_id = await queue.enqueue(task())
        queue.store.before = hang
        for timeout in (0, 1):
            began_s = clock.monotonic()
            with pytest.raises(TimeoutError, match=f"not ended within {timeout} s"):
                await queue.wait(task_id, timeout)
            assert clock.monotonic() - began_s <= timeout + 1.01
        queue.store.before = HookedStore.before


async def test_a_wait_of_no_time_sees_what_has_ended(clock: VirtualClock) -> None:
    async with HookedQueue(clock) as queue:
        queue.register_handler("ok", ok)
        task_id = await queue.enqueue(task())
        await anyio.sleep(1)
        assert (await queue.wait(task_id, 0)).status is TaskStatus.COMPLETED
        with pytest.raises(TimeoutError):
            await queue.wait(await queue.enqueue(task(delay=60)), 0)


async def test_health_is_told_within_seconds_though_the_store_hangs(clock: VirtualClock) -> None:
    """Whichever of its looks it is that hangs."""
    for hanging in ("count", "nodes"):
        cluster = Cluster(clock)
        queue = cluster.node("a")

        async def hang_at(call: str, hanging: str = hanging) -> None:
            if call == hanging:
                await anyio.sleep(20)

        async with queue:
            await anyio.sleep(1)
            queue.link.before = hang_at
            began_s = clock.monotonic()
            health = await queue.health_check()
            assert clock.monotonic() - began_s <= 5.1
            assert (health["healthy"], health["apscheduler_queue"]["store_reachable"]) == (
                False,
                False,
            )
