"""What the runtime tells about itself. Logs and metrics subscribe; logic never counts.

`ActorSystem(..., observe=f)` calls `f(event)` for each; without it, `log_event` writes the
ones a person must see, through structlog.
"""

from collections.abc import Callable
from dataclasses import dataclass
from traceback import format_exception
from typing import TypeAlias

from ._dead_letters import DeadLetter
from ._log import logger


@dataclass(frozen=True, slots=True, kw_only=True)
class Crashed:
    """An incarnation ended by an error. `restarting` tells what its supervisor decided."""

    path: str
    generation: int
    error: Exception
    restarting: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Restarted:
    """A new incarnation is up. `generation` is the new one's."""

    path: str
    generation: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Escalated:
    """A supervisor gave up after `restarts` restarts in `period_s` seconds."""

    path: str
    restarts: int
    period_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Unstopped:
    """A child ignored its stop and its cancellation; Python cannot end it.

    Its supervisor waits for it. `stack` shows where it stands: usually a shielded scope or
    blocking code, which belongs in a thread or, better, in a process.
    """

    path: str
    stack: str


Event: TypeAlias = Crashed | Restarted | Escalated | Unstopped | DeadLetter
Observer: TypeAlias = Callable[[Event], None]


def traceback_of(error: Exception) -> str:
    """As text: structlog's console, left to draw a traceback by itself, takes 30 ms for one."""
    return "".join(format_exception(error)).rstrip()


def log_event(event: Event) -> None:
    """Write `event` to the structlog logger `oncue.runtime`."""
    log = logger("oncue.runtime")
    match event:
        case Crashed():
            log.error(
                "actor_crashed",
                actor=event.path,
                generation=event.generation,
                restarting=event.restarting,
                exception=traceback_of(event.error),
            )
        case Restarted():
            log.info("actor_restarted", actor=event.path, generation=event.generation)
        case Escalated():
            log.error(
                "supervisor_gave_up",
                actor=event.path,
                restarts=event.restarts,
                period_s=event.period_s,
            )
        case Unstopped():
            log.error("actor_unstopped", actor=event.path, stack=event.stack)
        case DeadLetter():
            log.debug(
                "dead_letter",
                actor=event.path,
                message=type(event.message).__name__,
                reason=event.reason.value,
            )
