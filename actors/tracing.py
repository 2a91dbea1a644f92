"""Which task caused which: the ids that travel with a task, and its log lines.

A task enqueued outside any handler begins a trace, whose id is its own; one enqueued by a
handler belongs to the trace of the task being handled, which is its cause. The store carries
`trace_id:cause_id` with the row. While a handler runs, `task_id`, `task_type`, `queue`,
`attempt`, `worker`, `trace_id` and `cause_id` are bound to structlog's context variables (if
the program has imported structlog at all), in threads and worker processes too.

With tracing on, each step of each task is one log line of the logger `oncue`:

    task_enqueued  task_started  task_completed  task_failed  task_dead  task_handed_back

Off, only failures are logged: `task_failed` as a warning, `task_dead` as an error.
"""

import sys
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, assert_never

from ..stores import Back, Cancelled, ClaimedTask, Dead, Done, RetryAt, TaskRow
from .attempt import Attempt
from .log import emit, traceback_of


@dataclass(frozen=True, slots=True)
class TaskTrace:
    """Where a task stands in the tree of causes. Ids are UUIDs as strings."""

    trace_id: str
    task_id: str
    cause_id: str | None


# The claim itself: ids are made of it only when somebody asks.
_current: ContextVar[ClaimedTask | None] = ContextVar("oncue_task", default=None)


def current_task() -> TaskTrace | None:
    """The task whose handler is running, or None outside one."""
    claimed = _current.get()
    return None if claimed is None else trace_of(claimed.row)


def trace_for_new_task() -> str | None:
    """What a row carries when it is enqueued from here."""
    cause = current_task()
    return None if cause is None else f"{cause.trace_id}:{cause.task_id}"


def trace_of(row: TaskRow) -> TaskTrace:
    """The trace of a stored task."""
    task_id = str(row.task_id)
    if row.trace is None:
        return TaskTrace(task_id, task_id, None)
    trace_id, _, cause_id = row.trace.partition(":")
    return TaskTrace(trace_id, task_id, cause_id)


def log_context(claimed: ClaimedTask, worker: str) -> dict[str, Any]:
    """What a log line in the handler shall carry."""
    trace = trace_of(claimed.row)
    return {
        "task_id": trace.task_id,
        "task_type": claimed.row.task_type,
        "queue": claimed.row.queue_name,
        "attempt": claimed.attempt,
        "worker": worker,
        "trace_id": trace.trace_id,
        "cause_id": trace.cause_id,
    }


def enter_task(claimed: ClaimedTask, worker: str) -> None:
    """Make it the current task of this actor's context, until the next one."""
    _current.set(claimed)
    # A program that has not imported structlog writes no line that could carry this.
    if "structlog" in sys.modules:
        bind(log_context(claimed, worker))


KEYS = ("task_id", "task_type", "queue", "attempt", "worker", "trace_id", "cause_id")


def bind(context: dict[str, Any]) -> None:
    from structlog.contextvars import bind_contextvars

    bind_contextvars(**context)


def bound() -> dict[str, Any] | None:
    """The log context, to be taken to another process; None when nobody logs."""
    if "structlog" not in sys.modules:
        return None
    from structlog.contextvars import get_contextvars

    # Ours only: the program's own may be things that no pickle can carry.
    return {key: value for key, value in get_contextvars().items() if key in KEYS}


def log_enqueued(row: TaskRow) -> None:
    trace = trace_of(row)
    emit(
        "info",
        "task_enqueued",
        task_id=trace.task_id,
        task_type=row.task_type,
        queue=row.queue_name,
        trace_id=trace.trace_id,
        cause_id=trace.cause_id,
    )


def log_started(claimed: ClaimedTask, worker: str) -> None:
    emit("info", "task_started", **log_context(claimed, worker))


def log_ended(attempt: Attempt, *, everything: bool) -> None:
    """How a recorded attempt ended; failures always, the rest when `everything` is wanted."""
    settlement = attempt.settlement
    match settlement:
        case None:
            return
        case Done() | Back() | Cancelled():
            if not everything:
                return
            worker = settlement.worker_id if isinstance(settlement, Done) else ""
            event = "task_completed" if isinstance(settlement, Done) else "task_handed_back"
            emit("info", event, **log_context(attempt.claimed, worker), took_s=attempt.took_s)
        case RetryAt(error=error, worker_id=worker, delay_s=delay_s):
            emit(
                "warning",
                "task_failed",
                **log_context(attempt.claimed, worker),
                took_s=attempt.took_s,
                error=error,
                retry_in_s=delay_s,
            )
        case Dead(error=error, worker_id=worker):
            emit(
                "error",
                "task_dead",
                **log_context(attempt.claimed, worker),
                took_s=attempt.took_s,
                error=error,
                exception=traceback_of(attempt.error),
            )
        case _:
            assert_never(settlement)
