"""The queue suite, in part: adding and changing jobs, for adapters with `QueueCapability.CRON`."""

from datetime import timedelta
from uuid import UUID, uuid4

import anyio
import pytest
from apscheduler.triggers.date import DateTrigger  # type: ignore[import-untyped]
from apscheduler.triggers.interval import IntervalTrigger  # type: ignore[import-untyped]

from oncue.actors.errors import DuplicateJob
from oncue.adapters.metadata import QueueCapability
from oncue.adapters.scheduled import ScheduledQueue
from oncue.runtime import Clock
from oncue.stores import TaskPriority

from ._queue_suite_base import LIMIT_S, needs, new_task
from ._queue_suite_schedules import EVERY, EVERY_S, FAR, Runs, ScheduledSuiteBase


class JobTests(ScheduledSuiteBase):
    """Schedules, and tasks that run once."""

    # --- adding ----------------------------------------------------------------------------

    @needs(QueueCapability.CRON)
    async def test_a_job_shows_what_it_was_given(self, jobs: ScheduledQueue) -> None:
        async with jobs:
            job_id = await jobs.add_cron_job(
                "run",
                "30 9 * * mon-fri",
                timezone="Europe/Berlin",
                queue_name="mornings",
                name="the morning run",
                priority=TaskPriority.HIGH,
                misfire_grace_time=None,
                coalesce=False,
                max_instances=2,
                max_retries=7,
            )
            await jobs.enqueue(new_task("later", delay=60))
            job = await jobs.get_job(str(job_id))
            assert job is not None
            assert job == (await jobs.get_jobs("mornings"))[0]
            assert [each.name for each in await jobs.get_jobs()] == ["the morning run", "later"]
        assert (job.id, job.name, job.paused, job.problem) == (
            job_id,
            "the morning run",
            False,
            None,
        )
        assert (job.task.queue_name, job.task.priority, job.task.max_retries) == ("mornings", 10, 7)
        assert (job.misfire_grace_time, job.coalesce, job.max_instances) == (None, False, 2)
        times = job.next_run_times(3)
        assert times[0] == job.next_run_time
        assert [(time.minute, time.utcoffset()) for time in times] == [(30, timedelta(0))] * 3

    @needs(QueueCapability.CRON)
    async def test_what_is_wrong_is_named_and_nothing_is_added(self, jobs: ScheduledQueue) -> None:
        async with jobs:
            with pytest.raises(ValueError, match=r"'61 \* \* \* \*' is no crontab"):
                await jobs.add_cron_job("run", "61 * * * *")
            with pytest.raises(ValueError, match="Europe/Berlin"):
                await jobs.add_cron_job("run", "0 9 * * *", timezone="Europe/Berlim")
            with pytest.raises(ValueError, match="never fires"):
                await jobs.add_cron_job("run", "0 0 30 2 *")
            with pytest.raises(ValueError, match="delay"):
                await jobs.add_job(new_task("run", delay=1), IntervalTrigger(seconds=1))
            with pytest.raises(ValueError, match="max_instances"):
                await jobs.add_interval_job("run", seconds=1, max_instances=0)
            with pytest.raises(ValueError, match="misfire_grace_time"):
                await jobs.add_interval_job("run", seconds=1, misfire_grace_time=0)
            with pytest.raises(TypeError, match="coalesce"):
                await jobs.add_interval_job("run", seconds=1, coalesce=1)  # type: ignore[arg-type]
            with pytest.raises(ValueError, match="interval"):
                await jobs.add_interval_job("run")
            with pytest.raises(TypeError, match="object"):
                await jobs.add_job(new_task("run"), object())
            with pytest.raises(TypeError, match="did you mean timeout"):
                await jobs.add_interval_job("run", seconds=1, timeouts=3)
            with pytest.raises(ValueError, match="None is no crontab"):
                await jobs.add_cron_job("run", None)  # type: ignore[arg-type]
            with pytest.raises(TypeError, match="start_date must be a datetime"):
                await jobs.add_cron_job("run", FAR, start_date="2026-01-01")  # type: ignore[arg-type]
            changed = new_task("run", payload={"n": 1})
            changed.payload["n"] = float("nan")
            with pytest.raises(ValueError, match="payload"):
                await jobs.add_job(changed, IntervalTrigger(seconds=1))
            assert await jobs.get_jobs() == []

    @needs(QueueCapability.CRON)
    async def test_an_id_is_one_job_unless_it_is_to_be_replaced(self, jobs: ScheduledQueue) -> None:
        job_id = uuid4()
        async with jobs:
            await jobs.add_cron_job("run", FAR, task_id=job_id)
            assert await jobs.add_cron_job("run", FAR, task_id=job_id) == job_id, "a repetition"
            with pytest.raises(DuplicateJob, match="replace_existing"):
                await jobs.add_cron_job("run", FAR, task_id=job_id, payload={"n": 1})
            await jobs.pause_job(job_id)
            again = await jobs.add_cron_job(
                "run", "0 0 28 2 *", task_id=str(job_id), payload={"n": 2}, replace_existing=True
            )
            job = await jobs.get_job(again)
            assert job is not None
        assert (again, job.paused, job.task.payload) == (job_id, True, {"n": 2})
        assert "28" in str(job.trigger)

    @needs(QueueCapability.CRON)
    async def test_an_interval_that_is_added_again_keeps_its_rhythm(
        self, jobs: ScheduledQueue, clock: Clock
    ) -> None:
        """So programs may add their jobs whenever they start, however often that is."""
        job_id = uuid4()
        async with jobs:
            await jobs.add_interval_job("run", hours=1, task_id=job_id)
            first = await self.next_run(jobs, job_id)
            await self.pass_time(clock, 0.1)
            await jobs.add_interval_job("run", hours=1, task_id=job_id, replace_existing=True)
            assert await self.next_run(jobs, job_id) == first
            await jobs.add_interval_job("run", hours=2, task_id=job_id, replace_existing=True)
            assert await self.next_run(jobs, job_id) > first + timedelta(minutes=59)

    # --- changing --------------------------------------------------------------------------

    @needs(QueueCapability.CRON)
    async def test_a_paused_job_plans_nothing_and_makes_up_for_nothing(
        self, jobs: ScheduledQueue, runs: Runs, clock: Clock
    ) -> None:
        async with jobs:
            job_id = await jobs.add_interval_job("run", seconds=EVERY_S)
            assert await jobs.pause_job(job_id)
            assert not await jobs.pause_job(job_id)
            job = await jobs.get_job(job_id)
            assert job is not None
            assert (job.paused, job.next_run_time, job.next_run_times(2)) == (True, None, [])
            before = len(runs.tasks)
            await self.pass_time(clock, 4 * EVERY_S)
            assert len(runs.tasks) == before
            resumed_at = clock.now()
            assert await jobs.resume_job(job_id)
            assert not await jobs.resume_job(job_id)
            await self.eventually(clock, lambda: len(runs.tasks) >= before + 2)
        assert runs.moments[before] > resumed_at - EVERY

    @needs(QueueCapability.CRON)
    async def test_what_is_changed_holds_from_the_next_run_on(
        self, jobs: ScheduledQueue, runs: Runs, clock: Clock
    ) -> None:
        async with jobs:
            job_id = await jobs.add_cron_job("run", FAR)
            assert await jobs.modify_job(
                job_id,
                payload={"n": 2},
                queue_name="other",
                priority=TaskPriority.LOW,
                name="renamed",
                max_instances=5,
                next_run_time=clock.now() + EVERY,
            )
            job = await jobs.get_job(job_id)
            assert job is not None
            assert (job.name, job.max_instances, job.coalesce) == ("renamed", 5, True)
            await self.eventually(clock, lambda: bool(runs.tasks))
            later = await self.next_run(jobs, job_id)
        (task,) = runs.tasks
        assert (task.payload, task.queue_name, task.priority) == ({"n": 2}, "other", 1)
        assert (later.month, later.day) == (2, 29)

    @needs(QueueCapability.CRON)
    async def test_a_job_is_rescheduled_from_now_on_and_a_paused_one_stays_paused(
        self, jobs: ScheduledQueue, runs: Runs, clock: Clock
    ) -> None:
        async with jobs:
            job_id = await jobs.add_cron_job("run", FAR)
            start = clock.now()
            assert await jobs.reschedule_job(job_id, IntervalTrigger(seconds=1, start_date=start))
            await self.eventually(clock, lambda: bool(runs.tasks))
            assert await jobs.modify_job(job_id, next_run_time=None)
            assert await jobs.reschedule_job(job_id, IntervalTrigger(seconds=1))
            job = await jobs.get_job(job_id)
            assert job is not None
            assert job.paused
            over = IntervalTrigger(seconds=1, start_date=start, end_date=start)
            with pytest.raises(ValueError, match="never fires"):
                await jobs.reschedule_job(job_id, over)
            assert not await jobs.reschedule_job(uuid4(), IntervalTrigger(seconds=1))

    @needs(QueueCapability.CRON)
    async def test_a_date_that_is_moved_is_one_run_still(
        self, jobs: ScheduledQueue, runs: Runs, clock: Clock
    ) -> None:
        async with jobs:
            at = clock.now() + EVERY
            job_id = await jobs.add_job(new_task("run"), DateTrigger(at + EVERY))
            assert await jobs.modify_job(job_id, next_run_time=at)
            job = await jobs.get_job(job_id)
            assert job is not None
            assert job.next_run_times(2) == [at]
            await self.eventually(clock, lambda: bool(runs.tasks))
            assert await jobs.get_job(job_id) is None
        assert runs.moments == [at]

    @needs(QueueCapability.CRON)
    async def test_changes_made_at_once_are_both_kept(self, jobs: ScheduledQueue) -> None:
        async with jobs:
            job_id = await jobs.add_cron_job("run", FAR)
            async with anyio.create_task_group() as group:
                for number in range(5):
                    change = {"payload": {"n": number}} if number else {"name": "renamed"}
                    group.start_soon(lambda c=change: jobs.modify_job(job_id, **c))  # type: ignore[misc]
            job = await jobs.get_job(job_id)
        assert job is not None
        assert (job.name, job.task.payload["n"] in range(1, 5)) == ("renamed", True)

    @needs(QueueCapability.CRON)
    async def test_a_change_that_is_none_is_refused_by_name(self, jobs: ScheduledQueue) -> None:
        async with jobs:
            job_id = await jobs.add_cron_job("run", FAR)
            with pytest.raises(TypeError, match="did you mean payload"):
                await jobs.modify_job(job_id, paylod={})
            with pytest.raises(TypeError, match="no change"):
                await jobs.modify_job(job_id)
            with pytest.raises(ValueError, match="priority"):
                await jobs.modify_job(job_id, priority=3)
            assert not await jobs.modify_job(uuid4(), name="nobody's")

    @needs(QueueCapability.CRON)
    async def test_a_run_now_is_beside_the_schedule(
        self, jobs: ScheduledQueue, runs: Runs, clock: Clock
    ) -> None:
        async with jobs:
            job_id = await jobs.add_cron_job("run", FAR)
            planned = await self.next_run(jobs, job_id)
            assert await jobs.run_job_now(job_id)
            await self.eventually(clock, lambda: bool(runs.tasks))
            assert await jobs.pause_job(job_id)
            assert await jobs.run_job_now(job_id)
            await self.eventually(clock, lambda: len(runs.tasks) == 2)
            assert not await jobs.run_job_now(uuid4())
        assert {task.job_id for task in runs.tasks} == {job_id}
        assert planned not in runs.moments

    # --- tasks that run once ---------------------------------------------------------------

    @needs(QueueCapability.CRON)
    async def test_a_task_that_waits_can_be_changed_and_hurried(
        self, jobs: ScheduledQueue, runs: Runs, clock: Clock
    ) -> None:
        async with jobs:
            task_id = await jobs.enqueue(new_task("run", delay=60))
            assert await jobs.modify_job(task_id, payload={"n": 3}, queue_name="other", priority=20)
            at = clock.now() + timedelta(hours=2)
            assert await jobs.reschedule_job(task_id, DateTrigger(at))
            assert await self.next_run(jobs, UUID(task_id)) == at
            assert await jobs.modify_job(task_id, next_run_time=None)
            job = await jobs.get_job(task_id)
            assert job is not None
            assert job.paused
            assert await jobs.modify_job(task_id, next_run_time=at)
            assert await self.next_run(jobs, UUID(task_id)) == at
            assert await jobs.pause_job(task_id)
            assert await jobs.run_job_now(task_id)
            await jobs.wait(task_id, timeout=LIMIT_S)
            assert not await jobs.run_job_now(task_id)
        (task,) = runs.tasks
        assert (task.payload, task.queue_name, task.priority) == ({"n": 3}, "other", 20)

    @needs(QueueCapability.CRON)
    async def test_what_a_task_has_not_is_refused_by_name(self, jobs: ScheduledQueue) -> None:
        async with jobs:
            task_id = await jobs.enqueue(new_task("run", delay=60))
            with pytest.raises(ValueError, match="max_instances"):
                await jobs.modify_job(task_id, max_instances=2)
            with pytest.raises(ValueError, match="a date only"):
                await jobs.reschedule_job(task_id, IntervalTrigger(seconds=1))
