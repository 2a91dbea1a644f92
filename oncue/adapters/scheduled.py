"""Schedules on a queue: adding, changing and looking at jobs.

Rules:
- A job is a schedule, or a task that is not over; whoever has an id need not know which.
- A schedule is changed by compare-and-set: read, changed, and written only if nobody else has
  changed it since; otherwise read again. So no change is lost, whoever else makes one.
- First runs are reckoned from the store's time, as all are.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from apscheduler.triggers.base import BaseTrigger  # type: ignore[import-untyped]

from oncue.actors import Job
from oncue.actors.errors import DuplicateJob, JobContested
from oncue.actors.job_events import (
    EVENT_JOB_ADDED,
    EVENT_JOB_MODIFIED,
    EVENT_JOB_REMOVED,
    task_event,
)
from oncue.actors.jobs import job_of_schedule
from oncue.actors.messages import (
    Add,
    ChangeSchedules,
    DueSchedules,
    Edit,
    FindSchedules,
    LookAtSchedules,
    hint,
)
from oncue.actors.schedules import encode_template, first_run, run_of, template_of
from oncue.actors.tracing import trace_for_new_task
from oncue.actors.triggers import (
    DateTrigger,
    IntervalTrigger,
    Trigger,
    crontab,
    decode,
    encode,
    from_apscheduler,
    interval,
)
from oncue.actors.triggers.zones import Fold, Gap
from oncue.adapters.arguments import (
    LIMIT_MAX,
    UNSET,
    Unset,
    as_coalesce,
    as_grace_s,
    as_instances,
    as_job_name,
    as_limit,
    as_moment,
    as_queue_name_or_all,
    as_uuid,
    check_known,
)
from oncue.adapters.store_queue import Count, Interval, StoreQueue, StoreQueueSettings
from oncue.stores import (
    AddSchedule,
    PauseTask,
    RemoveSchedule,
    ReplaceSchedule,
    ReviseTask,
    ScheduleChange,
    ScheduleRow,
    ScheduleView,
    TaskData,
    TaskPriority,
    UniqueTaken,
    encode_task,
)

TRIES_MAX: Final = 20
"""How often a change is tried whose job others keep changing."""
PAGE: Final = 1000
_PAST: Final = datetime(1971, 1, 1, tzinfo=UTC)
_OF_TASKS: Final = frozenset({"trigger", "payload", "queue_name", "priority", "next_run_time"})
_OF_SCHEDULES: Final = frozenset(
    {*_OF_TASKS, "name", "max_instances", "coalesce", "misfire_grace_time"}
)

AnyTrigger = Trigger | BaseTrigger


class ScheduledQueueSettings(StoreQueueSettings):
    """What can be set of the jobs, where they do not say it themselves. Times are seconds."""

    misfire_grace_time: Interval | None = 3600.0
    """Seconds that a run may be late and still be made; None: any time."""
    coalesce: bool = True
    """Whether of several runs that were missed only the last is made."""
    max_instances: Count = 1
    """Live tasks of one job: with so many, its next run is skipped."""


class ScheduledQueue(StoreQueue):
    """A queue with schedules."""

    _jobs: ScheduledQueueSettings

    @property
    def scheduler_running(self) -> bool:
        """Whether schedules are fired here. A queue with `queues=[]` fires none."""
        if not self._entrance.is_open:
            return False
        scheduler = self._inside.scheduler
        return scheduler is not None and scheduler.is_up

    # -- adding -------------------------------------------------------------------------

    async def add_job(
        self,
        task: TaskData,
        trigger: AnyTrigger,
        *,
        name: str | None = None,
        misfire_grace_time: float | Unset | None = UNSET,
        coalesce: bool | Unset = UNSET,
        max_instances: int | Unset = UNSET,
        dst_gap: Gap | None = None,
        dst_fold: Fold | None = None,
        replace_existing: bool = False,
    ) -> UUID:
        """Have a task like `task` run whenever `trigger` says; returns the job's id, `task`'s own.

        `trigger` is one of APScheduler 3.11's, or one of OnCue's. Each run is a task of its own,
        with `job_id` and, as `scheduled_at`, the time it is for. The `dst_` policies are of
        triggers in a time zone: of a wall time that is left out (`next`: right after, `skip`) or
        comes twice (`first`, `both`).

        A job of that id: `DuplicateJob`; with `replace_existing` it becomes this one, keeps its
        next run time where the trigger is the same, and stays paused if it is. Raises ValueError
        where the trigger never fires, `task` has a time of its own, or an argument is out of
        range, and TypeError for a trigger that cannot be kept.
        """
        understood = _understood(trigger, dst_gap, dst_fold)
        now = await self._store_now()
        row = self._row(task, understood, name, misfire_grace_time, coalesce, max_instances, now)
        return await self._add_schedule(row, understood, now, replace_existing)

    async def add_cron_job(
        self,
        task_type: str,
        cron_expression: str,
        *,
        queue_name: str = "default",
        payload: dict[str, Any] | None = None,
        timezone: str = "UTC",
        priority: TaskPriority = TaskPriority.NORMAL,
        task_id: UUID | str | None = None,
        start_date: datetime | None = None,
        end_date: datetime | None = None,
        jitter: float | None = None,
        name: str | None = None,
        misfire_grace_time: float | Unset | None = UNSET,
        coalesce: bool | Unset = UNSET,
        max_instances: int | Unset = UNSET,
        dst_gap: Gap | None = None,
        dst_fold: Fold | None = None,
        replace_existing: bool = False,
        **fields: Any,
    ) -> UUID:
        """Run a task by a crontab line: five fields as cron(5) reads them, or `@daily` and its kin.

        `timezone` is an IANA name. `start_date` and `end_date` bound the runs, both included;
        without a zone they are read in `timezone`. `jitter` holds each run up by as many seconds at
        most. `fields` are more of `TaskData`'s. See `add_job` for the rest. Raises ValueError that
        quotes the expression and names what is wrong.
        """
        trigger = crontab(
            cron_expression,
            timezone=timezone,
            start_date=start_date,
            end_date=end_date,
            jitter=jitter,
            dst_gap=dst_gap,
            dst_fold=dst_fold,
        )
        return await self.add_job(
            self._template(task_type, queue_name, payload, priority, task_id, fields),
            trigger,
            name=name,
            misfire_grace_time=misfire_grace_time,
            coalesce=coalesce,
            max_instances=max_instances,
            replace_existing=replace_existing,
        )

    async def add_interval_job(
        self,
        task_type: str,
        *,
        weeks: float = 0,
        days: float = 0,
        hours: float = 0,
        minutes: float = 0,
        seconds: float = 0,
        queue_name: str = "default",
        payload: dict[str, Any] | None = None,
        priority: TaskPriority = TaskPriority.NORMAL,
        task_id: UUID | str | None = None,
        start_date: datetime | None = None,
        end_date: datetime | None = None,
        jitter: float | None = None,
        name: str | None = None,
        misfire_grace_time: float | Unset | None = UNSET,
        coalesce: bool | Unset = UNSET,
        max_instances: int | Unset = UNSET,
        replace_existing: bool = False,
        **fields: Any,
    ) -> UUID:
        """Run a task every so often, in elapsed time: a day is 24 hours, whatever the clocks do.

        The runs count from `start_date`, the first of them; without one from the store's present,
        the first one interval later. With `replace_existing` and no `start_date` a job of the same
        interval goes on in its rhythm. `fields` are more of `TaskData`'s. See `add_job`.
        """
        template = self._template(task_type, queue_name, payload, priority, task_id, fields)
        now = await self._store_now()
        trigger = interval(
            weeks=weeks,
            days=days,
            hours=hours,
            minutes=minutes,
            seconds=seconds,
            start_date=start_date,
            end_date=end_date,
            jitter=jitter,
            anchor=now,
        )
        if replace_existing and start_date is None:
            trigger = await self._in_rhythm(template.task_id, trigger)
        row = self._row(template, trigger, name, misfire_grace_time, coalesce, max_instances, now)
        return await self._add_schedule(row, trigger, now, replace_existing)

    def _template(
        self,
        task_type: str,
        queue_name: str,
        payload: dict[str, Any] | None,
        priority: TaskPriority,
        task_id: UUID | str | None,
        fields: dict[str, Any],
    ) -> TaskData:
        return TaskData(
            task_id=self._entropy.uuid() if task_id is None else as_uuid(task_id),
            task_type=task_type,
            queue_name=queue_name,
            payload={} if payload is None else payload,
            priority=priority,
            created_at=self._clock.now(),
            **fields,
        )

    def _row(
        self,
        task: TaskData,
        trigger: Trigger,
        name: str | None,
        misfire_grace_time: float | Unset | None,
        coalesce: bool | Unset,
        max_instances: int | Unset,
        now: datetime,
    ) -> ScheduleRow:
        """As it is to be stored, for the first time. Raises ValueError and TypeError."""
        common = self._jobs
        next_run_at = first_run(trigger, now)
        if next_run_at is None:
            raise ValueError(f"the trigger never fires: {trigger}")
        grace = common.misfire_grace_time if misfire_grace_time is UNSET else misfire_grace_time
        return ScheduleRow(
            job_id=task.task_id,
            name=as_job_name(task.task_type if name is None else name),
            queue_name=task.queue_name,
            task=encode_template(task),
            trigger=encode(trigger),
            next_run_at=next_run_at,
            misfire_grace_s=as_grace_s(grace),
            coalesce=as_coalesce(common.coalesce if coalesce is UNSET else coalesce),
            instances_max=as_instances(
                common.max_instances if max_instances is UNSET else max_instances
            ),
            created_at=now,
        )

    async def _in_rhythm(self, job_id: UUID, trigger: IntervalTrigger) -> IntervalTrigger:
        """`trigger` with the start of the job's present one, where only that differs."""
        view = await self._schedule(job_id)
        if view is None:
            return trigger
        try:
            present = decode(view.row.trigger)
        except ValueError:
            return trigger
        if not isinstance(present, IntervalTrigger):
            return trigger
        kept = replace(trigger, start=present.start)
        return kept if kept == present else trigger

    async def _add_schedule(
        self, row: ScheduleRow, trigger: Trigger, now: datetime, replace_existing: bool
    ) -> UUID:
        for _ in range(TRIES_MAX):
            if await self._change(AddSchedule(row=row)):
                self._publish_schedule(EVENT_JOB_ADDED, row)
                return row.job_id
            if not replace_existing:
                raise DuplicateJob(row.job_id)

            def become(present: ScheduleRow) -> ScheduleRow:
                is_same = present.trigger == row.trigger or present.next_run_at is None
                next_run_at = present.next_run_at if is_same else row.next_run_at
                return replace(row, next_run_at=next_run_at, created_at=present.created_at)

            if await self._rework(row.job_id, become):
                return row.job_id
        raise JobContested(row.job_id, TRIES_MAX)

    # -- changing -----------------------------------------------------------------------

    async def modify_job(self, task_id: UUID | str, **changes: Any) -> bool:
        """Change a schedule, or a task that waits; False when there is none.

        `changes`: `trigger` (the next run time follows from it), `payload`, `queue_name`,
        `priority`, `next_run_time` (None pauses it) and, of a schedule only, `name`,
        `max_instances`, `coalesce`, `misfire_grace_time`. Runs that are enqueued already are
        tasks of their own and stay what they are. Raises TypeError and ValueError that name what
        is wrong with a change, and `JobContested`.
        """
        job_id = as_uuid(task_id)
        check_known(changes, _OF_SCHEDULES, "change of a job")
        if not changes:
            raise TypeError("no change of the job is given")
        revision = _Revision(changes, await self._store_now())
        return await self._rework(job_id, revision.of_schedule) or await self._revise(
            job_id, revision
        )

    async def reschedule_job(self, task_id: UUID | str, trigger: AnyTrigger) -> bool:
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

        Times that passed meanwhile are not made up for. A schedule whose trigger has come to its
        end is removed.
        """
        job_id = as_uuid(task_id)
        now = await self._store_now()

        def resumed(row: ScheduleRow) -> ScheduleRow | None:
            if row.next_run_at is not None:
                return None
            return replace(row, next_run_at=first_run(decode(row.trigger), now))

        if not await self._rework(job_id, resumed):
            return await super().resume_job(job_id)
        view = await self._schedule(job_id)
        if view is not None and view.row.next_run_at is None:
            await self._remove(job_id)
        return True

    async def run_job_now(self, task_id: UUID | str) -> bool:
        """Enqueue a run of a schedule, or let a waiting task be due; False when there is none.

        It is beside the schedule: the next run time stays, `max_instances` is not asked, and a
        paused one stays paused. A run that its `unique_key` forbids is False.
        """
        job_id = as_uuid(task_id)
        view = await self._schedule(job_id)
        if view is None:
            edited = await self._edit(ReviseTask(task_id=job_id, run_at=_PAST))
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
        (outcome,) = await self._ask(Add(rows=[row]))
        self._wake(row.queue_name)
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
        return jobs + await super().get_jobs(wanted, count - len(jobs))

    async def get_schedules(
        self, queue_name: str | None = None, limit: int | None = None
    ) -> list[Job]:
        """The schedules alone, of one queue or of all, as added."""
        wanted = as_queue_name_or_all(queue_name)
        count = LIMIT_MAX if limit is None else as_limit(limit)
        jobs: list[Job] = []
        after: UUID | None = None
        while len(jobs) < count:
            request = FindSchedules(job_ids=None, limit=PAGE, after=after)
            views = await self._ask(request)
            for view in views:
                job = job_of_schedule(view) if wanted in (None, view.row.queue_name) else None
                if job is not None:
                    jobs.append(job)
            if len(views) < PAGE:
                break
            after = views[-1].row.job_id
        return jobs[:count]

    # -- the store ----------------------------------------------------------------------

    async def _store_now(self) -> datetime:
        return (await self._ask(DueSchedules(limit=0))).now

    async def _schedule(self, job_id: UUID) -> ScheduleView | None:
        views = await self._ask(FindSchedules(job_ids=[job_id], limit=1))
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
            if await self._change(ReplaceSchedule(row=row, version=view.version)):
                self._publish_schedule(EVENT_JOB_MODIFIED, row)
                return True
        raise JobContested(job_id, TRIES_MAX)

    async def _revise(self, job_id: UUID, revision: "_Revision") -> bool:
        """The same of a task that waits."""
        changes = revision.of_task(job_id)
        edited = await self._ask(Edit(changes=changes))
        if edited[0].count:
            self._wake(edited[0].queue_name)
            self._publish_change(EVENT_JOB_MODIFIED, job_id, edited[0])
        return edited[0].count > 0

    async def _remove(self, job_id: UUID) -> bool:
        view = await self._schedule(job_id)
        if view is None or not await self._change(RemoveSchedule(job_id=job_id)):
            return False
        self._publish_schedule(EVENT_JOB_REMOVED, view.row)
        return True

    def _publish_schedule(self, code: int, row: ScheduleRow) -> None:
        """Tell those who listen, and the scheduler: it may be due sooner than that knows."""
        self._publish(code, lambda: task_event(code, row.job_id, row.queue_name))
        if self._inside.scheduler is not None:
            hint(self._inside.scheduler, LookAtSchedules())


class _Revision:
    """The changes of `modify_job`, checked, as they apply to a schedule and to a task."""

    def __init__(self, changes: dict[str, Any], now: datetime) -> None:
        self._given = frozenset(changes)
        self._now = now
        self._trigger = _understood(changes["trigger"]) if "trigger" in changes else None
        self._task = {k: changes[k] for k in ("payload", "queue_name", "priority") if k in changes}
        TaskData(task_type="checked", **self._task)
        moment = changes.get("next_run_time")
        self._next_run_at = None if moment is None else as_moment("next_run_time", moment)
        self._limits: dict[str, Any] = {}
        if "name" in changes:
            self._limits["name"] = as_job_name(changes["name"])
        if "max_instances" in changes:
            self._limits["instances_max"] = as_instances(changes["max_instances"])
        if "coalesce" in changes:
            self._limits["coalesce"] = as_coalesce(changes["coalesce"])
        if "misfire_grace_time" in changes:
            self._limits["misfire_grace_s"] = as_grace_s(changes["misfire_grace_time"])

    def of_schedule(self, row: ScheduleRow) -> ScheduleRow:
        """Raises ValueError where the row's template is to be changed and not understood."""
        changed: dict[str, Any] = dict(self._limits)
        if self._task:
            task = TaskData.model_validate({**template_of(row).model_dump(), **self._task})
            changed["task"] = encode_template(task)
            changed["queue_name"] = task.queue_name
        if self._trigger is not None:
            changed["trigger"] = encode(self._trigger)
            if row.next_run_at is not None:
                changed["next_run_at"] = first_run(self._trigger, self._now)
                if changed["next_run_at"] is None:
                    raise ValueError(f"the trigger never fires: {self._trigger}")
        if "next_run_time" in self._given:
            changed["next_run_at"] = self._next_run_at
        return replace(row, **changed)

    def of_task(self, task_id: UUID) -> list[ReviseTask | PauseTask]:
        """Raises ValueError for what only a schedule has."""
        for name in sorted(self._given - _OF_TASKS):
            raise ValueError(f"{name}: job {task_id} is no schedule, and has none")
        run_at = self._next_run_at
        if self._trigger is not None:
            if not isinstance(self._trigger, DateTrigger):
                raise ValueError(
                    f"trigger: job {task_id} is a task that runs once, so it takes a date only; "
                    "add_job makes a schedule"
                )
            run_at = run_at or self._trigger.moment
        row = encode_task(TaskData(task_type="checked", **self._task))
        revise = ReviseTask(
            task_id=task_id,
            queue_name=row.queue_name if "queue_name" in self._task else None,
            payload=row.payload if "payload" in self._task else None,
            priority=row.priority if "priority" in self._task else None,
            run_at=run_at,
        )
        if "next_run_time" in self._given and self._next_run_at is None:
            return [revise, PauseTask(task_id=task_id)]
        return [revise]


def _understood(trigger: AnyTrigger, gap: Gap | None = None, fold: Fold | None = None) -> Trigger:
    if isinstance(trigger, Trigger):
        if gap is not None or fold is not None:
            raise ValueError("dst_gap and dst_fold are the trigger's own; give them when making it")
        return trigger
    return from_apscheduler(trigger, dst_gap=gap, dst_fold=fold)
