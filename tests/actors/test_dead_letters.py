"""Dead letters: listed, given new lives, purged, expired."""

from typing import Any

import anyio
import pytest

from oncue import TaskData, TaskStatus
from oncue.adapters.memory import MemoryQueue
from oncue.testing import VirtualClock
from tests.flow.kit import fails, make_queue, ok, task


async def dead(queue: MemoryQueue, count: int = 1, **fields: Any) -> list[str]:
    """Tasks that have died, the oldest first."""
    queue.register_handler("fails", fails)
    ids: list[str] = []
    for _ in range(count):
        ids.append(await queue.enqueue(task("fails", max_retries=0, **fields)))
        await queue.wait(ids[-1])
        await anyio.sleep(1)
    return ids


async def test_the_newest_is_listed_first_with_its_task_and_its_error(clock: VirtualClock) -> None:
    async with make_queue(clock) as queue:
        ids = await dead(queue, 3, payload={"n": 1})
        [other] = await dead(queue, queue_name="other")
        found = await queue.get_dead_letter_tasks()
        assert [str(one.task_id) for one, _ in found] == [other, *reversed(ids)]
        [(one, result)] = await queue.get_dead_letter_tasks("default", limit=1)
        assert (one.payload, one.task_type) == ({"n": 1}, "fails")
        assert (result.status, result.error) == (TaskStatus.DEAD_LETTER, "ValueError: attempt 1")
        assert (await queue.get_queue_info())["dead_letter_tasks"] == 3


async def test_a_retried_one_keeps_its_id_and_counts_anew(clock: VirtualClock) -> None:
    """A wait that comes then is for the new life."""
    async with make_queue(clock) as queue:
        queue.register_handler("fails", fails)
        task_id = await queue.enqueue(task("fails", max_retries=2, retry_delay=1))
        assert (await queue.wait(task_id)).retry_count == 2
        seen: list[int] = []

        async def now_it_works(task: TaskData) -> str:
            seen.append(task.retry_count)
            await anyio.sleep(1)
            return "at last"

        queue.register_handler("fails", now_it_works)
        assert await queue.retry_dead_letter_task(task_id)
        assert not await queue.retry_dead_letter_task(task_id), "it is no dead letter any more"
        result = await queue.wait(task_id)
        assert (result.result, result.retry_count, seen) == ("at last", 0, [0])
        assert await queue.get_dead_letter_tasks() == []


async def test_a_retry_begins_at_once(clock: VirtualClock) -> None:
    """Not at the next poll."""
    async with make_queue(clock, poll_interval=100) as queue:
        [task_id] = await dead(queue)
        queue.register_handler("fails", ok)
        assert await queue.retry_dead_letter_task(task_id)
        await queue.wait(task_id, timeout=0.01)


async def test_a_retry_is_refused_where_its_unique_key_is_taken(clock: VirtualClock) -> None:
    async with make_queue(clock) as queue:
        [task_id] = await dead(queue, unique_key="k")
        live = await queue.enqueue(task(unique_key="k"))
        assert not await queue.retry_dead_letter_task(task_id)
        assert await queue.retry_dead_letter_tasks() == 0
        assert await queue.cancel_task(live)
        assert await queue.retry_dead_letter_tasks() == 1


async def test_all_of_a_queue_are_retried_in_bulk(clock: VirtualClock) -> None:
    """However many; those of another queue are left."""
    async with make_queue(clock) as queue:
        queue.register_handler("fails", fails)
        many = [task("fails", max_retries=0) for _ in range(1200)]
        for task_id in await queue.enqueue_many(many):
            await queue.wait(task_id)
        await dead(queue, queue_name="other")
        queue.register_handler("fails", ok)
        assert await queue.retry_dead_letter_tasks("default") == 1200
        for one in many[-100:]:
            assert (await queue.wait(one.task_id)).status is TaskStatus.COMPLETED
        assert len(await queue.get_dead_letter_tasks()) == 1


async def test_all_are_retried_though_some_share_a_unique_key(clock: VirtualClock) -> None:
    """The first of them has it; the others stay dead."""
    async with make_queue(clock) as queue:
        await dead(queue, 3, unique_key="k")
        many = [task("fails", max_retries=0) for _ in range(600)]
        for task_id in await queue.enqueue_many(many):
            await queue.wait(task_id)
        queue.unregister_handler("fails")
        assert await queue.retry_dead_letter_tasks() == 601
        assert len(await queue.get_dead_letter_tasks()) == 2


async def test_those_that_die_again_at_once_are_not_retried_for_ever(clock: VirtualClock) -> None:
    async with make_queue(clock) as queue:
        await dead(queue, 3)
        assert await queue.retry_dead_letter_tasks() == 3


async def test_they_are_purged_by_queue_and_by_age(clock: VirtualClock) -> None:
    async with make_queue(clock) as queue:
        await dead(queue, 3)
        await dead(queue, 2, queue_name="other")
        assert await queue.purge_dead_letters("other") == 2
        assert await queue.purge_dead_letters(older_than=3.5) == 2
        assert await queue.purge_dead_letters() == 1


async def test_they_expire(clock: VirtualClock) -> None:
    """So do results."""
    async with make_queue(clock, dead_letter_ttl=1000, result_ttl=500) as queue:
        [task_id] = await dead(queue)
        queue.register_handler("ok", ok)
        done = await queue.enqueue(task())
        await queue.wait(done)
        await anyio.sleep(900)
        assert await queue.get_task_status(done) is None
        assert await queue.get_task_status(task_id) is not None
        await anyio.sleep(200)
        assert await queue.get_task_status(task_id) is None


@pytest.mark.parametrize("call", ["retry_dead_letter_task", "cancel_task", "pause_job"])
async def test_what_is_no_dead_letter_or_not_known_is_false(clock: VirtualClock, call: str) -> None:
    async with make_queue(clock) as queue:
        assert not await getattr(queue, call)(task().task_id)
        with pytest.raises(ValueError, match="task_id must be a UUID"):
            await getattr(queue, call)("nonsense")
