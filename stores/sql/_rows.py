"""Between records and columns."""

from collections.abc import Callable, Sequence
from types import NoneType
from typing import Any, Final
from uuid import UUID

from .._json import decode_json
from .._moments import microseconds, moment_at
from ..records import ClaimedTask, Holder, TaskRow, TaskView
from ..task import TaskStatus
from ..transitions import waiting_status
from ._schema import HELD, RUNNING, TASK_COLUMNS

Columns = Sequence[Any]

CLAIMED_COLUMNS: Final = ", ".join(("place", *TASK_COLUMNS, "retry_count", "run_us"))
"""What `claimed_of` reads."""
LIVE_COLUMNS: Final = (
    ", ".join(TASK_COLUMNS)
    + ", retry_count, run_us, started_us, execution_s, error, worker_id, state, lease, node"
)
DEAD_COLUMNS: Final = (
    ", ".join(TASK_COLUMNS)
    + ", retry_count, run_us, started_us, execution_s, error, worker_id, ended_us"
)

# SQLite keeps any type in any column, and other programs may write there.
_KINDS: Final[tuple[tuple[type, ...], ...]] = (
    (UUID, bytes),
    (str,),
    (str,),
    (int,),
    (int,),
    (int,),
    (int, float),
    (int, float),
    (int, float, NoneType),
    (int, NoneType),
    (int,),
    (bytes,),
    (bytes,),
    (str, NoneType),
    (str, NoneType),
    (UUID, bytes, NoneType),
)
_WIDTH: Final = len(TASK_COLUMNS)
_sound: set[tuple[type, ...]] = set()  # the combinations of types seen that may be


def columns_of(row: TaskRow, id_of: Callable[[UUID], object]) -> tuple[Any, ...]:
    """The values of `TASK_COLUMNS`, with ids as the database has them."""
    scheduled, job_id = row.scheduled_at, row.job_id
    return (
        id_of(row.task_id),
        row.queue_name,
        row.task_type,
        row.priority,
        row.retry_count,
        row.max_retries,
        row.retry_delay_s,
        row.delay_s,
        row.timeout_s,
        None if scheduled is None else microseconds(scheduled),
        microseconds(row.created_at),
        row.payload,
        row.tags,
        row.unique_key,
        row.trace,
        None if job_id is None else id_of(job_id),
    )


_EMPTY: Final = b"{}"


def row_of(columns: Columns) -> TaskRow:
    """The row in the values of `TASK_COLUMNS`. Raises ValueError or OverflowError."""
    types = tuple(map(type, columns))
    if types not in _sound:
        for column, value, kinds in zip(TASK_COLUMNS, columns, _KINDS, strict=True):
            if not isinstance(value, kinds):
                raise ValueError(f"{column} is {value!r}")
        _sound.add(types)
    for column, value in (("payload", columns[11]), ("tags", columns[12])):
        if value != _EMPTY and not isinstance(decode_json(value), dict):
            raise ValueError(f"{column} is no JSON object")
    scheduled_us, job_id = columns[9], columns[15]
    return TaskRow(
        task_id=uuid_of(columns[0]),
        queue_name=columns[1],
        task_type=columns[2],
        priority=columns[3],
        retry_count=columns[4],
        max_retries=columns[5],
        retry_delay_s=columns[6],
        delay_s=columns[7],
        timeout_s=columns[8],
        scheduled_at=None if scheduled_us is None else moment_at(scheduled_us),
        created_at=moment_at(columns[10]),
        payload=columns[11],
        tags=columns[12],
        unique_key=columns[13],
        trace=columns[14],
        job_id=None if job_id is None else uuid_of(job_id),
    )


def _retries_of(value: object) -> int:
    if not isinstance(value, int):
        raise ValueError(f"retry_count is {value!r}")
    return value


def uuid_of(value: UUID | bytes) -> UUID:
    """The id in a column."""
    return value if isinstance(value, UUID) else UUID(bytes=value)


def claimed_of(columns: Columns, lease: int, started_us: int | None) -> ClaimedTask:
    """The task in the values of `CLAIMED_COLUMNS`. Raises ValueError or OverflowError.

    Without `started_us` that is one more column.
    """
    return ClaimedTask(
        row=row_of(columns[1 : _WIDTH + 1]),
        lease=lease,
        retry_count=_retries_of(columns[_WIDTH + 1]),
        run_at=moment_at(columns[_WIDTH + 2]),
        started_at=moment_at(columns[_WIDTH + 3] if started_us is None else started_us),
    )


def holder_of(task_id: UUID, node: str | None, lease: int | None) -> Holder | None:
    """Who runs a live task."""
    return None if lease is None else Holder(task_id=task_id, node=node or "", lease=lease)


def live_view(columns: Columns) -> TaskView:
    """A live task in the values of `LIVE_COLUMNS`. Raises ValueError or OverflowError."""
    row = row_of(columns[:_WIDTH])
    retry_count, run_us, started_us, execution_s, error, worker, state, lease, node = columns[
        _WIDTH:
    ]
    if state == RUNNING:
        status = TaskStatus.PROCESSING
    elif state >= HELD:
        status = TaskStatus.PAUSED
    else:
        status = waiting_status(retry_count)
    return TaskView(
        task_id=row.task_id,
        queue_name=row.queue_name,
        status=status,
        retry_count=_retries_of(retry_count),
        row=row,
        holder=holder_of(row.task_id, node, lease),
        run_at=moment_at(run_us),
        started_at=None if started_us is None else moment_at(started_us),
        execution_s=execution_s,
        error=error,
        worker_id=worker,
    )


def dead_view(columns: Columns, ttl_us: int) -> TaskView:
    """A dead letter in the values of `DEAD_COLUMNS`. Raises ValueError or OverflowError."""
    row = row_of(columns[:_WIDTH])
    retry_count, run_us, started_us, execution_s, error, worker, ended_us = columns[_WIDTH:]
    return TaskView(
        task_id=row.task_id,
        queue_name=row.queue_name,
        status=TaskStatus.DEAD_LETTER,
        retry_count=_retries_of(retry_count),
        row=row,
        run_at=moment_at(run_us),
        started_at=None if started_us is None else moment_at(started_us),
        completed_at=moment_at(ended_us),
        expires_at=moment_at(ended_us + ttl_us),
        execution_s=execution_s,
        error=error,
        worker_id=worker,
    )


def result_view(columns: Columns, ttl_us: int) -> TaskView:
    """A result in the values of `RESULT_COLUMNS`. Raises ValueError or OverflowError."""
    task_id, queue_name, status, retry_count, started_us, ended_us = columns[:6]
    execution_s, result, error, worker = columns[6:]
    return TaskView(
        task_id=uuid_of(task_id),
        queue_name=queue_name,
        status=TaskStatus(status),
        retry_count=_retries_of(retry_count),
        started_at=None if started_us is None else moment_at(started_us),
        completed_at=moment_at(ended_us),
        expires_at=moment_at(ended_us + ttl_us),
        execution_s=execution_s,
        result=result,
        error=error,
        worker_id=worker,
    )
