"""All deadlines of one system in one task: asks and the actors' named timers.

A timer per ask would cost two thirds of the ask rate, so they share one heap and one
sleeper. An answered ask leaves its entry behind; the heap is rebuilt when more than half
of it is such waste, as asyncio does with its cancelled timers.
"""

from collections.abc import Callable
from heapq import heapify, heappop, heappush
from itertools import count
from math import inf
from typing import Protocol

from anyio import CancelScope, Event, move_on_after

_WASTE_MIN = 64
"""Below this many dead entries a rebuild is not worth it."""


class Alarm(Protocol):
    """Something with a deadline."""

    @property
    def answered(self) -> bool:
        """True: nothing is waiting any more, the entry is waste."""
        ...

    def fire(self) -> None:
        """The deadline has passed. Must not raise."""
        ...


class Alarms:
    """A heap of deadlines, in seconds of `now`: the event loop's clock."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._heap: list[tuple[float, int, Alarm]] = []
        self._order = count()
        self._waste = 0
        self._sleeping_until = inf
        self._wake = Event()
        self._scope = CancelScope(shield=True)

    def __len__(self) -> int:
        return len(self._heap)

    def add(self, deadline: float, alarm: Alarm) -> None:
        """Fire `alarm` at `deadline`, unless it is answered by then."""
        heappush(self._heap, (deadline, next(self._order), alarm))
        if deadline < self._sleeping_until:
            # Lowered at once, so that a burst of adds wakes the sleeper once.
            self._sleeping_until = deadline
            self._wake.set()

    def note_waste(self) -> None:
        """One entry of the heap was answered before its time."""
        self._waste += 1
        if self._waste > _WASTE_MIN and self._waste * 2 > len(self._heap):
            self._heap = [entry for entry in self._heap if not entry[2].answered]
            heapify(self._heap)
            self._waste = 0

    async def run(self) -> None:
        """Fire what is due, until `stop`. Shielded: asks have deadlines during a stop too."""
        with self._scope:
            while True:
                self._fire_due(self._now())
                self._sleeping_until = self._heap[0][0] if self._heap else inf
                self._wake = Event()
                with move_on_after(self._sleeping_until - self._now()):
                    await self._wake.wait()

    def stop(self) -> None:
        self._scope.cancel()

    def _fire_due(self, now: float) -> None:
        while self._heap and (self._heap[0][0] <= now or self._heap[0][2].answered):
            _, _, alarm = heappop(self._heap)
            if alarm.answered:
                self._waste = max(0, self._waste - 1)
            else:
                alarm.fire()
