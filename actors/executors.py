"""Where a function runs that does not run in the event loop: a worker thread or process."""

import signal
from importlib import import_module
from operator import attrgetter
from typing import Any

from anyio import CapacityLimiter, to_process

from ..runtime import Clock
from .handlers import FunctionHandler
from .threads import Threads
from .tracing import bind, bound


class Executors:
    """Threads and processes of one queue, at most so many at a time."""

    def __init__(self, clock: Clock, *, threads_max: int, processes_max: int) -> None:
        self._clock = clock
        self._threads = Threads(clock, threads_max)
        self._processes = CapacityLimiter(processes_max)

    async def run(self, handler: FunctionHandler, argument: Any) -> Any:
        """Call the handler's function with `argument` in a thread or process, as it asked to.

        Cancelled, the process is killed, and the thread is abandoned: it runs on, holding its
        place, and its result is dropped.
        """
        function = handler.function
        if handler.executor == "thread":
            return await self._threads.run(function, argument)
        # By name: the module's attribute may be the handler that wraps the function, which
        # pickle would take for a different object.
        place = function.__module__, function.__qualname__
        with self._clock.hold():
            try:
                return await to_process.run_sync(
                    _in_process,
                    *place,
                    argument,
                    bound(),
                    cancellable=True,
                    limiter=self._processes,
                )
            except (KeyboardInterrupt, SystemExit) as error:
                # The worker process's, from before `_in_process` could look after it.
                raise ProcessAborted(f"{type(error).__name__}: {error}") from None


class ProcessAborted(Exception):
    """The function left its process by `sys.exit` or the like. It counts as a failure."""


def _in_process(
    module: str, qualname: str, argument: Any, log_context: dict[str, Any] | None
) -> Any:
    """Runs in the worker process."""
    if log_context is not None:
        bind(log_context)
    # A terminal sends Ctrl-C to the whole process group. When to stop is the parent's to say.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    found = attrgetter(qualname)(import_module(module))
    function = found.function if isinstance(found, FunctionHandler) else found
    try:
        return function(argument)
    except Exception:
        raise
    except BaseException as error:
        # It would be raised anew in the parent, whose end it means to be.
        raise ProcessAborted(f"{type(error).__name__}: {error}") from None
