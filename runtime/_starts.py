"""Which children a supervisor is to start, and when: now, in start order, or by time."""

from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count
from math import inf

from ._cell import Cell, State


class Starts:
    """Two heaps: of those to start now, by place; and of those in back-off, by time.

    A child is put again whenever a later decision takes the place of an earlier one, so an
    entry counts only while it holds the child's ticket. `now` is in monotonic seconds.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._ready: list[tuple[int, int, Cell]] = []
        self._later: list[tuple[float, int, Cell]] = []
        self._ticket: dict[Cell, int] = {}
        self._place: dict[Cell, int] = {}
        self._count = count()

    def add(self, child: Cell) -> None:
        """A new child, to start now; it comes last in start order."""
        self._place[child] = next(self._count)
        self.put(child, 0.0)

    def put(self, child: Cell, due: float) -> None:
        """To start at `due`, and not when it was to start before."""
        self._ticket[child] = ticket = next(self._count)
        if due > self._now():
            child.state = State.BACKOFF
            heappush(self._later, (due, ticket, child))
        else:
            heappush(self._ready, (self._place[child], ticket, child))

    def drop(self, child: Cell) -> None:
        """Not to start any more, and out of the order."""
        self._ticket.pop(child, None)
        self._place.pop(child, None)

    def pop(self) -> Cell | None:
        """The next one to start now."""
        while self._later and self._later[0][0] <= self._now():
            _, ticket, child = heappop(self._later)
            if self._ticket.get(child) == ticket:
                heappush(self._ready, (self._place[child], ticket, child))
        while self._ready:
            _, ticket, child = heappop(self._ready)
            if self._ticket.get(child) == ticket:
                del self._ticket[child]
                return child
        return None

    def wait_s(self) -> float:
        """Seconds until there may be another."""
        return self._later[0][0] - self._now() if self._later else inf
