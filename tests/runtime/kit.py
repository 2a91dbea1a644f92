"""Small actors that the kernel's tests are made of."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import anyio

from oncue.runtime import (
    Actor,
    ActorSystem,
    ChildSpec,
    Crashed,
    Event,
    Request,
    Strategy,
    SupervisorSpec,
)


@dataclass(frozen=True, slots=True)
class Do(Request[Any]):
    """Run `action(actor)` in the handler; an awaitable result is awaited."""

    action: Callable[["Doer"], Any]


@dataclass(frozen=True, slots=True)
class Crash(Request[Any]):
    """Raise this."""

    error: Exception


@dataclass(frozen=True, slots=True)
class Sleep(Request[str]):
    seconds: float


@dataclass(frozen=True, slots=True)
class Say(Request[str]):
    """A text to be noted, as a bare string is, and to be answered with itself."""

    text: str


class Doer(Actor[Do | Crash | Sleep | Say | str]):
    """Does what it is told, and notes it: in `log`, which outlives it."""

    def __init__(self, log: list[str] | None = None) -> None:
        self.log: list[str] = [] if log is None else log

    def note(self, what: str) -> None:
        self.log.append(f"{self.context.ref.path.rpartition('/')[2]} {what}")

    async def on_start(self) -> None:
        self.note("up")

    async def on_stop(self, reason: Exception | None) -> None:
        self.note("down" if reason is None else f"down by {type(reason).__name__}")

    async def receive(self, message: Do | Crash | Sleep | Say | str) -> object:
        match message:
            case Do(action=action):
                result = action(self)
                return await result if hasattr(result, "__await__") else result
            case Crash(error=error):
                raise error
            case Sleep(seconds=seconds):
                await anyio.sleep(seconds)
                return "slept"
            case Say(text=text) | (str() as text):
                self.note(text)
                return text


def quiet(event: Event) -> None:
    """An observer for trees that crash on purpose."""


def crashes(events: list[Event]) -> list[Crashed]:
    return [event for event in events if isinstance(event, Crashed)]


def system_of(
    *children: ChildSpec[Any] | SupervisorSpec,
    strategy: Strategy = Strategy.ONE_FOR_ONE,
    intensity: int = 3,
    period_s: float = 5.0,
    shutdown_s: float | None = 60.0,
    tracing: bool = False,
    observe: Callable[[Event], None] = quiet,
) -> ActorSystem:
    """A system with one supervisor, `s`, that logs nothing."""
    spec = SupervisorSpec(
        "s", strategy=strategy, intensity=intensity, period_s=period_s, children=children
    )
    return ActorSystem(spec, shutdown_s=shutdown_s, tracing=tracing, observe=observe)
