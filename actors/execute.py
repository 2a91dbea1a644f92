"""One attempt at one task, from handler to outcome. No error of a handler leaves it."""

from math import inf
from typing import Any, cast

from ..runtime import Clock
from ..stores import TaskData, TaskResult, TaskStatus, clip_error, decode_claimed, encode_result
from .attempt import Attempt
from .executors import Executors
from .handlers import FunctionHandler, Handlers, PayloadError, TaskHandler
from .log import log
from .outcome import Outcome, Raised, Returned, Stopped, TimedOut


class HandlerFailed(Exception):
    """The handler returned a `TaskResult` with status FAILED; the sentence is its error."""


async def execute(
    attempt: Attempt, handlers: Handlers, executors: Executors, clock: Clock
) -> Outcome:
    """Run the handler under the task's timeout, and call its hooks."""
    row = attempt.claimed.row
    handler = handlers.get(row.task_type)
    if handler is None:
        # Claimed in the moment it was unregistered: another try, perhaps elsewhere.
        return Raised(error=f"no handler for {row.task_type!r} is registered here any more")
    task = decode_claimed(attempt.claimed)
    end = await _attempt(attempt, handler, task, executors, clock)
    if isinstance(end, Returned):
        return end
    if attempt.stopped is not None:
        return Stopped(why=attempt.stopped)
    if attempt.cut:
        late = TimeoutError(f"{row.task_type!r} took longer than {row.timeout_s:g} s")
        retry = await _ask_on_failure(handler, task, late)
        return TimedOut(timeout_s=row.timeout_s or 0.0) if retry else _raised(late, retry=False)
    assert end is not None
    retry = not isinstance(end, (PayloadError, ResultError))
    return _raised(end, retry=retry and await _ask_on_failure(handler, task, end))


async def _attempt(
    attempt: Attempt, handler: TaskHandler, task: TaskData, executors: Executors, clock: Clock
) -> Returned | Exception | None:
    """What came of it; None when its scope cut it off and nothing else happened."""
    deadline = inf if task.timeout is None else clock.monotonic() + task.timeout
    end: Returned | Exception | None = None
    # Two nets: a handler that owns a task group and fails while it is cancelled raises
    # through the inner one on trio.
    try:
        with attempt.running(deadline):
            try:
                end = await _succeed(handler, task, await _run(handler, task, executors))
            except Exception as error:
                end = error
    except Exception as error:
        end = error
    return end


class ResultError(ValueError):
    """The handler's result cannot be recorded: a dead letter at once, since it ran."""


async def _run(handler: TaskHandler, task: TaskData, executors: Executors) -> Any:
    if isinstance(handler, FunctionHandler):
        return await executors.run(handler, handler.argument(task))
    return await handler.handle(task)


async def _succeed(handler: TaskHandler, task: TaskData, value: Any) -> Returned:
    if isinstance(value, TaskResult):
        if value.status is TaskStatus.FAILED:
            raise HandlerFailed(value.error or "the handler returned FAILED")
        value = value.result
    try:
        encoded = encode_result(value)
    except ValueError as error:
        raise ResultError(str(error)) from error
    if type(handler).on_success is not TaskHandler.on_success:
        result = TaskResult(
            task_id=task.task_id,
            status=TaskStatus.COMPLETED,
            result=value,
            queue_name=task.queue_name,
            retry_count=task.retry_count,
        )
        try:
            await handler.on_success(task, result)
        except Exception as error:
            log().error("on_success_failed", task_id=str(task.task_id), exc_info=error)
    return Returned(result=encoded)


async def _ask_on_failure(handler: TaskHandler, task: TaskData, error: Exception) -> bool:
    if type(handler).on_failure is TaskHandler.on_failure:
        return True
    try:
        return await handler.on_failure(task, error)
    except Exception as failed:
        log().error("on_failure_failed", task_id=str(task.task_id), exc_info=failed)
        return True


def _raised(error: Exception, *, retry: bool) -> Raised:
    return Raised(error=clip_error(describe(error)), retry=retry)


def describe(error: BaseException) -> str:
    """`Type: message`, and in brackets what a group holds; the traceback is for the log."""
    text = f"{type(error).__qualname__}: {error}"
    if isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        text += f" [{'; '.join(describe(inner) for inner in group.exceptions)}]"
    return text
