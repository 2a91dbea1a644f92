"""The waiters: whoever waits is answered, whatever became of the hint."""

from datetime import timedelta
from typing import Any

import anyio
import pytest

from oncue import TaskData, TaskResult, TaskStatus, UnknownTask
from oncue.stores import Done, StoreUnavailable
from oncue.testing import VirtualClock
from tests.actors.kit import HookedQueue, hung, kill
from tests.flow.kit import make_queue, ok, task


async def test_all_who_wait_for_one_task_are_answered(clock: VirtualClock) -> None:
    queue = make_queue(clock)
    answers: list[TaskStatus] = []
    async with queue:
        task_id = await queue.enqueue(task())

        async def wait() -> None:
            answers.append((await queue.wait(task_id)).status)

        async with anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(wait)
            await clock.wait_all_tasks_blocked()
            queue.register_handler("ok", ok)
    assert answers == [TaskStatus.COMPLETED] * 3


async def test_a_task_that_ended_long_ago_is_answered_at_once(clock: VirtualClock) -> None:
    queue = make_queue(clock)
    queue.register_handler("ok", ok)
    async with queue:
        task_id = await queue.enqueue(task())
        await anyio.sleep(100)
        assert (await queue.wait(task_id, timeout=0.001)).result == "done"


async def test_a_wait_for_a_task_that_nobody_knows_fails(clock: VirtualClock) -> None:
    async with make_queue(clock) as queue:
        with pytest.raises(UnknownTask):
            await queue.wait(task().task_id)


async def test_a_wait_ends_when_its_time_is_up(clock: VirtualClock) -> None:
    async with make_queue(clock) as queue:
        task_id = await queue.enqueue(task())
        with pytest.raises(TimeoutError, match="has not ended within 5 s"):
            await queue.wait(task_id, timeout=5)
        assert clock.monotonic() == pytest.approx(5)


async def test_a_wait_for_a_task_that_is_purged_fails(clock: VirtualClock) -> None:
    """No hint tells of it: those who wait are looked up every few seconds."""
    async with make_queue(clock) as queue:
        task_id = await queue.enqueue(task())

        async def wait() -> None:
            with pytest.raises(UnknownTask):
                await queue.wait(task_id, timeout=30)

        async with anyio.create_task_group() as group:
            group.start_soon(wait)
            await clock.wait_all_tasks_blocked()
            await queue.purge_queue()


async def test_a_wait_outlives_the_waiters_actor(clock: VirtualClock) -> None:
    """Killed with the asks in hand: they are repeated."""
    queue = make_queue(clock)
    ended: list[TaskStatus] = []
    async with hung(queue, clock) as system, anyio.create_task_group() as group:
        task_id = await queue.enqueue(task())

        async def wait() -> None:
            ended.append((await queue.wait(task_id, 60)).status)

        group.start_soon(wait)
        await clock.wait_all_tasks_blocked()
        kill(system, "memory/waiters")
        await clock.wait_all_tasks_blocked()
        assert ended == []
        queue.register_handler("ok", ok)
    assert ended == [TaskStatus.COMPLETED]


async def test_a_wait_outlives_a_pool_killed_before_it_could_hint(clock: VirtualClock) -> None:
    """The store has recorded the end, and its answer found nobody; the next look does."""
    queue = HookedQueue(clock)
    queue.register_handler("ok", ok)
    async with hung(queue, clock) as system:
        queue.store.once_settled(lambda: kill(system, "work/pool"))
        task_id = await queue.enqueue(task(delay=1))
        assert (await queue.wait(task_id, 60)).status is TaskStatus.COMPLETED
        assert [node.restarts for node in system.tree().walk() if node.name == "pool"] == [1]
        assert clock.monotonic() < 10, "looked up, not merely found when the time was up"


async def test_a_wait_outlives_a_store_that_is_away(clock: VirtualClock) -> None:
    queue = HookedQueue(clock)
    async with queue:
        task_id = await queue.enqueue(task())

        async def unavailable(call: str, about: Any) -> None:
            if call == "find" and clock.monotonic() < 20:
                raise StoreUnavailable("memory", "find")

        queue.store.before = unavailable
        async with anyio.create_task_group() as group:
            group.start_soon(queue.wait, task_id, 60.0)
            await anyio.sleep(15)
            queue.register_handler("ok", ok)
    assert 20 <= clock.monotonic() <= 25.1


async def test_a_settlement_whose_answer_was_lost_still_ends_the_wait(clock: VirtualClock) -> None:
    """It is offered again and refused, for it was written: the hint is given all the same."""
    queue = HookedQueue(clock)
    queue.register_handler("ok", ok)

    def lose() -> None:
        raise StoreUnavailable("memory", "exchange")

    async with queue:
        queue.store.once_settled(lose)
        task_id = await queue.enqueue(task(delay=1))
        assert (await queue.wait(task_id, 60)).status is TaskStatus.COMPLETED
        assert queue.metrics["refused_settlements"] == 1
        assert clock.monotonic() < 3


@pytest.mark.parametrize("limit", [0, 1])
async def test_a_wait_is_answered_though_the_result_is_not_kept(
    clock: VirtualClock, limit: int
) -> None:
    """Whoever waited by then hears how it ended: what was returned, by whom, when."""
    queue = make_queue(clock, result_cache_limit=limit)
    answers: dict[int, TaskResult] = {}

    async def wait(number: int) -> None:
        answers[number] = await queue.wait(tasks[number].task_id)

    async def slow(task: TaskData) -> int:
        await anyio.sleep(1)
        return int(task.payload["n"])

    queue.register_handler("slow", slow)
    async with queue:
        tasks = [task("slow", payload={"n": number}, queue_name="q") for number in range(10)]
        await queue.enqueue_many(tasks)
        async with anyio.create_task_group() as group:
            for number in [*range(10), *range(10)]:
                group.start_soon(wait, number)
        assert {number: result.result for number, result in answers.items()} == {
            number: number for number in range(10)
        }
        for one, result in zip(tasks, (answers[n] for n in range(10)), strict=True):
            assert (result.task_id, result.status) == (one.task_id, TaskStatus.COMPLETED)
            assert (result.queue_name, result.retry_count) == ("q", 0)
            assert result.execution_time == pytest.approx(1)
            assert result.started_at is not None
            assert result.completed_at == result.started_at + timedelta(
                seconds=result.execution_time or 0
            )
        kept = [await queue.get_task_status(one.task_id) for one in tasks]
        assert len(kept) - kept.count(None) == limit


async def test_a_wait_is_answered_though_the_result_goes_as_the_wait_comes(
    clock: VirtualClock,
) -> None:
    """The store has let go of it before it is first looked up, and the hint is on its way."""
    queue = HookedQueue(clock, result_cache_limit=0)
    queue.register_handler("ok", ok)
    settling = anyio.Event()

    async def settle_slowly(call: str, about: Any) -> None:
        if call == "exchange" and any(isinstance(each, Done) for each in about[0]):
            settling.set()
            await anyio.sleep(1)

    queue.store.before = settle_slowly
    async with queue:
        task_id = await queue.enqueue(task(delay=1))
        await settling.wait()
        assert (await queue.wait(task_id)).result == "done"


@pytest.mark.parametrize("runs", [False, True])
async def test_a_wait_for_a_cancelled_task_is_answered_though_that_is_not_kept(
    clock: VirtualClock, runs: bool
) -> None:
    queue = make_queue(clock, result_cache_limit=0)

    async def hang(task: TaskData) -> None:
        await anyio.sleep_forever()

    if runs:
        queue.register_handler("hang", hang)
    async with queue, anyio.create_task_group() as group:
        task_id = await queue.enqueue(task("hang"))

        async def wait() -> None:
            assert (await queue.wait(task_id)).status is TaskStatus.CANCELLED

        group.start_soon(wait)
        await anyio.sleep(1)
        assert await queue.cancel_task(task_id)


async def test_a_wait_for_what_is_pulled_by_hand_is_answered_though_it_is_not_kept(
    clock: VirtualClock,
) -> None:
    queue = make_queue(clock, result_cache_limit=0)
    async with queue, anyio.create_task_group() as group:
        task_id = await queue.enqueue(task())
        pulled = await queue.dequeue()
        assert pulled is not None

        async def wait() -> None:
            assert (await queue.wait(task_id)).result == "mine"

        group.start_soon(wait)
        await clock.wait_all_tasks_blocked()
        assert await queue.settle(pulled, "mine")
