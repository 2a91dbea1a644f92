# pyright: reportUnnecessaryTypeIgnoreComment=true
"""What the type checkers know of the kernel's face; the program also runs.

A line that must not type-check ends in `type: ignore`. Both checkers report an ignore that
nothing needs, so each such line fails as soon as it is accepted.
"""

from dataclasses import dataclass
from typing import Any, assert_type

from oncue.runtime import (
    Actor,
    ActorSystem,
    ChildSpec,
    Clock,
    Ref,
    Request,
    Restart,
    Strategy,
    SupervisorSpec,
    SystemClock,
)
from oncue.testing import VirtualClock


@dataclass(frozen=True, slots=True, kw_only=True)
class Add:
    n: int


class Get(Request[int]):
    pass


class Counter(Actor[Add | Get]):
    def __init__(self, start: int = 0) -> None:
        self.n = start

    async def receive(self, message: Add | Get) -> object:
        match message:
            case Add(n=n):
                self.n += n
                return None
            case Get():
                return self.n


def counters() -> SupervisorSpec:
    return SupervisorSpec(
        "counters",
        strategy=Strategy.ONE_FOR_ONE,
        intensity=3,
        period_s=5,
        children=[
            ChildSpec(
                "a",
                lambda: Counter(1),
                restart=Restart.PERMANENT,
                shutdown_s=5,
                capacity=1024,
            )
        ],
    )


async def test_an_ask_is_typed_by_its_request(clock: VirtualClock) -> None:
    async with ActorSystem(counters(), clock=clock) as system:
        found = system.lookup("counters/a")
        assert_type(found, Ref[Any])
        await found.tell(Add(n=2))
        found.tell_nowait(Add(n=3))
        assert assert_type(await found.ask(Get(), timeout_s=1), int) == 6

        started = await system.start_child(ChildSpec("b", Counter), under="counters")
        assert_type(started, Ref[Add | Get])
        await started.tell(Add(n=1))
        assert assert_type(await started.ask(Get()), int) == 1


async def no_program(ref: Ref[Add | Get], narrow: Ref[Add]) -> None:
    """For the type checkers; never run."""
    await ref.tell("not a message")  # type: ignore[arg-type]
    ref.tell_nowait(Add)  # type: ignore[arg-type]
    await ref.ask(Add(n=1))  # type: ignore[arg-type]
    await narrow.tell(Get())  # type: ignore[arg-type]
    _ = await ref.ask(Get()) + ""  # type: ignore[operator]
    _fewer: Ref[Add] = ref
    _more: Ref[Add | Get] = narrow  # type: ignore[assignment]


def test_both_clocks_are_clocks() -> None:
    clocks: list[Clock] = [SystemClock(), VirtualClock()]
    assert len({clock.now().tzinfo for clock in clocks}) == 1
