"""One attempt at one task: run its handler, and judge how it ended."""

from typing import Any, cast

from ..stores import TaskData, TaskResult, TaskStatus, clip_error, encode_result
from .attempt import Attempt
from .executors import Executors
from .handlers import FunctionHandler, PayloadError, TaskHandler
from .log import log, traceback_of
from .outcome import Outcome, Raised, Returned, Stop, Stopped


class HandlerFailed(Exception):
    """The handler returned a `TaskResult` with status FAILED; the sentence is its error."""


class ResultError(ValueError):
    """The handler's result cannot be recorded: a dead letter at once, since it ran."""


async def execute(handler: TaskHandler, task: TaskData, executors: Executors) -> Returned:
    """Run the handler and, when it succeeded, its on_success. Raises what the handler raised."""
    if isinstance(handler, FunctionHandler):
        value = await executors.run(handler, handler.argument(task))
    else:
        value = await handler.handle(task)
    if isinstance(value, TaskResult):
        if value.status is TaskStatus.FAILED:
            raise HandlerFailed(value.error or "the handler returned FAILED")
        value = value.result
    try:
        returned = Returned(result=encode_result(value))
    except ValueError as error:
        raise ResultError(str(error)) from error
    if type(handler).on_success is not TaskHandler.on_success:
        await _tell_success(handler, task, value)
    return returned


def outcome_of(value: Any) -> Outcome:
    """What a value given by hand means. Raises ValueError naming `result`."""
    if isinstance(value, TaskResult):
        if value.status is TaskStatus.FAILED:
            return Raised(error=clip_error(value.error or "failed"))
        value = value.result
    return Returned(result=encode_result(value))


async def judge(
    attempt: Attempt, end: Exception | None, handler: TaskHandler | None, task: TaskData
) -> Outcome:
    """What an attempt that did not return comes to.

    `end` is what it raised, or None when it was cut off; `handler` is None when it has been
    unregistered.
    """
    stopped = attempt.stopped
    if stopped is Stop.TIMED_OUT:
        end = TimeoutError(f"{task.task_type!r} took longer than its timeout of {task.timeout} s")
    elif stopped is not None:
        return Stopped(why=stopped)
    assert end is not None
    retry = not isinstance(end, (PayloadError, ResultError))
    if retry and handler is not None and type(handler).on_failure is not TaskHandler.on_failure:
        retry = await _ask_on_failure(handler, task, end)
    return Raised(error=clip_error(describe(end)), retry=retry)


async def _tell_success(handler: TaskHandler, task: TaskData, value: Any) -> None:
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
        log().error("on_success_failed", task_id=str(task.task_id), exception=traceback_of(error))


async def _ask_on_failure(handler: TaskHandler, task: TaskData, error: Exception) -> bool:
    try:
        return await handler.on_failure(task, error)
    except Exception as failed:
        log().error("on_failure_failed", task_id=str(task.task_id), exception=traceback_of(failed))
        return True


def describe(error: BaseException) -> str:
    """`Type: message`, and in brackets what a group holds; the traceback is for the log."""
    text = f"{type(error).__qualname__}: {error}"
    if isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        text += f" [{'; '.join(describe(inner) for inner in group.exceptions)}]"
    return text
