"""A job as people look at it: a schedule, or a task that is not over, and when it runs."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from uuid import UUID

from ..stores import ScheduleView, TaskData, TaskStatus, TaskView, decode_task
from .schedules import template_of
from .triggers import Trigger, decode

WAITS = frozenset({TaskStatus.PENDING, TaskStatus.RETRYING})


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A schedule, or one live task.

    Of a schedule, `task` is the template of its runs (its id is the schedule's), and `trigger` and
    the limits are its own; seconds. Of a task, `trigger` is None and the limits say nothing: it
    runs once. `next_run_time` is aware UTC; None while it runs or is paused. `problem` says why a
    schedule cannot be fired by this version of OnCue; then `trigger` is None too.
    """

    id: UUID
    name: str
    task: TaskData
    trigger: Trigger | None
    next_run_time: datetime | None
    paused: bool
    misfire_grace_time: float | None = None
    coalesce: bool | None = None
    max_instances: int | None = None
    problem: str | None = None

    def next_run_times(self, count: int) -> list[datetime]:
        """The next `count` times, aware UTC, or fewer where it ends before; none while paused."""
        return list(islice(self._times(), count))

    def _times(self) -> Iterator[datetime]:
        moment = self.next_run_time
        while moment is not None:
            yield moment
            moment = None if self.trigger is None else self.trigger.after(moment)


def job_of(view: TaskView) -> Job | None:
    """The job that a task is; None when it has ended."""
    if view.row is None or view.run_at is None or view.status is TaskStatus.DEAD_LETTER:
        return None
    return Job(
        id=view.task_id,
        name=view.row.task_type,
        task=decode_task(view.row, view.retry_count),
        trigger=None,
        next_run_time=view.run_at if view.status in WAITS else None,
        paused=view.status is TaskStatus.PAUSED,
    )


def job_of_schedule(view: ScheduleView) -> Job | None:
    """The job that a schedule is; None where not even its template is understood here."""
    row = view.row
    trigger: Trigger | None = None
    problem: str | None = None
    try:
        task = template_of(row)
    except ValueError:
        return None
    try:
        trigger = decode(row.trigger)
    except ValueError as error:
        problem = str(error)
    return Job(
        id=row.job_id,
        name=row.name,
        task=task,
        trigger=trigger,
        next_run_time=row.next_run_at,
        paused=row.next_run_at is None,
        misfire_grace_time=row.misfire_grace_s,
        coalesce=row.coalesce,
        max_instances=row.instances_max,
        problem=problem,
    )
