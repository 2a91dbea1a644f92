"""Between schedules as the store keeps them, and what runs: pure functions.

A schedule is a template (a task without id and times), a trigger, and when it fires next. Each
occurrence is a task of its own, whose id follows from the schedule's and the moment: whoever fires
it, fires the same task.
"""

from datetime import UTC, datetime
from typing import Final
from uuid import UUID, uuid5

from ..stores import ScheduleRow, TaskData, TaskRow, encode_task

# What a template says nothing of: each run has its own.
_OF_A_RUN: Final = {"task_id", "created_at", "scheduled_at", "delay", "retry_count", "job_id"}


def encode_template(task: TaskData) -> bytes:
    """As a schedule keeps it.

    Raises TypeError for what is no task, and ValueError where it says when it runs, which is its
    trigger's business, or could not be enqueued.
    """
    if not isinstance(task, TaskData):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"task must be a TaskData, not {task!r}")
    for field in ("delay", "scheduled_at", "retry_count"):
        if getattr(task, field):
            raise ValueError(f"{field}: a schedule's task has none; its trigger says when it runs")
    encode_task(task)
    return task.model_dump_json(exclude=_OF_A_RUN).encode()


def template_of(row: ScheduleRow) -> TaskData:
    """Raises ValueError where it is not understood here. Its id is the schedule's."""
    task = TaskData.model_validate_json(row.task)
    return task.model_copy(update={"task_id": row.job_id, "created_at": row.created_at})


def occurrence_id(job_id: UUID, moment: datetime) -> UUID:
    """The id of the task that a schedule's occurrence is, whoever fires it."""
    return uuid5(job_id, moment.astimezone(UTC).isoformat(timespec="microseconds"))


def run_of(
    task: TaskData,
    *,
    job_id: UUID,
    task_id: UUID,
    moment: datetime,
    now: datetime,
    delay_s: float = 0.0,
    trace: str | None = None,
) -> TaskRow:
    """The task of one run: of its occurrence at `moment`, made `now`, held up for `delay_s`."""
    run = task.model_copy(
        update={
            "task_id": task_id,
            "job_id": job_id,
            "scheduled_at": moment,
            "created_at": now,
            "delay": delay_s,
        }
    )
    return encode_task(run, trace)
