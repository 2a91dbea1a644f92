"""A queue with schedules: how jobs are added."""

from dataclasses import replace
from datetime import datetime, tzinfo
from typing import Any, Final
from uuid import UUID

from oncue.actors.errors import DuplicateJob, JobContested
from oncue.actors.job_events import EVENT_JOB_ADDED
from oncue.actors.misfire import begin
from oncue.actors.schedules import encode_template
from oncue.actors.triggers import (
    Fold,
    Gap,
    IntervalTrigger,
    Trigger,
    crontab,
    decode,
    encode,
    interval,
)
from oncue.adapters.arguments import (
    UNSET,
    Unset,
    as_coalesce,
    as_grace_s,
    as_instances,
    as_job_name,
    as_uuid,
    check_known,
)
from oncue.adapters.jobs import TRIES_MAX, JobsQueue
from oncue.adapters.revision import understood
from oncue.adapters.store_queue import Count, Interval, StoreQueueSettings
from oncue.stores import AddSchedule, ScheduleRow, TaskData, TaskPriority

_FIELDS: Final = frozenset(
    {"max_retries", "retry_delay", "timeout", "tags", "unique_key", "delay", "scheduled_at"}
)
"""What a template can be given besides; the last two are refused with a reason."""


class ScheduledQueueSettings(StoreQueueSettings):
    """What can be set of the jobs, where they do not say it themselves. Times are seconds."""

    misfire_grace_time: Interval | None = 3600.0
    """Seconds that a run may be late and still be made; None: any time."""
    coalesce: bool = True
    """Whether of several runs that were missed only the last is made."""
    max_instances: Count = 1
    """Live tasks of one job: with so many, its next run is skipped."""


class ScheduledQueue(JobsQueue):
    """A queue with schedules."""

    _jobs: ScheduledQueueSettings

    async def add_job(
        self,
        task: TaskData,
        trigger: object,
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
        ours = understood(trigger, dst_gap, dst_fold)
        now = await self._store_now()
        row = self._row(task, ours, name, misfire_grace_time, coalesce, max_instances, now)
        return await self._add_schedule(row, replace_existing)

    async def add_cron_job(
        self,
        task_type: str,
        cron_expression: str,
        *,
        queue_name: str = "default",
        payload: dict[str, Any] | None = None,
        timezone: str | tzinfo = "UTC",
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

        def make(start: datetime | None) -> IntervalTrigger:
            return interval(
                weeks=weeks,
                days=days,
                hours=hours,
                minutes=minutes,
                seconds=seconds,
                start_date=start,
                end_date=end_date,
                jitter=jitter,
                anchor=now,
            )

        present = None
        if replace_existing and start_date is None:
            present = await self._interval_of(template.task_id)
        trigger = make(start_date if present is None else present.start)
        if present is not None and trigger.every != present.every:
            trigger = make(None)
        row = self._row(template, trigger, name, misfire_grace_time, coalesce, max_instances, now)
        return await self._add_schedule(row, replace_existing)

    def _template(
        self,
        task_type: str,
        queue_name: str,
        payload: dict[str, Any] | None,
        priority: TaskPriority,
        task_id: UUID | str | None,
        fields: dict[str, Any],
    ) -> TaskData:
        check_known(fields, _FIELDS, "argument of a job")
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
        grace = common.misfire_grace_time if misfire_grace_time is UNSET else misfire_grace_time
        return ScheduleRow(
            job_id=task.task_id,
            name=as_job_name(task.task_type if name is None else name),
            queue_name=task.queue_name,
            task=encode_template(task),
            trigger=encode(trigger),
            next_run_at=begin(trigger, now=now),
            misfire_grace_s=as_grace_s(grace),
            coalesce=as_coalesce(common.coalesce if coalesce is UNSET else coalesce),
            instances_max=as_instances(
                common.max_instances if max_instances is UNSET else max_instances
            ),
            created_at=now,
        )

    async def _interval_of(self, job_id: UUID) -> IntervalTrigger | None:
        """The trigger of a job that has an interval."""
        view = await self._schedule(job_id)
        try:
            trigger = None if view is None else decode(view.row.trigger)
        except ValueError:
            return None
        return trigger if isinstance(trigger, IntervalTrigger) else None

    async def _add_schedule(self, row: ScheduleRow, replace_existing: bool) -> UUID:
        for _ in range(TRIES_MAX):
            if await self._change(AddSchedule(row=row)):
                self._publish_schedule(EVENT_JOB_ADDED, row)
                return row.job_id
            view = await self._schedule(row.job_id)
            if view is not None and _is_same(view.row, row):
                return row.job_id  # it was added before, and the answer lost
            if view is not None and not replace_existing:
                raise DuplicateJob(row.job_id)

            def become(present: ScheduleRow) -> ScheduleRow:
                is_same = present.trigger == row.trigger or present.next_run_at is None
                next_run_at = present.next_run_at if is_same else row.next_run_at
                return replace(row, next_run_at=next_run_at, created_at=present.created_at)

            if await self._rework(row.job_id, become):
                return row.job_id
        raise JobContested(row.job_id, TRIES_MAX)


def _is_same(one: ScheduleRow, other: ScheduleRow) -> bool:
    """But for when they were added, and how far they have come."""
    return one == replace(other, created_at=one.created_at, next_run_at=one.next_run_at)
