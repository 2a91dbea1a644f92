"""APScheduler's event classes and masks, typed, and made from what happens to a task.

`job_id`, a string, is the id of the schedule whose run it is, or else the task's; `jobstore` is the
queue; times are aware UTC.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from apscheduler import events as _events  # type: ignore[import-untyped]
from pydantic_core import from_json

from ..stores import Done
from .attempt import Attempt

EVENT_SCHEDULER_STARTED: Final[int] = _events.EVENT_SCHEDULER_STARTED
EVENT_SCHEDULER_SHUTDOWN: Final[int] = _events.EVENT_SCHEDULER_SHUTDOWN
EVENT_SCHEDULER_PAUSED: Final[int] = _events.EVENT_SCHEDULER_PAUSED
EVENT_SCHEDULER_RESUMED: Final[int] = _events.EVENT_SCHEDULER_RESUMED
EVENT_JOB_ADDED: Final[int] = _events.EVENT_JOB_ADDED
EVENT_JOB_REMOVED: Final[int] = _events.EVENT_JOB_REMOVED
EVENT_JOB_MODIFIED: Final[int] = _events.EVENT_JOB_MODIFIED
EVENT_JOB_SUBMITTED: Final[int] = _events.EVENT_JOB_SUBMITTED
EVENT_JOB_EXECUTED: Final[int] = _events.EVENT_JOB_EXECUTED
EVENT_JOB_ERROR: Final[int] = _events.EVENT_JOB_ERROR
EVENT_JOB_MISSED: Final[int] = _events.EVENT_JOB_MISSED
EVENT_JOB_MAX_INSTANCES: Final[int] = _events.EVENT_JOB_MAX_INSTANCES
EVENT_ALL: Final[int] = _events.EVENT_ALL

if TYPE_CHECKING:  # APScheduler's classes, which say nothing to a type checker

    class SchedulerEvent:
        code: int
        alias: str | None

        def __init__(self, code: int, alias: str | None = None) -> None: ...

    class JobEvent(SchedulerEvent):
        job_id: str
        jobstore: str

        def __init__(self, code: int, job_id: str, jobstore: str) -> None: ...

    class JobSubmissionEvent(JobEvent):
        scheduled_run_times: Sequence[datetime]

        def __init__(
            self, code: int, job_id: str, jobstore: str, scheduled_run_times: Sequence[datetime]
        ) -> None: ...

    class JobExecutionEvent(JobEvent):
        scheduled_run_time: datetime
        retval: Any
        exception: Exception | None
        traceback: str | None

        def __init__(
            self,
            code: int,
            job_id: str,
            jobstore: str,
            scheduled_run_time: datetime,
            retval: Any = None,
            exception: Exception | None = None,
            traceback: str | None = None,
        ) -> None: ...

else:
    from apscheduler.events import (
        JobEvent,
        JobExecutionEvent,
        JobSubmissionEvent,
        SchedulerEvent,
    )


def queue_event(code: int, queue_name: str | None = None) -> SchedulerEvent:
    """Started, shut down; or paused and resumed, of one queue."""
    return SchedulerEvent(code, queue_name)


def task_event(code: int, task_id: UUID, queue_name: str) -> JobEvent:
    """Added, removed, modified."""
    return JobEvent(code, str(task_id), queue_name)


def missed(job_id: UUID, queue_name: str, moment: datetime) -> JobExecutionEvent:
    """The schedule's run at `moment` was found too late for its grace."""
    return JobExecutionEvent(EVENT_JOB_MISSED, str(job_id), queue_name, moment)


def skipped(job_id: UUID, queue_name: str, moments: Sequence[datetime]) -> JobSubmissionEvent:
    """As many of the schedule's tasks are live as may be, so these runs were not enqueued."""
    return JobSubmissionEvent(EVENT_JOB_MAX_INSTANCES, str(job_id), queue_name, moments)


def submitted(attempt: Attempt) -> JobSubmissionEvent:
    """A worker is handed the task."""
    job_id, queue_name, moment = _head(attempt)
    return JobSubmissionEvent(EVENT_JOB_SUBMITTED, job_id, queue_name, [moment])


def executed(attempt: Attempt) -> JobExecutionEvent:
    """For an attempt that was recorded: executed, or error."""
    settlement, head = attempt.settlement, _head(attempt)
    if isinstance(settlement, Done):
        return JobExecutionEvent(EVENT_JOB_EXECUTED, *head, retval=from_json(settlement.result))
    return JobExecutionEvent(EVENT_JOB_ERROR, *head, exception=attempt.error)


def _head(attempt: Attempt) -> tuple[str, str, datetime]:
    """Whose run it is, where, and when it was to be."""
    row, run_at = attempt.claimed.row, attempt.claimed.run_at
    if row.job_id is None:
        return str(row.task_id), row.queue_name, run_at
    return str(row.job_id), row.queue_name, row.scheduled_at or run_at
