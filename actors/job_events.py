"""APScheduler's event classes and masks, typed, and made from what happens to a task.

`job_id` is the task's id as a string, `jobstore` its queue; times are aware UTC.
"""

from collections.abc import Sequence
from typing import Any, Final, Protocol
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
EVENT_ALL: Final[int] = _events.EVENT_ALL


class JobEvent(Protocol):
    """What all of APScheduler's events have: their code, one of the masks above."""

    @property
    def code(self) -> int: ...


def queue_event(code: int, queue_name: str | None = None) -> JobEvent:
    """A SchedulerEvent: started, shut down; or paused and resumed, of one queue."""
    event: JobEvent = _events.SchedulerEvent(code, queue_name)
    return event


def task_event(code: int, task_id: UUID, queue_name: str) -> JobEvent:
    """A JobEvent: added, removed, modified."""
    event: JobEvent = _events.JobEvent(code, str(task_id), queue_name)
    return event


def submitted(attempt: Attempt) -> JobEvent:
    """A JobSubmissionEvent: a worker is handed the task."""
    task = attempt.claimed
    event: JobEvent = _events.JobSubmissionEvent(
        EVENT_JOB_SUBMITTED, str(task.row.task_id), task.row.queue_name, [task.run_at]
    )
    return event


def executed(attempt: Attempt) -> JobEvent:
    """A JobExecutionEvent for an attempt that was recorded: executed, or error."""
    task, settlement = attempt.claimed, attempt.settlement
    head: Sequence[Any] = (str(task.row.task_id), task.row.queue_name, task.run_at)
    event: JobEvent
    if isinstance(settlement, Done):
        event = _events.JobExecutionEvent(
            EVENT_JOB_EXECUTED, *head, retval=from_json(settlement.result)
        )
    else:
        event = _events.JobExecutionEvent(EVENT_JOB_ERROR, *head, exception=attempt.error)
    return event
