"""The queue suite, in part: figures, jobs, health, metrics and events."""

from typing import Any

from oncue.actors.job_events import (
    EVENT_JOB_ADDED,
    EVENT_JOB_ERROR,
    EVENT_JOB_EXECUTED,
    EVENT_JOB_MODIFIED,
    EVENT_JOB_REMOVED,
    EVENT_JOB_SUBMITTED,
    EVENT_SCHEDULER_PAUSED,
    EVENT_SCHEDULER_RESUMED,
    EVENT_SCHEDULER_SHUTDOWN,
    EVENT_SCHEDULER_STARTED,
    JobExecutionEvent,
    SchedulerEvent,
)
from oncue.adapters.base import QueueBase
from oncue.adapters.metadata import QueueCapability
from oncue.runtime import Clock
from oncue.stores import TaskData

from ._queue_suite_base import LIMIT_S, Gate, QueueSuiteBase, needs, new_task, ok


class LookingTests(QueueSuiteBase):
    """Figures, jobs, health, metrics and events."""

    # --- figures ---------------------------------------------------------------------------

    async def test_the_figures_of_a_queue(self, queue: QueueBase) -> None:
        gate = Gate()
        queue.register_handler("gate", gate)
        async with queue:
            nothing = await queue.get_queue_info("never heard of")
            assert (nothing["job_count"], nothing["oldest_task"]) == (0, None)
            await self.ended(queue, new_task("fails", max_retries=0))
            await queue.enqueue(new_task("gate"))
            await gate.wait_for(gate.begun)
            waiting = [
                new_task("nobody's", priority=20),
                new_task("nobody's", delay=60),
                new_task("nobody's"),
            ]
            for one in waiting:
                await queue.enqueue(one)
            info = await queue.get_queue_info()
            assert info.pop("scheduler_running") is queue.scheduler_running
            gate.open()
        assert abs((info.pop("newest_task") - waiting[-1].created_at).total_seconds()) < 0.001
        assert info.pop("oldest_task") <= waiting[0].created_at
        assert info == {
            "name": "default",
            "job_count": 4,
            "pending_tasks": 2,
            "processing_tasks": 1,
            "delayed_tasks": 1,
            "dead_letter_tasks": 1,
            "priority_distribution": {5: 2, 20: 1},
            "paused": False,
        }

    async def test_queues_that_hold_something_or_are_paused_are_listed(
        self, queue: QueueBase
    ) -> None:
        async with queue:
            await queue.enqueue(new_task("nobody's", queue_name="b"))
            await queue.pause_queue("a")
            await self.ended(queue, new_task(queue_name="over"))
            assert await queue.list_queues() == ["a", "b"]

    async def test_a_job_is_a_task_that_is_not_over(self, queue: QueueBase) -> None:
        async with queue:
            task_id = await queue.enqueue(new_task("later", delay=60))
            job = await queue.get_job(task_id)
            assert job is not None
            assert (str(job.id), job.name, job.paused) == (task_id, "later", False)
            assert job.next_run_time is not None
            assert job.next_run_time.utcoffset() is not None
            assert await queue.pause_job(task_id)
            paused = await queue.get_job(task_id)
            assert paused is not None
            assert (paused.paused, paused.next_run_time) == (True, None)
            assert [str(each.id) for each in await queue.get_jobs()] == [task_id]
            assert await queue.cancel_task(task_id)
            assert await queue.get_job(task_id) is None
            assert await queue.get_jobs() == []

    # --- health and metrics ----------------------------------------------------------------

    @needs(QueueCapability.HEALTH)
    async def test_health_says_whether_it_runs_and_has_the_adapters_own_section(
        self, queue: QueueBase
    ) -> None:
        outside = await queue.health_check()
        assert (outside["healthy"], outside["running"]) == (False, False)
        assert "async with queue" in outside["warnings"][0]
        async with queue:
            health = await queue.health_check()
            assert (health["healthy"], health["running"]) == (True, True)
            assert health["metrics"].keys() == queue.metrics.keys()
            assert health[f"{queue.name}_queue"]

    @needs(QueueCapability.HEALTH)
    async def test_a_type_without_a_handler_waits_and_health_says_so(
        self, queue: QueueBase
    ) -> None:
        """It blocks nobody, and runs once there is one."""
        async with queue:
            # What a store always says of its server's settings is no trouble.
            usual = (await queue.health_check())["warnings"]
            strange = await queue.enqueue(new_task("strange", priority=20))
            await self.ended(queue, new_task())
            warnings = (await queue.health_check())["warnings"]
            [warning] = [each for each in warnings if each not in usual]
            assert "1 tasks of type 'strange' wait" in warning
            queue.register_handler("strange", ok)
            await queue.wait(strange, timeout=LIMIT_S)
            assert (await queue.health_check())["warnings"] == usual

    @needs(QueueCapability.METRICS)
    async def test_metrics_count_what_was_done_here(self, clock: Clock) -> None:
        queue = self.make_queue(clock, max_workers=3)

        async def fails_once(task: TaskData) -> None:
            if not task.retry_count:
                raise ValueError("once")

        queue.register_handler("fails once", fails_once)
        async with queue:
            for _ in range(2):
                await self.ended(queue, new_task("fails once", retry_delay=0))
            await queue.enqueue(new_task("nobody's"))

            def counted() -> bool:
                metrics = queue.metrics
                return (
                    (metrics["completed_tasks"], metrics["failed_attempts"]) == (2, 2)
                    and (metrics["retried_attempts"], metrics["pending_tasks"]) == (2, 1)
                    and (metrics["workers_active"], metrics["workers_idle"]) == (0, 3)
                )

            await self.eventually(clock, counted)
            assert queue.metrics["error_rate"] == 0.5
            assert queue.metrics["throughput"] > 0

    # --- events ----------------------------------------------------------------------------

    async def test_the_life_of_a_task_is_added_submitted_executed(self, queue: QueueBase) -> None:
        stream = queue.events()
        async with queue:
            task_id = str((await self.ended(queue, new_task())).task_id)
        events: list[SchedulerEvent] = [event async for event in stream]
        assert [event.code for event in events] == [
            EVENT_SCHEDULER_STARTED,
            EVENT_JOB_ADDED,
            EVENT_JOB_SUBMITTED,
            EVENT_JOB_EXECUTED,
            EVENT_SCHEDULER_SHUTDOWN,
        ]
        executed = events[3]
        assert isinstance(executed, JobExecutionEvent)
        assert (executed.job_id, executed.jobstore, executed.retval) == (
            task_id,
            "default",
            "done",
        )

    async def test_each_failed_attempt_is_an_error_with_its_exception(
        self, queue: QueueBase
    ) -> None:
        stream = queue.events(EVENT_JOB_ERROR)
        async with queue:
            await self.ended(queue, new_task("fails", max_retries=1, retry_delay=0))
        errors: list[Any] = [event async for event in stream]
        assert [str(event.exception) for event in errors] == ["attempt 1", "attempt 2"]

    async def test_changes_are_events_too(self, queue: QueueBase) -> None:
        wanted = EVENT_JOB_MODIFIED | EVENT_JOB_REMOVED
        stream = queue.events(wanted | EVENT_SCHEDULER_PAUSED | EVENT_SCHEDULER_RESUMED)
        async with queue:
            task_id = await queue.enqueue(new_task("later"))
            await queue.pause_job(task_id)
            await queue.resume_job(task_id)
            await queue.cancel_task(task_id)
            await queue.cancel_task(task_id)  # it is gone: no event
            await queue.pause_queue()
            await queue.resume_queue()
        assert [event.code async for event in stream] == [
            EVENT_JOB_MODIFIED,
            EVENT_JOB_MODIFIED,
            EVENT_JOB_REMOVED,
            EVENT_SCHEDULER_PAUSED,
            EVENT_SCHEDULER_RESUMED,
        ]

    async def test_a_listener_hears_what_its_mask_asks_for_and_a_raising_one_harms_nobody(
        self, queue: QueueBase, clock: Clock
    ) -> None:
        """Async callbacks run in the event loop, plain ones in a thread; both in order."""
        plain: list[int] = []
        awaited: list[int] = []

        async def listen(event: SchedulerEvent) -> None:
            awaited.append(event.code)

        async def raises(event: SchedulerEvent) -> None:
            raise RuntimeError("a listener's own trouble")

        queue.add_listener(raises)
        queue.add_listener(lambda event: plain.append(event.code), EVENT_JOB_EXECUTED)
        queue.add_listener(listen, EVENT_JOB_ADDED | EVENT_JOB_EXECUTED)
        async with queue:
            await self.ended(queue, new_task())
            await self.eventually(clock, lambda: len(awaited) == 2 and len(plain) == 1)
            assert queue.remove_listener(listen)
            assert not queue.remove_listener(listen)
            await self.ended(queue, new_task())
            await self.eventually(clock, lambda: len(plain) == 2)
        assert awaited == [EVENT_JOB_ADDED, EVENT_JOB_EXECUTED]
        assert plain == [EVENT_JOB_EXECUTED] * 2
