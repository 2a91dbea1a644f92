"""One attempt at one task: run its handler, and judge how it ended."""

import inspect
from collections.abc import Awaitable
from math import inf
from typing import Any, TypeVar, cast

from anyio import current_effective_deadline, get_cancelled_exc_class, move_on_after

from ..stores import TaskData, TaskResult, TaskStatus, clip_error, encode_result
from .attempt import Attempt
from .executors import Executors
from .handlers import FunctionHandler, PayloadError, TaskHandler
from .log import emit, traceback_of
from .outcome import Outcome, Raised, Returned, Stop, Stopped

HOOK_S = 5.0
"""How long `on_failure` may take once the attempt was cut off: its timeout is over by then."""

T = TypeVar("T")


class HandlerFailed(Exception):
    """The handler said that it failed, or cancelled itself, without raising an error."""


class ResultError(ValueError):
    """The handler's result cannot be recorded: a dead letter at once, since it ran."""


def fail_unless_cancelled_from_outside() -> None:
    """Called with a cancellation in hand. Raises `HandlerFailed` where nobody outside asked for it.

    On asyncio, awaiting a task that somebody cancelled raises what a cancellation raises.
    """
    if current_effective_deadline() != -inf:
        raise HandlerFailed("it cancelled itself") from None


async def uncancelled(call: Awaitable[T]) -> T:
    """Await a hook: if it cancels itself, that is an error of its own."""
    try:
        return await call
    except get_cancelled_exc_class():
        fail_unless_cancelled_from_outside()
        raise


async def execute(handler: TaskHandler, task: TaskData, executors: Executors) -> Returned:
    """Run the handler and, when it succeeded, its on_success. Raises what the handler raised."""
    try:
        if not isinstance(handler, FunctionHandler):
            value = await handler.handle(task)
        elif handler.executor == "async":
            value = handler.function(handler.argument(task))
            if inspect.isawaitable(value):
                value = await value
        else:
            value = await executors.run(handler, handler.argument(task))
    except get_cancelled_exc_class():
        fail_unless_cancelled_from_outside()
        raise
    except SystemExit as error:  # of a library, as a rule, and never meant for the whole worker
        raise HandlerFailed(f"it left by SystemExit: {error.code}") from None
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
    """What an attempt that did not return comes to; its error is noted on the attempt.

    `end` is what it raised, or None when it was cut off; `handler` is None when it has been
    unregistered.
    """
    stopped = attempt.stopped
    if stopped is not None and stopped is not Stop.TIMED_OUT:
        return Stopped(why=stopped)
    if attempt.error is not None:  # the timeout came while on_failure was being asked
        return Raised(error=clip_error(describe(attempt.error)))
    if stopped is Stop.TIMED_OUT:
        end = TimeoutError(f"{task.task_type!r} took longer than its timeout of {task.timeout} s")
    assert end is not None
    attempt.error = end
    retry = not isinstance(end, (PayloadError, ResultError))
    if retry and handler is not None and type(handler).on_failure is not TaskHandler.on_failure:
        with move_on_after(None if stopped is None else HOOK_S):
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
        await uncancelled(handler.on_success(task, result))
    except Exception as error:
        emit("error", "on_success_failed", task_id=str(task.task_id), exception=traceback_of(error))


async def _ask_on_failure(handler: TaskHandler, task: TaskData, error: Exception) -> bool:
    try:
        # A hook that only looks on, and returns nothing, vetoes nothing.
        return await uncancelled(handler.on_failure(task, error)) is not False
    except Exception as failed:
        emit(
            "error", "on_failure_failed", task_id=str(task.task_id), exception=traceback_of(failed)
        )
        return True


def describe(error: BaseException) -> str:
    """`Type: message`, and in brackets what a group holds; the traceback is for the log."""
    try:
        text = f"{type(error).__qualname__}: {error}"
    except Exception:
        text = f"{type(error).__qualname__}, which cannot be written as text"
    if isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        text += f" [{'; '.join(describe(inner) for inner in group.exceptions)}]"
    return text
