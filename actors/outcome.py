"""How one attempt at a task ended, as its worker saw it."""

from dataclasses import dataclass
from enum import Enum


class Stop(Enum):
    """Why an attempt was cut off."""

    TIMED_OUT = "timed out"
    """It took longer than the task's `timeout`. That is a failure."""
    CANCELLED = "cancelled"
    """Somebody cancelled the task: its lease is void already, there is nothing to settle."""
    DRAINED = "drained"
    """The worker's process stops: the attempt is handed back and does not count."""
    UNHANDLED = "unhandled"
    """Its handler was unregistered before it began: handed back likewise, to wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Returned:
    """The handler returned; `result` is the value as JSON."""

    result: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Raised:
    """The handler failed. `retry` False: trying again is known to be useless."""

    error: str
    retry: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped:
    """The attempt was cut off from outside, and does not count."""

    why: Stop


Outcome = Returned | Raised | Stopped
