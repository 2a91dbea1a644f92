"""How one attempt at a task ended, as its worker saw it."""

from enum import Enum

from ..stores import record


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


@record
class Returned:
    """The handler returned; `result` is the value as JSON."""

    result: bytes


@record
class Raised:
    """The handler failed. `retry` False: trying again is known to be useless."""

    error: str
    retry: bool = True


@record
class Stopped:
    """The attempt was cut off from outside, and does not count."""

    why: Stop


Outcome = Returned | Raised | Stopped
