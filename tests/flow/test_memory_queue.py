"""The public facade on the memory adapter: what SPEC's table promises, call by call."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import anyio
import pytest

from oncue import TaskData, TaskPriority, TaskStatus
from oncue.testing import VirtualClock
from tests.flow.kit import fails, make_queue, ok, task


async def test_ids_are_taken_as_uuid_and_as_text(clock: VirtualClock) -> None:
    queue = make_queue(clock)
    queue.register_handler("ok", ok)
    async with queue:
        task_id = await queue.enqueue(task())
        assert (await queue.wait(task_id)) == (await queue.wait(UUID(task_id)))
        assert await queue.get_task_status(task_id) == await queue.get_task_status(UUID(task_id))


async def test_create_task_is_shorthand_for_a_task(clock: VirtualClock) -> None:
    async with make_queue(clock) as queue:
        task_id = await queue.create_task(
            "ok", {"n": 1}, "mine", priority=TaskPriority.HIGH, delay=60, tags={"a": "b"}
        )
        job = await queue.get_job(task_id)
        assert job is not None
        one = job.task
        assert (one.task_type, one.payload, one.queue_name) == ("ok", {"n": 1}, "mine")
        assert (one.priority, one.delay, one.tags) == (TaskPriority.HIGH, 60, {"a": "b"})
        assert one.created_at == clock.now()


async def test_a_connection_is_refused_and_nothing_stored(clock: VirtualClock) -> None:
    """The task would exist whether or not the caller's transaction commits."""
    async with make_queue(clock) as queue:
        with pytest.raises(ValueError, match="connection: the memory queue is not on an SQL store"):
            await queue.enqueue(task(), connection=object())
        assert (await queue.get_queue_info())["job_count"] == 0


async def test_no_schedule_is_fired_from_memory(clock: VirtualClock) -> None:
    queue = make_queue(clock)
    assert queue.scheduler_running is False
    async with queue:
        assert queue.scheduler_running is False
        assert (await queue.get_queue_info())["scheduler_running"] is False


@pytest.mark.parametrize("payload", [[], "", 0])
async def test_a_payload_that_is_no_dict_is_refused_though_it_be_empty(
    clock: VirtualClock, payload: Any
) -> None:
    async with make_queue(clock) as queue:
        with pytest.raises(ValueError, match="payload"):
            await queue.create_task("ok", payload)
        assert (await queue.get_queue_info())["job_count"] == 0


async def test_many_are_enqueued_in_the_order_given(clock: VirtualClock) -> None:
    async with make_queue(clock) as queue:
        tasks = [task(queue_name="ab"[n % 2]) for n in range(6)]
        assert await queue.enqueue_many(tasks) == [str(one.task_id) for one in tasks]
        assert await queue.enqueue_many([]) == []


async def test_the_figures_of_a_queue(clock: VirtualClock) -> None:
    queue = make_queue(clock)
    queue.register_handler("fails", fails)

    async def slow(task: TaskData) -> None:
        await anyio.sleep(100)

    queue.register_handler("slow", slow)
    async with queue:
        await queue.wait(await queue.enqueue(task("fails", max_retries=0)))
        await queue.enqueue_many(
            [task("slow"), task("nobody's", priority=20), task("ok", delay=60), task("nobody's")]
        )
        await anyio.sleep(1)
        info = await queue.get_queue_info()
    assert {key: info[key] for key in info if key not in {"oldest_task", "newest_task"}} == {
        "name": "default",
        "job_count": 4,
        "pending_tasks": 2,
        "processing_tasks": 1,
        "delayed_tasks": 1,
        "dead_letter_tasks": 1,
        "priority_distribution": {5: 2, 20: 1},
        "paused": False,
        "scheduler_running": False,
    }


async def test_queues_that_hold_something_or_are_paused_are_listed(clock: VirtualClock) -> None:
    queue = make_queue(clock)
    queue.register_handler("ok", ok)
    async with queue:
        await queue.enqueue(task("nobody's", queue_name="b"))
        await queue.pause_queue("a")
        await queue.wait(await queue.enqueue(task(queue_name="over")))
        assert await queue.list_queues() == ["a", "b"]


async def test_a_task_may_be_due_at_a_moment(clock: VirtualClock) -> None:
    queue = make_queue(clock)
    queue.register_handler("ok", ok)
    async with queue:
        when = clock.now() + timedelta(hours=1)
        result = await queue.wait(await queue.enqueue(task(scheduled_at=when)))
        assert result.started_at is not None
        assert 0 <= (result.started_at - when).total_seconds() < 0.01


async def test_a_handler_may_enqueue_and_wait_for_another(clock: VirtualClock) -> None:
    queue = make_queue(clock, max_workers=2)
    queue.register_handler("ok", ok)

    async def parent(task: TaskData) -> str:
        child = await queue.wait(await queue.create_task("ok"))
        return f"child: {child.result}"

    queue.register_handler("parent", parent)
    async with queue:
        assert (await queue.wait(await queue.enqueue(task("parent")))).result == "child: done"


@pytest.mark.parametrize("retries", [0, 1, 3])
async def test_every_accepted_task_ends_once(clock: VirtualClock, retries: int) -> None:
    """After its last retry it is a dead letter; not before, and not twice."""
    queue = make_queue(clock)
    attempts: list[int] = []

    async def counted(task: TaskData) -> None:
        attempts.append(task.retry_count)
        raise ValueError("no")

    queue.register_handler("counted", counted)
    async with queue:
        task_id = await queue.enqueue(task("counted", max_retries=retries))
        assert (await queue.wait(task_id)).status is TaskStatus.DEAD_LETTER
        await anyio.sleep(100)
        assert len(await queue.get_dead_letter_tasks()) == 1
    assert attempts == list(range(retries + 1))
