"""A job as people look at it: a task that is not over, with what decides when it runs."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from ..stores import TaskData, TaskStatus, TaskView, decode_task

WAITS = frozenset({TaskStatus.PENDING, TaskStatus.RETRYING})


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One live task. `trigger` is None: it runs once, at `next_run_time`.

    `next_run_time` is aware UTC: when it is or was due; None while it runs or is paused.
    """

    id: UUID
    name: str
    task: TaskData
    trigger: None
    next_run_time: datetime | None
    paused: bool


def job_of(view: TaskView) -> Job | None:
    """The job that `view` shows; None when it has ended."""
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
