"""Jobs of a queue with schedules: changing them, and looking at them.

Rules:
- A job is a schedule, or a task that is not over; whoever has an id need not know which.
- A schedule is changed by compare-and-set: read, changed, and written only if nobody else has
  changed it since; otherwise read again. So no change is lost, whoever else makes one.
- Run times are reckoned from the store's time.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from oncue.actors import Job
from oncue.actors.errors import JobContested
from oncue.actors.job_events import EVENT_JOB_MODIFIED, EVENT_JOB_REMOVED, task_event
from oncue.actors.jobs import job_of_schedule
from oncue.actors.messages import Edit, hint
from oncue.actors.misfire import first_run
from oncue.actors.planning import (
    ChangeSchedules,
    DueSchedules,
    FindSchedules,
    FireSchedules,
    LookAtSchedules,
)
from oncue.actors.schedules import run_of, template_of
from oncue.actors.tracing import trace_for_new_task
from oncue.actors.triggers import decode
from oncue.adapters.arguments import LIMIT_MAX, as_limit, as_queue_name_or_all, as_uuid
from oncue.adapters.revision import Revision
from oncue.adapters.store_queue import StoreQueue
from oncue.stores import (
    Fire,
    Overtaken,
    RemoveSchedule,
    ReplaceSchedule,
    ResumeTask,
    ReviseTask,
    ScheduleChange,
    ScheduleRow,
    ScheduleView,
    UniqueTaken,
)

TRIES_MAX: Final = 20
"""How often a change is tried whose job others keep changing."""
PAGE: Final = 1000
_PAST: Final = datetime(1971, 1, 1, tzinfo=UTC)


class JobsQueue(StoreQueue):
    """A queue whose jobs are schedules, too."""

    @property
    def scheduler_running(self) -> bool:
        """Whether schedules are fired here. A queue with `queues=[]` fires none."""
        if not self._entrance.is_open:
            return False
        scheduler = self._inside.scheduler
        return scheduler is not None and scheduler.is_up

    # -- changing -----------------------------------------------------------------------

    async def modify_job(self, task_id: UUID | str, **changes: Any) -> bool:
        """Change a schedule, or a task that waits; False when there is none.

        `changes`: `trigger` (the next run time follows from it), `payload`, `queue_name`,
        `priority`, `next_run_time` (None pauses it) and, of a schedule only, `name`,
        `max_instances`, `coalesce`, `misfire_grace_time`. Runs that are enqueued already are
        tasks of their own and stay what they are. False as well where a live task of a task's new
        queue has its `unique_key`. Raises TypeError and ValueError that name what is wrong with a
        change, and `JobContested`.
        """
        job_id = as_uuid(task_id)
        revision = Revision(changes, await self._store_now())
        if await self._rework(job_id, revision.of_schedule):
            return True
        if await super().get_job(job_id) is None:
            return False
        edited = await self._ask(Edit(changes=revision.of_task(job_id)))
        if edited[0].count:
            self._wake(edited[0].queue_name)
            self._publish_change(EVENT_JOB_MODIFIED, job_id, edited[0])
        return edited[0].count > 0

    async def reschedule_job(self, task_id: UUID | str, trigger: object) -> bool:
        """Give a job another trigger, a task that waits another date; False when there is none.

        The next run time follows from it; a paused job stays paused.
        """
        return await self.modify_job(task_id, trigger=trigger)

    async def pause_job(self, task_id: UUID | str) -> bool:
        """Plan no more runs of a schedule, or hold a waiting task back; False when there is none.

        False as well where it is paused already. What was enqueued runs.
        """
        job_id = as_uuid(task_id)
        paused = await self._rework(
            job_id, lambda row: replace(row, next_run_at=None) if row.next_run_at else None
        )
        return paused or await super().pause_job(job_id)

    async def resume_job(self, task_id: UUID | str) -> bool:
        """Go on with a paused job, from the store's present; False when there is none paused.

        Times that passed meanwhile are not made up for, but for a single date, whose grace decides.
        A schedule whose trigger has come to its end is removed.
        """
        job_id = as_uuid(task_id)
        now = await self._store_now()
        for _ in range(TRIES_MAX):
            view = await self._schedule(job_id)
            if view is None or view.row.next_run_at is not None:
                return await super().resume_job(job_id)
            next_run_at = first_run(decode(view.row.trigger), now=now)
            if next_run_at is None:
                is_done = await self._end(view)
            else:
                is_done = await self._replace(view, replace(view.row, next_run_at=next_run_at))
            if is_done:
                return True
        raise JobContested(job_id, TRIES_MAX)

    async def run_job_now(self, task_id: UUID | str) -> bool:
        """Enqueue a run of a schedule, or let a waiting task be due; False when there is none.

        It is beside the schedule: the next run time stays, `max_instances` is not asked, and a
        paused one stays paused. (A paused task is resumed.) A run that its `unique_key` forbids is
        False.
        """
        job_id = as_uuid(task_id)
        view = await self._schedule(job_id)
        if view is None:
            hurried = ReviseTask(task_id=job_id, run_at=_PAST)
            edited, _ = await self._ask(Edit(changes=[hurried, ResumeTask(task_id=job_id)]))
            self._wake(edited.queue_name)
            self._publish_change(EVENT_JOB_MODIFIED, job_id, edited)
            return edited.count > 0
        now = await self._store_now()
        row = run_of(
            template_of(view.row),
            job_id=job_id,
            task_id=self._entropy.uuid(),
            moment=now,
            now=now,
            trace=trace_for_new_task(),
        )
        (outcome,) = await self._add(row.queue_name, [row])
        return not isinstance(outcome, UniqueTaken)

    async def cancel_task(self, task_id: UUID | str) -> bool:
        """Remove a schedule, or end a live task; False when there is neither.

        Runs of the schedule that are enqueued already stay. A waiting task never runs, a running
        one is cancelled; what a cancelled handler still does is not recorded.
        """
        job_id = as_uuid(task_id)
        return await self._remove(job_id) or await super().cancel_task(job_id)

    # -- looking ------------------------------------------------------------------------

    async def get_job(self, task_id: UUID | str) -> Job | None:
        """A schedule, or a task that is not over; None once it is cancelled or has ended."""
        job_id = as_uuid(task_id)
        view = await self._schedule(job_id)
        return await super().get_job(job_id) if view is None else job_of_schedule(view)

    async def get_jobs(self, queue_name: str | None = None, limit: int | None = None) -> list[Job]:
        """Schedules, then the tasks that are not over, of one queue or of all, as added.

        All of them, or the first `limit`. A schedule of which nothing is understood here is left
        out; the health check tells of it.
        """
        wanted = as_queue_name_or_all(queue_name)
        count = LIMIT_MAX if limit is None else as_limit(limit)
        jobs = await self.get_schedules(wanted, count)
        return jobs + await self.get_tasks(wanted, count - len(jobs))

    async def get_schedules(
        self, queue_name: str | None = None, limit: int | None = None
    ) -> list[Job]:
        """The schedules alone, of one queue or of all, as added."""
        wanted = as_queue_name_or_all(queue_name)
        count = LIMIT_MAX if limit is None else as_limit(limit)
        jobs: list[Job] = []
        after = 0
        while len(jobs) < count:
            views = await self._ask(FindSchedules(limit=PAGE, after=after))
            for view in views:
                job = job_of_schedule(view) if wanted in (None, view.row.queue_name) else None
                if job is not None:
                    jobs.append(job)
            if len(views) < PAGE:
                break
            after = views[-1].number
        return jobs[:count]

    # -- the store ----------------------------------------------------------------------

    async def _store_now(self) -> datetime:
        return (await self._ask(DueSchedules(limit=0))).now

    async def _schedule(self, job_id: UUID) -> ScheduleView | None:
        views = await self._ask(FindSchedules(job_ids=[job_id]))
        return views[0] if views else None

    async def _change(self, change: ScheduleChange) -> bool:
        (applied,) = await self._ask(ChangeSchedules(changes=[change]))
        return applied

    async def _rework(
        self, job_id: UUID, rework: Callable[[ScheduleRow], ScheduleRow | None]
    ) -> bool:
        """Change a schedule to what `rework` makes of it; False without one, or when it is None.

        Raises what `rework` raises, and `JobContested`.
        """
        for _ in range(TRIES_MAX):
            view = await self._schedule(job_id)
            row = None if view is None else rework(view.row)
            if view is None or row is None:
                return False
            if await self._replace(view, row):
                return True
        raise JobContested(job_id, TRIES_MAX)

    async def _replace(self, view: ScheduleView, row: ScheduleRow) -> bool:
        """Put `row` there, if nobody has changed the schedule since."""
        if not await self._change(ReplaceSchedule(row=row, version=view.version)):
            return False
        self._publish_schedule(EVENT_JOB_MODIFIED, row)
        return True

    async def _end(self, view: ScheduleView) -> bool:
        """The same, to have it gone, as when it has fired for the last time."""
        last = Fire(job_id=view.row.job_id, version=view.version, next_run_at=None, rows=())
        (outcome,) = await self._ask(FireSchedules(fires=[last]))
        if isinstance(outcome, Overtaken):
            return False
        self._publish_schedule(EVENT_JOB_REMOVED, view.row)
        return True

    async def _remove(self, job_id: UUID) -> bool:
        view = await self._schedule(job_id)  # None as well where it cannot be read
        if not await self._change(RemoveSchedule(job_id=job_id)):
            return False
        if view is not None:
            self._publish_schedule(EVENT_JOB_REMOVED, view.row)
        return True

    def _publish_schedule(self, code: int, row: ScheduleRow) -> None:
        """Tell those who listen, and the scheduler: it may be due sooner than that knows."""
        self._publish(code, lambda: task_event(code, row.job_id, row.queue_name))
        if self._inside.scheduler is not None:
            hint(self._inside.scheduler, LookAtSchedules())
