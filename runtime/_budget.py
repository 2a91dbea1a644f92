"""When a supervisor restarts a child, whom it takes along, and when it gives up. Pure.

The rules are those of Erlang/OTP's supervisor behaviour (stdlib, `supervisor`).
"""

from collections import deque
from collections.abc import Sequence
from typing import TypeVar

from ._signals import Cause
from ._spec import Restart, Strategy

T = TypeVar("T")


class Budget:
    """At most `intensity` restarts within `period_s` seconds."""

    def __init__(self, intensity: int, period_s: float) -> None:
        self._intensity = intensity
        self._period_s = period_s
        self._restarts: deque[float] = deque()

    def spend(self, now: float) -> bool:
        """Count one restart; False: that was one too many."""
        while self._restarts and now - self._restarts[0] > self._period_s:
            self._restarts.popleft()
        self._restarts.append(now)
        return len(self._restarts) <= self._intensity


def wants_restart(restart: Restart, cause: Cause) -> bool:
    match restart:
        case Restart.PERMANENT:
            return True
        case Restart.TRANSIENT:
            return cause is not Cause.NORMAL
        case Restart.TEMPORARY:
            return False


def affected(strategy: Strategy, order: Sequence[T], fallen: T) -> list[T]:
    """Who restarts when `fallen` does, in start order."""
    match strategy:
        case Strategy.ONE_FOR_ONE | Strategy.DYNAMIC:
            return [fallen]
        case Strategy.ONE_FOR_ALL:
            return list(order)
        case Strategy.REST_FOR_ONE:
            return list(order[order.index(fallen) :])
