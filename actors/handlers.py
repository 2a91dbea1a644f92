"""Handlers: what runs for a task type, and the registry that finds it.

    @task_handler("send")
    async def send(mail: Mail) -> None: ...

The parameter's annotation says what the function gets: `TaskData`, or nothing at all, is
the whole task; anything else is a type that pydantic validates the payload into, as JSON.
Other parameters keep their defaults.
"""

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from copy import copy
from functools import partial
from typing import Any, Literal, TypeAlias, get_type_hints

from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_json

from ..stores import TaskData, TaskResult

ExecutorKind: TypeAlias = Literal["async", "thread", "process"]
EXECUTORS: tuple[ExecutorKind, ...] = ("async", "thread", "process")


class TaskHandler(ABC):
    """A handler with state of its own, or with hooks. A function needs `task_handler` only.

    One instance serves all tasks of its type, several at a time.
    """

    @abstractmethod
    async def handle(self, task: TaskData) -> Any:
        """Run the task. May run more than once for one task: delivery is at least once.

        A plain value completes the task with that result, which must be JSON. Raising, or
        returning a `TaskResult` with status FAILED, is a failure: it is retried until the
        task's `max_retries` are used up. At the task's `timeout`, and when it is cancelled,
        this is cancelled.
        """

    async def on_success(self, task: TaskData, result: TaskResult) -> None:  # noqa: B027
        """Called when `handle` succeeded, before that is recorded. Errors are only logged."""

    async def on_failure(self, task: TaskData, error: Exception) -> bool:
        """Called when `handle` failed or timed out; False: do not retry. Errors are only logged.

        It counts against the task's timeout; after that, it has 5 s.
        """
        return True


class PayloadError(ValueError):
    """The payload does not fit the handler's type: a dead letter at once.

    Its sentence lists the fields; `__cause__` is pydantic's error.
    """

    def __init__(self, task_type: str, cause: ValidationError) -> None:
        fields = "; ".join(
            f"{'.'.join(str(part) for part in error['loc']) or 'payload'}: {error['msg']}"
            for error in cause.errors(include_url=False)
        )
        super().__init__(f"payload of {task_type!r} does not fit its handler: {fields}")
        self.task_type = task_type
        self.__cause__ = cause


class FunctionHandler(TaskHandler):
    """A function as a handler. Calling it calls the function."""

    def __init__(
        self, task_type: str, function: Callable[..., Any], executor: ExecutorKind | None = None
    ) -> None:
        self.task_type = task_type
        self.function = function
        self._said = executor
        self.executor: ExecutorKind = self._check_executor(executor)
        self._adapter = self._payload_adapter()
        self.__doc__ = function.__doc__

    def argument(self, task: TaskData) -> Any:
        """What to call the function with. Raises `PayloadError`."""
        if self._adapter is None:
            return task
        try:
            # As the JSON that it travelled as: a strict model takes a text for a date from JSON
            # only. Encoding it once more costs 0.3 us.
            return self._adapter.validate_json(to_json(task.payload))
        except ValidationError as error:
            raise PayloadError(self.task_type, error) from error

    def where_not_said(self, executor: ExecutorKind) -> "FunctionHandler":
        """This one, or the same to run in `executor`: a plain function's, without its own."""
        if self._said is not None or self.executor in ("async", executor):
            return self
        moved = copy(self)
        moved.executor = self._check_executor(executor)
        return moved

    async def handle(self, task: TaskData) -> Any:
        """Run the function where it is: in the event loop, whatever its executor."""
        value = self.function(self.argument(task))
        return await value if inspect.isawaitable(value) else value

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<task_handler {self.task_type!r} {self._name} ({self.executor})>"

    @property
    def _name(self) -> str:
        return getattr(self.function, "__qualname__", repr(self.function))

    @property
    def _called(self) -> Callable[..., Any]:
        """What has the annotations, and is async or not: a partial's or an object's own."""
        function = self.function
        while isinstance(function, partial):
            function = function.func
        return function if inspect.isroutine(function) else type(function).__call__

    def _check_executor(self, executor: ExecutorKind | None) -> ExecutorKind:
        is_async = inspect.iscoroutinefunction(self._called)
        if executor is None:
            executor = "async" if is_async else "thread"
        if executor not in EXECUTORS:
            raise ValueError(
                f"executor of {self._name} must be one of {', '.join(EXECUTORS)}, not {executor!r}"
            )
        if executor == "process" and "<" in self._name:
            raise ValueError(
                f"{self._name} cannot be found by name in another process: executor='process' "
                "needs a function of a module"
            )
        if is_async and executor != "async":
            raise ValueError(
                f"{self._name} is async and runs in the event loop: executor={executor!r} needs a "
                "plain function"
            )
        return executor

    def _payload_adapter(self) -> TypeAdapter[Any] | None:
        signature = inspect.signature(self.function)
        try:
            signature.bind(None)
        except TypeError as error:
            raise TypeError(
                f"{self._name}{signature} is no handler: it gets one argument, the task or its "
                f"payload ({error}); give other parameters defaults, or take one model that has "
                "them as fields"
            ) from None
        first = next(iter(signature.parameters.values()))
        if first.annotation is inspect.Parameter.empty:
            return None
        annotation = get_type_hints(self._called, include_extras=True)[first.name]
        return None if annotation is TaskData else TypeAdapter(annotation)


def task_handler(
    task_type: str, executor: ExecutorKind | None = None
) -> Callable[[Callable[..., Any]], FunctionHandler]:
    """Turn a function into the handler of `task_type`.

    `executor`: "async" (in the event loop), "thread", or "process" (a function that can be
    pickled, so: of a module). By default an async function runs in the event loop and a
    plain one in a thread. A timed-out or cancelled process is killed; a thread cannot be,
    it is abandoned and its result refused.
    """

    if not isinstance(task_type, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(
            f'task_handler needs the task type: @task_handler("...") over {task_type!r}'
        )

    def decorate(function: Callable[..., Any]) -> FunctionHandler:
        return FunctionHandler(task_type, function, executor)

    return decorate


class Handlers:
    """Which handler a task type has here. `task_types` goes into every claim."""

    def __init__(self, executor: ExecutorKind = "thread") -> None:
        self._executor: ExecutorKind = executor
        self._handlers: dict[str, TaskHandler] = {}
        self.task_types: frozenset[str] = frozenset()

    def register(self, task_type: str, handler: TaskHandler | Callable[..., Any]) -> None:
        """Set the handler of `task_type`, in place of any it has."""
        if not task_type:
            raise ValueError("task_type must not be empty")
        if not isinstance(handler, TaskHandler):
            if not callable(handler):
                raise TypeError(
                    f"handler of {task_type!r} must be a TaskHandler or a function, "
                    f"not {type(handler).__name__}"
                )
            handler = FunctionHandler(task_type, handler)
        if isinstance(handler, FunctionHandler):
            handler = handler.where_not_said(self._executor)
        self._handlers[task_type] = handler
        self.task_types = frozenset(self._handlers)

    def unregister(self, task_type: str) -> bool:
        """Forget it; False when there is none. What runs, runs on."""
        known = self._handlers.pop(task_type, None) is not None
        self.task_types = frozenset(self._handlers)
        return known

    def get(self, task_type: str) -> TaskHandler | None:
        return self._handlers.get(task_type)

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(self._handlers))
