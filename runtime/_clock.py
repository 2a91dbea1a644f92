"""Time, ids and chance: the two ports through which the outside world enters.

Nothing else in the code base calls `time.*`, `datetime.now`, `uuid4` or `random`, so
that a test, a simulation or a skewed-clock fault can replace the world by replacing
these two objects.
"""

import random
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from typing import Protocol
from uuid import UUID

import anyio
from anyio.lowlevel import current_token


class Clock(Protocol):
    """Wall time for people, monotonic seconds for deadlines."""

    def now(self) -> datetime:
        """The wall clock, aware and in UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds on the running event loop's own clock; only differences mean anything.

        It is the clock by which `anyio.move_on_after` counts, so a deadline computed
        here and a cancel scope opened there agree, under virtual time too.
        """
        ...

    def hold(self) -> AbstractContextManager[None]:
        """Entered while a worker thread or process runs.

        A virtual clock stands still meanwhile: to the event loop such a wait looks like
        idleness, and the clock would jump past every deadline in the program.
        """
        ...


class Entropy(Protocol):
    """Ids and randomness."""

    def uuid(self) -> UUID:
        """A random (version 4) UUID."""
        ...

    def random(self) -> float:
        """Uniform in [0, 1)."""
        ...


def loop_clock() -> Callable[[], float]:
    """`anyio.current_time` of the running loop, without looking for the loop at each call.

    That search is eight tenths of the call on asyncio, whose loops have a `time` of their
    own; on trio there is nothing to save. Good on this loop only.
    """
    clock: Callable[[], float] = getattr(current_token().native_token, "time", anyio.current_time)
    return clock


class SystemClock:
    """The operating system's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return anyio.current_time()

    def hold(self) -> AbstractContextManager[None]:
        return nullcontext()


class SeededEntropy:
    """Ids and randomness from one generator; without a seed, from the operating system's."""

    def __init__(self, seed: int | None = None) -> None:
        self._random = random.Random(seed)

    def uuid(self) -> UUID:
        return UUID(int=self._random.getrandbits(128), version=4)

    def random(self) -> float:
        return self._random.random()
