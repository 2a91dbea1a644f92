"""The queue suite, in part: how schedules fire, for adapters with `QueueCapability.CRON`."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import anyio
import pytest
from apscheduler.triggers.date import DateTrigger  # type: ignore[import-untyped]

from oncue.actors.job_events import (
    EVENT_JOB_ADDED,
    EVENT_JOB_EXECUTED,
    EVENT_JOB_MAX_INSTANCES,
    EVENT_JOB_MISSED,
    EVENT_JOB_MODIFIED,
    EVENT_JOB_REMOVED,
    JobExecutionEvent,
    SchedulerEvent,
)
from oncue.adapters.base import QueueBase
from oncue.adapters.metadata import QueueCapability
from oncue.adapters.scheduled import ScheduledQueue
from oncue.runtime import Clock
from oncue.stores import TaskData

from ._queue_suite_base import LIMIT_S, Gate, QueueSuiteBase, needs, new_task

EVERY_S = 0.2
EVERY = timedelta(seconds=EVERY_S)
FAR = "0 0 29 2 *"


class Runs:
    """A handler that notes its tasks."""

    def __init__(self) -> None:
        self.tasks: list[TaskData] = []

    async def __call__(self, task: TaskData) -> None:
        self.tasks.append(task)

    @property
    def moments(self) -> list[datetime]:
        return [task.scheduled_at for task in self.tasks if task.scheduled_at is not None]


class ScheduledSuiteBase(QueueSuiteBase):
    """A queue with schedules is a `ScheduledQueue`."""

    @pytest.fixture
    def runs(self) -> Runs:
        return Runs()

    @pytest.fixture
    def jobs(self, queue: QueueBase, runs: Runs) -> ScheduledQueue:
        """Not running yet, with a handler for `run` that notes its tasks."""
        assert isinstance(queue, ScheduledQueue)
        queue.register_handler("run", runs)
        return queue

    async def next_run(self, jobs: ScheduledQueue, job_id: UUID) -> datetime:
        job = await jobs.get_job(job_id)
        assert job is not None
        assert job.next_run_time is not None
        return job.next_run_time


class FiringTests(ScheduledSuiteBase):
    """What runs when, what is skipped, and what is missed."""

    @needs(QueueCapability.CRON)
    async def test_an_interval_runs_first_one_interval_later_and_each_run_says_what_it_is_for(
        self, jobs: ScheduledQueue, runs: Runs, clock: Clock
    ) -> None:
        async with jobs:
            job_id = await jobs.add_interval_job("run", seconds=EVERY_S, payload={"n": 1})
            first = await self.next_run(jobs, job_id)
            await self.eventually(clock, lambda: len(runs.tasks) >= 3)
            assert await jobs.cancel_task(job_id)
        job = runs.tasks[0]
        assert (job.job_id, job.payload, job.task_id != job_id) == (job_id, {"n": 1}, True)
        assert runs.moments[:3] == [first, first + EVERY, first + 2 * EVERY]
        assert first - EVERY <= clock.now()

    @needs(QueueCapability.CRON)
    async def test_a_date_runs_once_and_the_job_is_gone(
        self, jobs: ScheduledQueue, runs: Runs, clock: Clock
    ) -> None:
        async with jobs:
            at = clock.now() + EVERY
            job_id = await jobs.add_job(new_task("run"), DateTrigger(at))
            await self.eventually(clock, lambda: bool(runs.tasks))
            assert await jobs.get_job(job_id) is None
            assert not await jobs.cancel_task(job_id)
        assert runs.moments == [at]

    @needs(QueueCapability.CRON)
    async def test_a_schedule_fires_whether_or_not_its_type_is_handled(
        self, jobs: ScheduledQueue, clock: Clock
    ) -> None:
        """D3.2."""
        async with jobs:
            job_id = await jobs.add_interval_job("nobody's", seconds=EVERY_S)
            with anyio.fail_after(LIMIT_S):
                while not (tasks := await jobs.get_tasks()):
                    await self.pass_time(clock, 0.05)
        assert [task.task.job_id for task in tasks] == [job_id]

    @needs(QueueCapability.CRON)
    async def test_a_run_is_skipped_while_so_many_are_live_and_the_job_goes_on(
        self, jobs: ScheduledQueue, clock: Clock
    ) -> None:
        gate = Gate()
        jobs.register_handler("gate", gate)
        events = jobs.events(EVENT_JOB_MAX_INSTANCES)
        async with jobs:
            job_id = await jobs.add_interval_job("gate", seconds=EVERY_S)
            await gate.wait_for(gate.begun)
            await self.eventually(clock, lambda: jobs.metrics["skipped_runs"] >= 2)
            assert len(gate.begun) == 1
            gate.open()
            await gate.wait_for(gate.begun, 2)
            await jobs.cancel_task(job_id)
        told: list[Any] = [event async for event in events]
        assert {event.job_id for event in told} == {str(job_id)}
        assert len({moment for event in told for moment in event.scheduled_run_times}) >= 2

    @needs(QueueCapability.CRON)
    async def test_more_runs_at_once_where_that_is_asked_for(
        self, jobs: ScheduledQueue, clock: Clock
    ) -> None:
        gate = Gate()
        jobs.register_handler("gate", gate)
        async with jobs:
            await jobs.add_interval_job("gate", seconds=EVERY_S, max_instances=3)
            await gate.wait_for(gate.begun, 3)
            await self.eventually(clock, lambda: jobs.metrics["skipped_runs"] >= 1)
            assert len(gate.begun) == 3
            gate.open()

    @needs(QueueCapability.CRON)
    async def test_after_an_outage_the_last_run_is_made_up_for(
        self, jobs: ScheduledQueue, runs: Runs, clock: Clock
    ) -> None:
        async with jobs:
            job_id = await jobs.add_interval_job("run", seconds=EVERY_S)
            first = await self.next_run(jobs, job_id)
        before = len(runs.moments)
        await self.pass_time(clock, 5 * EVERY_S)
        async with jobs:
            await self.eventually(clock, lambda: len(runs.moments) >= before + 2)
        gap = runs.moments[before] - (runs.moments[before - 1] if before else first)
        assert gap >= 3 * EVERY
        assert (runs.moments[before] - first) % EVERY == timedelta(0)

    @needs(QueueCapability.CRON)
    async def test_what_is_later_than_its_grace_is_missed_and_told(
        self, jobs: ScheduledQueue, runs: Runs, clock: Clock
    ) -> None:
        """D3.6."""
        missed = jobs.events(EVENT_JOB_MISSED)
        async with jobs:
            await jobs.add_interval_job(
                "run", seconds=EVERY_S, coalesce=False, misfire_grace_time=2.5 * EVERY_S
            )
        await self.pass_time(clock, 8 * EVERY_S)
        async with jobs:
            await self.eventually(clock, lambda: len(runs.moments) >= 3)
            late = jobs.metrics["missed_runs"]
        told = [event async for event in missed]
        assert len(told) == late >= 4
        lost = [each.scheduled_run_time for each in told if isinstance(each, JobExecutionEvent)]
        assert not set(lost) & set(runs.moments)
        times = sorted([*lost, *runs.moments])
        assert times == [times[0] + n * EVERY for n in range(len(times))]

    @needs(QueueCapability.CRON)
    async def test_listeners_are_told_by_the_jobs_id(
        self, jobs: ScheduledQueue, clock: Clock
    ) -> None:
        told: list[SchedulerEvent] = []

        async def listen(event: SchedulerEvent) -> None:
            told.append(event)

        wanted = EVENT_JOB_ADDED | EVENT_JOB_MODIFIED | EVENT_JOB_EXECUTED | EVENT_JOB_REMOVED
        jobs.add_listener(listen, wanted)
        async with jobs:
            job_id = await jobs.add_interval_job("run", hours=1)
            await jobs.modify_job(job_id, next_run_time=clock.now())
            await self.eventually(clock, lambda: len(told) >= 3)
            await jobs.cancel_task(job_id)
            await self.eventually(clock, lambda: len(told) >= 4)
        assert {getattr(event, "job_id", None) for event in told} == {str(job_id)}
        codes = [event.code for event in told]
        assert codes == [
            EVENT_JOB_ADDED,
            EVENT_JOB_MODIFIED,
            EVENT_JOB_EXECUTED,
            EVENT_JOB_REMOVED,
        ]
