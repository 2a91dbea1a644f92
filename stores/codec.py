"""Between `TaskData` and rows: values become bytes once on the way in, and once come back.

Rules:
- `Any` lives here and in `_json`; a store sees bytes.
- Nothing aliases: changing a payload after it was encoded, or a decoded one, changes no row.
"""

from typing import Any, Final

from ._json import JSON_BYTES_MAX, decode_json, encode_json
from .records import ClaimedTask, TaskRow, TaskView
from .result import TaskResult
from .task import PAYLOAD_BYTES_MAX, TAGS_BYTES_MAX, TaskData, TaskPriority, TaskStatus

RESULT_BYTES_MAX: Final = JSON_BYTES_MAX
ERROR_LENGTH_MAX: Final = 64 * 1024
_EMPTY: Final = b"{}"
_FIELDS: Final = frozenset(TaskData.model_fields)
# A row's priority may be any number once other programs write to the store.
_PRIORITIES: Final = {int(priority): priority for priority in TaskPriority}


def encode_task(task: TaskData, trace: str | None = None) -> TaskRow:
    """The row for a task, ready to be added.

    Raises ValueError naming `payload` or `tags` when they were changed since the task was
    made and no longer fit.
    """
    payload, tags = task.payload, task.tags
    return TaskRow(
        task_id=task.task_id,
        task_type=task.task_type,
        queue_name=task.queue_name,
        payload=encode_json(payload, "payload", PAYLOAD_BYTES_MAX) if payload else _EMPTY,
        priority=int(task.priority),
        max_retries=task.max_retries,
        retry_count=task.retry_count,
        retry_delay_s=task.retry_delay,
        delay_s=task.delay,
        scheduled_at=task.scheduled_at,
        timeout_s=task.timeout,
        created_at=task.created_at,
        tags=encode_json(tags, "tags", TAGS_BYTES_MAX) if tags else _EMPTY,
        unique_key=task.unique_key,
        trace=trace,
        job_id=task.job_id,
    )


def decode_task(row: TaskRow, retry_count: int) -> TaskData:
    """The task as its handler sees it. The row was validated when it was made, and is not again."""
    values: dict[str, Any] = {
        "task_id": row.task_id,
        "task_type": row.task_type,
        "queue_name": row.queue_name,
        "payload": decode_json(row.payload),
        "priority": _PRIORITIES.get(row.priority, row.priority),
        "max_retries": row.max_retries,
        "retry_count": retry_count,
        "retry_delay": row.retry_delay_s,
        "delay": row.delay_s,
        "scheduled_at": row.scheduled_at,
        "timeout": row.timeout_s,
        "created_at": row.created_at,
        "tags": decode_json(row.tags),
        "unique_key": row.unique_key,
        "job_id": row.job_id,
    }
    # What pydantic's own model_construct ends in, without its loop over fields and aliases:
    # a fifth of the time, and this runs once per attempt.
    task = TaskData.__new__(TaskData)
    write = object.__setattr__
    write(task, "__dict__", values)
    write(task, "__pydantic_fields_set__", set(_FIELDS))
    write(task, "__pydantic_extra__", None)
    write(task, "__pydantic_private__", None)
    return task


def decode_claimed(claimed: ClaimedTask) -> TaskData:
    """The task of a claim, with its present `retry_count`."""
    return decode_task(claimed.row, claimed.retry_count)


def encode_result(value: object) -> bytes:
    """A handler's return value.

    Raises ValueError naming `result` when it is no JSON or too long.
    """
    return encode_json(value, "result", RESULT_BYTES_MAX)


def clip_error(error: str) -> str:
    """An error text of bounded length that every store can write.

    The end is kept: a traceback says what happened in its last line.
    """
    clean = error.encode("utf-8", "backslashreplace").decode().replace("\0", "\\0")
    return clean if len(clean) <= ERROR_LENGTH_MAX else "… " + clean[-ERROR_LENGTH_MAX + 2 :]


def decode_view(view: TaskView) -> TaskResult:
    """What the outside is told of a task."""
    return TaskResult.model_construct(
        task_id=view.task_id,
        status=view.status,
        result=None if view.result is None else decode_json(view.result),
        error=view.error,
        queue_name=view.queue_name,
        started_at=view.started_at,
        completed_at=view.completed_at,
        execution_time=view.execution_s,
        retry_count=view.retry_count,
        next_retry_at=view.run_at if view.status is TaskStatus.RETRYING else None,
        worker_id=view.worker_id,
    )
