"""The queue suite, in part: tasks taken, run in order, cancelled, paused and purged."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import anyio
import pytest

from oncue.actors import UnknownTask
from oncue.adapters.base import QueueBase
from oncue.adapters.metadata import QueueCapability
from oncue.runtime import Clock
from oncue.stores import DuplicateTask, TaskData, TaskPriority, TaskStatus

from ._queue_suite_base import LIMIT_S, Gate, QueueSuiteBase, needs, new_task, ok


class TaskTests(QueueSuiteBase):
    """Tasks taken, run in order, cancelled, paused and purged."""

    # --- taken -----------------------------------------------------------------------------

    async def test_an_accepted_task_runs_and_how_it_ended_is_kept(self, queue: QueueBase) -> None:
        async with queue:
            task_id = await queue.create_task("ok", queue_name="mine")
            result = await queue.wait(task_id, timeout=LIMIT_S)
            assert (str(result.task_id), result.status) == (task_id, TaskStatus.COMPLETED)
            assert (result.result, result.error, result.retry_count) == ("done", None, 0)
            assert (result.queue_name, result.next_retry_at) == ("mine", None)
            assert result.worker_id
            assert result.execution_time is not None
            assert result.started_at is not None
            assert result.completed_at is not None
            assert result.started_at <= result.completed_at
            assert await queue.get_task_status(task_id) == result

    async def test_create_task_is_shorthand_for_a_task(self, queue: QueueBase) -> None:
        async with queue:
            task_id = await queue.create_task(
                "ok", {"n": 1}, "mine", priority=TaskPriority.HIGH, delay=60, tags={"a": "b"}
            )
            job = await queue.get_job(task_id)
            assert job is not None
            one = job.task
            assert (one.task_type, one.payload, one.queue_name) == ("ok", {"n": 1}, "mine")
            assert (one.priority, one.delay, one.tags) == (TaskPriority.HIGH, 60, {"a": "b"})

    async def test_a_handler_gets_the_task_as_it_was_enqueued(self, queue: QueueBase) -> None:
        got: list[TaskData] = []

        async def keeps(task: TaskData) -> None:
            got.append(task)

        queue.register_handler("keeps", keeps)
        given = new_task(
            "keeps",
            payload={"text": "é\x00", "n": [1, 2.5, None, True]},
            priority=TaskPriority.CRITICAL,
            max_retries=7,
            retry_delay=0.5,
            timeout=None,
            tags={"team": "x"},
            unique_key="k",
        )
        async with queue:
            await self.ended(queue, given)
        assert got == [given]

    async def test_what_is_no_task_is_refused_by_the_name_of_its_field(
        self, queue: QueueBase
    ) -> None:
        wrong: list[dict[str, Any]] = [
            {"delay": -1},
            {"queue_name": ""},
            {"payload": {"a": object()}},
        ]
        async with queue:
            for fields in wrong:
                [field] = fields
                with pytest.raises(ValueError, match=field):
                    await queue.create_task("ok", **fields)
            assert (await queue.get_queue_info())["job_count"] == 0

    async def test_the_same_task_enqueued_again_changes_nothing(self, queue: QueueBase) -> None:
        """D1.2. Not while it lives, and not once it has ended."""
        ran: list[UUID] = []

        async def notes(task: TaskData) -> None:
            ran.append(task.task_id)

        async with queue:
            one = new_task("notes")
            assert await queue.enqueue(one) == await queue.enqueue(one) == str(one.task_id)
            assert (await queue.get_queue_info())["job_count"] == 1
            queue.register_handler("notes", notes)
            await queue.wait(one.task_id, timeout=LIMIT_S)
            await queue.enqueue(one)
            await self.ended(queue, new_task())
        assert ran == [one.task_id]

    @needs(QueueCapability.BATCH)
    async def test_many_are_enqueued_and_their_ids_returned_in_order(
        self, queue: QueueBase
    ) -> None:
        async with queue:
            tasks = [new_task(queue_name="ab"[n % 2]) for n in range(6)]
            assert await queue.enqueue_many(tasks) == [str(one.task_id) for one in tasks]
            for one in tasks:
                assert (await queue.wait(one.task_id, timeout=LIMIT_S)).result == "done"
            assert await queue.enqueue_many([]) == []

    async def test_a_taken_unique_key_is_refused_with_the_live_id(self, queue: QueueBase) -> None:
        """Until its task is over; other queues have keys of their own."""
        async with queue:
            first = await queue.enqueue(new_task("later", unique_key="k"))
            with pytest.raises(DuplicateTask) as caught:
                await queue.enqueue(new_task("later", unique_key="k"))
            assert str(caught.value.live_task_id) == first
            await queue.enqueue(new_task("later", unique_key="k", queue_name="other"))
            queue.register_handler("later", ok)
            await queue.wait(first, timeout=LIMIT_S)
            await queue.enqueue(new_task("nobody's", unique_key="k"))

    @needs(QueueCapability.BATCH)
    async def test_of_many_those_with_a_taken_key_are_refused_alone(self, queue: QueueBase) -> None:
        async with queue:
            await queue.enqueue(new_task("later", unique_key="k"))
            taken, free = new_task("later", unique_key="k"), new_task("later")
            with pytest.raises(ExceptionGroup) as caught:
                await queue.enqueue_many([taken, free])
            assert [type(error) for error in caught.value.exceptions] == [DuplicateTask]
            assert await queue.get_task_status(taken.task_id) is None
            assert await queue.get_task_status(free.task_id) is not None

    # --- ids -------------------------------------------------------------------------------

    async def test_an_id_is_taken_as_a_uuid_and_as_text(self, queue: QueueBase) -> None:
        async with queue:
            task_id = await queue.enqueue(new_task("later"))
            for one in (task_id, UUID(task_id)):
                assert await queue.get_task_status(one) is not None
                assert await queue.get_job(one) is not None
                assert await queue.pause_job(one)
                assert await queue.resume_job(one)
            assert await queue.cancel_task(UUID(task_id))
            assert await queue.wait(task_id) == await queue.wait(UUID(task_id))

    async def test_what_is_not_known_is_none_false_or_said_so(self, queue: QueueBase) -> None:
        async with queue:
            stranger = uuid4()
            assert await queue.get_task_status(stranger) is None
            assert await queue.get_job(stranger) is None
            for call in (
                queue.cancel_task,
                queue.pause_job,
                queue.resume_job,
                queue.settle,
                queue.retry_dead_letter_task,
            ):
                assert await call(stranger) is False
            with pytest.raises(UnknownTask):
                await queue.wait(stranger, timeout=LIMIT_S)

    async def test_what_is_no_id_is_a_value_error(self, queue: QueueBase) -> None:
        async with queue:
            for call in (
                queue.get_task_status,
                queue.get_job,
                queue.wait,
                queue.cancel_task,
                queue.pause_job,
                queue.resume_job,
                queue.settle,
                queue.retry_dead_letter_task,
            ):
                with pytest.raises(ValueError, match="task_id"):
                    await call("nonsense")

    # --- order -----------------------------------------------------------------------------

    @needs(QueueCapability.PRIORITY)
    async def test_higher_priority_runs_first_and_equal_priority_in_order(
        self, clock: Clock
    ) -> None:
        queue = self.make_queue(clock, max_workers=1)
        order: list[int] = []

        async def notes(task: TaskData) -> None:
            order.append(task.payload["n"])

        async with queue:
            priorities = (1, 5, 20, 5, 10)
            tasks = [
                new_task("notes", payload={"n": n}, priority=TaskPriority(priority))
                for n, priority in enumerate(priorities)
            ]
            await queue.enqueue_many(tasks)
            queue.register_handler("notes", notes)
            for one in tasks:
                await queue.wait(one.task_id, timeout=LIMIT_S)
        assert order == [2, 4, 1, 3, 0]

    @needs(QueueCapability.DELAYED)
    @pytest.mark.parametrize("how", ["delay", "scheduled_at"])
    async def test_a_delayed_task_is_pending_until_its_time(
        self, queue: QueueBase, clock: Clock, how: str
    ) -> None:
        async with queue:
            when: Any = 0.5 if how == "delay" else clock.now() + timedelta(seconds=0.5)
            task_id = await queue.enqueue(new_task(**{how: when}))
            status = await queue.get_task_status(task_id)
            assert status is not None
            assert status.status is TaskStatus.PENDING
            info = await queue.get_queue_info()
            assert (info["delayed_tasks"], info["pending_tasks"]) == (1, 0)
            job = await queue.get_job(task_id)
            assert job is not None
            assert job.next_run_time is not None
            result = await queue.wait(task_id, timeout=LIMIT_S)
            assert result.started_at is not None
            assert result.started_at >= job.next_run_time

    # --- cancelled -------------------------------------------------------------------------

    async def test_a_cancelled_task_that_waits_never_runs(self, queue: QueueBase) -> None:
        """D2.4."""
        ran: list[UUID] = []

        async def notes(task: TaskData) -> None:
            ran.append(task.task_id)

        async with queue:
            cancelled, kept = new_task("notes"), new_task("notes")
            for one in (cancelled, kept):
                await queue.enqueue(one)
            assert await queue.cancel_task(cancelled.task_id)
            assert not await queue.cancel_task(cancelled.task_id)
            assert (await queue.wait(cancelled.task_id)).status is TaskStatus.CANCELLED
            queue.register_handler("notes", notes)
            await queue.wait(kept.task_id, timeout=LIMIT_S)
        assert ran == [kept.task_id]

    async def test_a_cancelled_task_that_runs_is_cut_off(self, clock: Clock) -> None:
        """D2.4. Its worker lives on."""
        queue = self.make_queue(clock, max_workers=1)
        gate = Gate()
        queue.register_handler("gate", gate)
        queue.register_handler("ok", ok)
        async with queue:
            task_id = await queue.enqueue(new_task("gate"))
            await gate.wait_for(gate.begun)
            assert await queue.cancel_task(task_id)
            assert (await queue.wait(task_id, timeout=LIMIT_S)).status is TaskStatus.CANCELLED
            await gate.wait_for(gate.cut)
            assert (await self.ended(queue, new_task())).status is TaskStatus.COMPLETED
        assert gate.ended == []

    # --- paused ----------------------------------------------------------------------------

    async def test_a_paused_task_is_passed_over_until_it_is_resumed(self, queue: QueueBase) -> None:
        async with queue:
            held = await queue.enqueue(new_task("later"))
            assert await queue.pause_job(held)
            assert not await queue.pause_job(held)
            status = await queue.get_task_status(held)
            assert status is not None
            assert status.status is TaskStatus.PAUSED
            queue.register_handler("later", ok)
            await self.ended(queue, new_task("later"))
            status = await queue.get_task_status(held)
            assert status is not None
            assert status.status is TaskStatus.PAUSED
            assert await queue.resume_job(held)
            assert not await queue.resume_job(held)
            assert (await queue.wait(held, timeout=LIMIT_S)).status is TaskStatus.COMPLETED

    async def test_a_paused_queue_starts_nothing_and_what_runs_runs_on(
        self, queue: QueueBase
    ) -> None:
        """The name need not hold a task yet; other queues are not concerned."""
        gate = Gate()
        queue.register_handler("gate", gate)
        async with queue:
            running = await queue.enqueue(new_task("gate"))
            await gate.wait_for(gate.begun)
            for name in ("default", "new"):
                await queue.pause_queue(name)
                assert (await queue.get_queue_info(name))["paused"]
            waiting = [await queue.enqueue(new_task(queue_name=n)) for n in ("default", "new")]
            gate.open()
            assert (await queue.wait(running, timeout=LIMIT_S)).result == "through the gate"
            await self.ended(queue, new_task(queue_name="other"))
            for task_id in waiting:
                status = await queue.get_task_status(task_id)
                assert status is not None
                assert status.status is TaskStatus.PENDING
            for name in ("default", "new"):
                await queue.resume_queue(name)
                assert not (await queue.get_queue_info(name))["paused"]
            for task_id in waiting:
                await queue.wait(task_id, timeout=LIMIT_S)

    # --- purged ----------------------------------------------------------------------------

    async def test_a_purge_removes_what_waits_and_leaves_what_runs(self, queue: QueueBase) -> None:
        gate = Gate()
        queue.register_handler("gate", gate)
        async with queue:
            running = await queue.enqueue(new_task("gate"))
            await gate.wait_for(gate.begun)
            waiting = [new_task("later"), new_task("later", delay=60)]
            for one in (*waiting, new_task("later", queue_name="other")):
                await queue.enqueue(one)
            assert await queue.purge_queue() == 2
            assert [await queue.get_task_status(one.task_id) for one in waiting] == [None, None]
            assert (await queue.get_queue_info("other"))["job_count"] == 1
            gate.open()
            assert (await queue.wait(running, timeout=LIMIT_S)).status is TaskStatus.COMPLETED

    # --- waited for ------------------------------------------------------------------------

    async def test_all_who_wait_are_answered_and_a_wait_has_its_limit(
        self, queue: QueueBase
    ) -> None:
        async with queue:
            task_id = await queue.enqueue(new_task("later"))
            with pytest.raises(TimeoutError):
                await queue.wait(task_id, timeout=0.1)
            answers: list[object] = []

            async def wait() -> None:
                answers.append((await queue.wait(task_id, timeout=LIMIT_S)).result)

            async with anyio.create_task_group() as group:
                for _ in range(3):
                    group.start_soon(wait)
                queue.register_handler("later", ok)
        assert answers == ["done"] * 3

    async def test_a_handler_may_enqueue_another_and_wait_for_it(self, queue: QueueBase) -> None:
        async def parent(task: TaskData) -> str:
            child = await queue.wait(await queue.create_task("ok"), timeout=LIMIT_S)
            return f"child: {child.result}"

        queue.register_handler("parent", parent)
        async with queue:
            assert (await self.ended(queue, new_task("parent"))).result == "child: done"
