"""Virtual time: a run in which nobody waits, on asyncio and on trio.

Rules:

1. Time moves only when every task is blocked; then it jumps to the next deadline. A
   program sees the order and the distances of a real run, in no time.
2. While `hold()` is open the clock stands still and the loop really waits. Every hop to
   a worker thread or process is made inside it: to the loop such a wait looks like
   idleness, and an unheld clock jumps past every deadline of the program meanwhile.
3. With no deadline ahead time stands still too, for a thread may call in. (asyncio sleeps
   meanwhile; trio's MockClock polls.)
4. Wall time is `epoch` plus what elapsed, over all runs of the clock together, so that a
   program which ended and starts again finds its wall clock where it left it. Monotonic
   time is the running loop's own and starts at zero with each.

This file is the seam: no other one knows which loop it runs on.
"""

import asyncio
import math
import selectors
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from contextvars import Context
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, Protocol, TypeVar, TypeVarTuple, Unpack

import anyio

Backend = Literal["asyncio", "trio"]

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)

_T = TypeVar("_T")
_Args = TypeVarTuple("_Args")


class VirtualClock:
    """A `Clock` whose seconds cost nothing; one for each simulated machine.

    Hand it to the program under test, and start that program with `run`, or with
    `anyio.run(..., backend=name, backend_options=clock.backend_options(name))`. It serves
    one run at a time. `epoch` may be set at any moment: a step of the wall clock, which
    deadlines do not feel.
    """

    def __init__(self, epoch: datetime = EPOCH) -> None:
        if epoch.tzinfo is None:
            raise ValueError(f"epoch needs a time zone, got {epoch!r}")
        self.epoch = epoch.astimezone(UTC)
        self._run: _Run | None = None
        self._earlier_s = 0.0  # elapsed in the runs before this one
        self._holds = 0

    def __repr__(self) -> str:
        return f"<VirtualClock {self.now().isoformat()} holds={self._holds}>"

    def now(self) -> datetime:
        """The wall clock, aware and in UTC; also before, between and after runs."""
        return self.epoch + timedelta(seconds=self._earlier_s + self.monotonic())

    def monotonic(self) -> float:
        """The running loop's seconds; callable from a worker thread too."""
        return self._run.time() if self._run else 0.0

    @contextmanager
    def hold(self) -> Generator[None]:
        """Keep time still; to be entered and left in the loop's own thread. Nests."""
        self._holds += 1
        self._freeze()
        try:
            yield
        finally:
            self._holds -= 1
            self._freeze()

    async def wait_all_tasks_blocked(self) -> None:
        """Wait until no other task can go on by itself; no time passes.

        A task that waits for a thread counts as blocked. anyio's function of this name polls
        by sleeping 0.1 s on asyncio, which here is 0.1 s for every deadline of the program.
        """
        if self._run is None:
            raise RuntimeError("this VirtualClock has no run")
        await self._run.wait_all_tasks_blocked()

    def backend_options(self, backend: Backend) -> dict[str, Any]:
        """Options for `anyio.run` or an `anyio_backend` fixture; fresh ones for each run."""
        if backend == "asyncio":
            return {"loop_factory": lambda: self._begin(_AsyncioRun)}
        return {"clock": self._begin(_TrioRun).clock}

    def _begin(self, new_run: "Callable[[], _R]") -> "_R":
        if self._holds:
            raise RuntimeError("a VirtualClock cannot begin a run while it is held still")
        self._earlier_s += self.monotonic()
        self._run = run = new_run()
        return run

    def _freeze(self) -> None:
        if self._run:
            self._run.freeze(self._holds > 0)


def run(
    main: Callable[[Unpack[_Args]], Awaitable[_T]],
    *args: *_Args,
    backend: Backend = "asyncio",
    clock: VirtualClock | None = None,
) -> _T:
    """`anyio.run` in virtual time, on a clock of its own unless one is given."""
    options = (clock or VirtualClock()).backend_options(backend)
    return anyio.run(main, *args, backend=backend, backend_options=options)


class _Run(Protocol):
    """One run of a loop, as its clock sees it."""

    def time(self) -> float: ...
    def freeze(self, still: bool) -> None: ...
    async def wait_all_tasks_blocked(self) -> None: ...


_R = TypeVar("_R", bound=_Run)


class _TrioRun:
    def __init__(self) -> None:
        from trio.testing import MockClock

        self.clock = MockClock(autojump_threshold=0)

    def time(self) -> float:
        return self.clock.current_time()

    def freeze(self, still: bool) -> None:
        self.clock.autojump_threshold = math.inf if still else 0

    async def wait_all_tasks_blocked(self) -> None:
        from trio.testing import wait_all_tasks_blocked

        await wait_all_tasks_blocked()


class _AsyncioRun(asyncio.SelectorEventLoop):
    """An event loop that skips each wait for a deadline and moves its clock instead."""

    def __init__(self) -> None:
        self._now_s = 0.0
        self._still = False
        self._idle_waiters: list[asyncio.Future[None]] = []
        super().__init__(_IdleSelector(self._idle))

    def time(self) -> float:
        return self._now_s

    def freeze(self, still: bool) -> None:
        self._still = still

    async def wait_all_tasks_blocked(self) -> None:
        waiter = self.create_future()
        self._idle_waiters.append(waiter)
        await waiter

    def _idle(self, timeout: float | None) -> bool:
        """Nothing can go on by itself. Whether to wait for a file descriptor, a child's or
        the one that a thread's call_soon_threadsafe writes to."""
        if self._idle_waiters:
            waiters, self._idle_waiters = self._idle_waiters, []
            for waiter in waiters:
                if not waiter.done():
                    waiter.set_result(None)
        elif timeout is None or self._still:
            return True
        else:
            self._now_s += timeout
            # asyncio takes for due what is due before now plus this. Its nanosecond is lost on a
            # float of more than 97 days, and then nothing would ever be due.
            self._clock_resolution = math.ulp(self._now_s)
        return False

    def call_at(
        self,
        when: float,
        callback: Callable[[Unpack[_Args]], object],
        *args: *_Args,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        if when == math.inf:
            # `sleep(inf)` waits for cancellation, not for a moment. asyncio would queue it
            # and wake once a day to look; here days cost nothing, and it would never end.
            return asyncio.TimerHandle(when, callback, args, self, context)
        return super().call_at(when, callback, *args, context=context)


class _IdleSelector(selectors.DefaultSelector):
    """The platform's selector, which asks what to do before it waits."""

    def __init__(self, idle: Callable[[float | None], bool]) -> None:
        super().__init__()
        self._idle = idle

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        events = super().select(0)
        if events or timeout == 0 or not self._idle(timeout):
            return events
        return super().select()
