"""Where a function runs: in the event loop, in a worker thread, or in a worker process."""

import inspect
from collections.abc import Callable
from typing import Any, assert_never

from anyio import CapacityLimiter, to_process, to_thread

from ..runtime import Clock
from .handlers import ExecutorKind


class Executors:
    """Threads and processes of one queue, at most so many at a time."""

    def __init__(self, clock: Clock, *, threads_max: int, processes_max: int) -> None:
        self._clock = clock
        self._threads = CapacityLimiter(threads_max)
        self._processes = CapacityLimiter(processes_max)

    async def run(self, kind: ExecutorKind, function: Callable[..., Any], argument: Any) -> Any:
        """Call `function(argument)`.

        Cancelled, the event loop's task is cancelled, the process is killed, and the thread
        is abandoned: it runs on, holding its place, and its result is dropped.
        """
        match kind:
            case "async":
                value = function(argument)
                return await value if inspect.isawaitable(value) else value
            case "thread":
                with self._clock.hold():
                    return await to_thread.run_sync(
                        function, argument, abandon_on_cancel=True, limiter=self._threads
                    )
            case "process":
                with self._clock.hold():
                    return await to_process.run_sync(
                        function, argument, cancellable=True, limiter=self._processes
                    )
            case _:
                assert_never(kind)
