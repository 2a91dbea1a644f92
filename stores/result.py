"""The result: what is known about a task once it was taken.

A handler may return one with status FAILED to fail without raising; `get_task_status` and
`wait` return one for any task, finished or not.
"""

from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from .task import Moment, Retries, TaskStatus


class TaskResult(BaseModel):
    """How a task stands: its status, what came of it, and when.

    `execution_time` is the seconds of the last attempt, by the worker's monotonic clock.
    `next_retry_at` is set while the status is RETRYING. `error` is the last error, also
    while a retry waits.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    task_id: UUID
    status: TaskStatus
    result: Any = None
    error: str | None = None
    queue_name: str = "default"
    started_at: Moment | None = None
    completed_at: Moment | None = None
    execution_time: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    retry_count: Retries = 0
    next_retry_at: Moment | None = None
    worker_id: str | None = None
