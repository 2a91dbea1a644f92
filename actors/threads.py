"""Worker threads, at most so many at a time, those that were abandoned among them."""

from collections.abc import Callable
from math import inf
from threading import Lock
from typing import TypeVar

from anyio import CapacityLimiter, WouldBlock, move_on_after, to_thread

from ..runtime import Clock

A = TypeVar("A")
T = TypeVar("T")

LOOK_S = 0.05
"""How often one who waits for a place looks whether an abandoned thread has ended."""


class ThreadAborted(Exception):
    """The function left its thread by `sys.exit` or the like. It counts as a failure."""


class Threads:
    """Places for threads. A thread that is abandoned keeps its place until it ends.

    anyio's own limiter would do so on trio only: on asyncio it lets go at once, and handlers
    that time out would pile up threads without end.
    """

    def __init__(self, clock: Clock, most: int) -> None:
        self._clock = clock
        self._places = CapacityLimiter(most)
        self._unlimited = CapacityLimiter(inf)
        self._abandoned: list[_Call] = []

    async def run(self, function: Callable[[A], T], argument: A) -> T:
        """Call `function(argument)` in a thread. Cancelled, the thread is abandoned: it runs on."""
        call = _Call()
        await self._take_place(call)
        try:
            with self._clock.hold():
                return await to_thread.run_sync(
                    call.run, function, argument, abandon_on_cancel=True, limiter=self._unlimited
                )
        finally:
            if call.abandon():
                self._abandoned.append(call)
            else:
                self._places.release_on_behalf_of(call)

    async def _take_place(self, call: "_Call") -> None:
        while True:
            for ended in [each for each in self._abandoned if not each.is_running]:
                self._abandoned.remove(ended)
                self._places.release_on_behalf_of(ended)
            try:
                self._places.acquire_on_behalf_of_nowait(call)
                return
            except WouldBlock:
                with move_on_after(LOOK_S):
                    await self._places.acquire_on_behalf_of(call)
                    return


class _Call:
    """One call in a thread, and the borrower of its place."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._is_abandoned = False
        self.is_running = False

    def run(self, function: Callable[[A], T], argument: A) -> T:
        """Runs in the thread."""
        with self._lock:
            if self._is_abandoned:
                raise ThreadAborted("abandoned before it began")  # to nobody
            self.is_running = True
        try:
            return function(argument)
        except Exception:
            raise
        except BaseException as error:
            # In the event loop it would mean to end the program.
            raise ThreadAborted(f"{type(error).__name__}: {error}") from None
        finally:
            self.is_running = False

    def abandon(self) -> bool:
        """Nobody waits for it any more; whether it runs on. It begins no more."""
        with self._lock:
            self._is_abandoned = True
            return self.is_running
