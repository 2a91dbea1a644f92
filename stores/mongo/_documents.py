"""Between records and documents. What is None is left out of a document."""

from typing import Any, Final
from uuid import UUID

from .._json import decode_json
from .._moments import duration_us, microseconds, moment_at
from ..records import ClaimedTask, Holder, ScheduleRow, ScheduleView, TaskRow, TaskView
from ..task import TaskStatus
from ..transitions import waiting_status
from ._schema import DEAD, ENDED, HELD, RUNNING, WAITING, Document

UNREADABLE: Final = (ValueError, TypeError, KeyError, OverflowError)
"""What reading a document raises that other programs have written."""

ROW_FIELDS: Final = (
    "task_type",
    "priority",
    "first_retry_count",
    "max_retries",
    "retry_delay_s",
    "delay_s",
    "timeout_s",
    "scheduled_us",
    "created_us",
    "payload",
    "size",
    "tags",
    "unique_key",
    "trace",
    "run_us",
)
"""What is dropped when a task becomes a result."""


_EMPTY: Final = b"{}"


def given(**fields: Any) -> Document:
    """Those that are not None."""
    return {name: value for name, value in fields.items() if value is not None}


def document_of(row: TaskRow, now_us: int, place: int, sender: int) -> Document:
    """A new task, due at the later of its delay and its time."""
    run_us = now_us + duration_us(row.delay_s)
    scheduled_us = None if row.scheduled_at is None else microseconds(row.scheduled_at)
    return given(
        _id=row.task_id,
        state=WAITING,
        queue_name=row.queue_name,
        task_type=row.task_type,
        priority=row.priority,
        first_retry_count=row.retry_count,
        retry_count=row.retry_count,
        max_retries=row.max_retries,
        retry_delay_s=row.retry_delay_s,
        delay_s=row.delay_s,
        timeout_s=row.timeout_s,
        scheduled_us=scheduled_us,
        created_us=microseconds(row.created_at),
        payload=row.payload,
        size=len(row.payload),
        tags=row.tags,
        unique_key=row.unique_key,
        trace=row.trace,
        job_id=row.job_id,
        run_us=run_us if scheduled_us is None else max(run_us, scheduled_us),
        place=place,
        sender=sender,
    )


def _typed(document: Document, field: str, *kinds: type) -> Any:
    value = document.get(field)
    if not isinstance(value, kinds):
        raise ValueError(f"{field} is {value!r}")
    return value


def _object(document: Document, field: str) -> bytes:
    value: bytes = _typed(document, field, bytes)
    if value != _EMPTY and not isinstance(decode_json(value), dict):
        raise ValueError(f"{field} is no JSON object")
    return value


_MAYBE: Final = type(None)


def row_of(document: Document) -> TaskRow:
    """The row of a live task or dead letter. Raises one of `UNREADABLE`."""
    scheduled_us = _typed(document, "scheduled_us", int, _MAYBE)
    return TaskRow(
        task_id=_typed(document, "_id", UUID),
        queue_name=_typed(document, "queue_name", str),
        task_type=_typed(document, "task_type", str),
        priority=_typed(document, "priority", int),
        retry_count=_typed(document, "first_retry_count", int),
        max_retries=_typed(document, "max_retries", int),
        retry_delay_s=_typed(document, "retry_delay_s", int, float),
        delay_s=_typed(document, "delay_s", int, float),
        timeout_s=_typed(document, "timeout_s", int, float, _MAYBE),
        scheduled_at=None if scheduled_us is None else moment_at(scheduled_us),
        created_at=moment_at(_typed(document, "created_us", int)),
        payload=_object(document, "payload"),
        tags=_object(document, "tags"),
        unique_key=_typed(document, "unique_key", str, _MAYBE),
        trace=_typed(document, "trace", str, _MAYBE),
        job_id=_typed(document, "job_id", UUID, _MAYBE),
    )


def claimed_of(document: Document, lease: int) -> ClaimedTask:
    """A running task. Raises one of `UNREADABLE`."""
    return ClaimedTask(
        row=row_of(document),
        lease=lease,
        retry_count=_typed(document, "retry_count", int),
        run_at=moment_at(_typed(document, "run_us", int)),
        started_at=moment_at(_typed(document, "started_us", int)),
    )


def holder_of(document: Document) -> Holder | None:
    """Who runs a task."""
    if document["state"] != RUNNING:
        return None
    return Holder(task_id=document["_id"], node=document["node"], lease=document["lease"])


_STATUSES: Final = {
    RUNNING: TaskStatus.PROCESSING,
    HELD: TaskStatus.PAUSED,
    DEAD: TaskStatus.DEAD_LETTER,
}


def _status_of(document: Document) -> TaskStatus:
    state = document["state"]
    if state == WAITING:
        return waiting_status(document["retry_count"])
    return TaskStatus(document["status"]) if state == ENDED else _STATUSES[state]


def view_of(document: Document, result_ttl_us: int, dead_ttl_us: int) -> TaskView:
    """Any task. Raises one of `UNREADABLE`."""
    state = _typed(document, "state", int)
    ended_us = document.get("ended_us") if state > HELD else None
    ttl_us = dead_ttl_us if state == DEAD else result_ttl_us
    return TaskView(
        task_id=document["_id"],
        queue_name=document["queue_name"],
        status=_status_of(document),
        retry_count=_typed(document, "retry_count", int),
        row=None if state == ENDED else row_of(document),
        holder=holder_of(document),
        run_at=None if state == ENDED else moment_at(document["run_us"]),
        started_at=_moment(document, "started_us"),
        completed_at=None if ended_us is None else moment_at(ended_us),
        expires_at=None if ended_us is None else moment_at(ended_us + ttl_us),
        execution_s=document.get("execution_s"),
        result=document.get("result"),
        error=document.get("error"),
        worker_id=document.get("worker_id"),
    )


def _moment(document: Document, field: str) -> Any:
    us = document.get(field)
    return None if us is None else moment_at(us)


# --- schedules -------------------------------------------------------------------------------


def schedule_fields(row: ScheduleRow) -> Document:
    """What a schedule's document holds of its row, None for what it shall not have."""
    return {
        "name": row.name,
        "queue_name": row.queue_name,
        "task": row.task,
        "trigger": row.trigger,
        "next_run_us": None if row.next_run_at is None else microseconds(row.next_run_at),
        "misfire_grace_s": row.misfire_grace_s,
        "coalesce": row.coalesce,
        "instances_max": row.instances_max,
        "created_us": microseconds(row.created_at),
    }


def schedule_view_of(document: Document) -> ScheduleView:
    """A schedule. Raises one of `UNREADABLE`."""
    next_run_us = _typed(document, "next_run_us", int, _MAYBE)
    return ScheduleView(
        row=ScheduleRow(
            job_id=_typed(document, "_id", UUID),
            name=_typed(document, "name", str),
            queue_name=_typed(document, "queue_name", str),
            task=_typed(document, "task", bytes),
            trigger=_typed(document, "trigger", str),
            next_run_at=None if next_run_us is None else moment_at(next_run_us),
            misfire_grace_s=_typed(document, "misfire_grace_s", int, float, _MAYBE),
            coalesce=_typed(document, "coalesce", bool),
            instances_max=_typed(document, "instances_max", int),
            created_at=moment_at(_typed(document, "created_us", int)),
        ),
        version=_typed(document, "version", int),
        goes_on=None is not document.get("goes_on_us") == next_run_us,
        number=_typed(document, "number", int),
    )
