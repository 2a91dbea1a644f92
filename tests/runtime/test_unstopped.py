"""A child that ignores its stop and its cancellation: reported, waited for, never doubled."""

from typing import Any

import anyio
from anyio import CancelScope

from oncue.runtime import (
    Actor,
    ActorSystem,
    ChildSpec,
    Event,
    Strategy,
    SupervisorSpec,
    Unstopped,
)
from oncue.testing import VirtualClock


class Stubborn(Actor[str]):
    """Says how many of it live; handles "sleep" in a shield, for a minute."""

    living = 0
    most = 0

    async def on_start(self) -> None:
        type(self).living += 1
        type(self).most = max(self.most, self.living)

    async def on_stop(self, reason: Exception | None) -> None:
        type(self).living -= 1

    async def receive(self, message: str) -> None:
        if message == "crash":
            raise ValueError("asked to")
        with CancelScope(shield=True):
            await anyio.sleep(60)


def tree(kind: type[Stubborn]) -> SupervisorSpec:
    return SupervisorSpec(
        "s",
        strategy=Strategy.ONE_FOR_ALL,
        children=[ChildSpec("a", kind, shutdown_s=1.0), ChildSpec("b", kind, shutdown_s=1.0)],
    )


async def test_it_is_reported_with_its_stack_and_its_next_life_waits(clock: VirtualClock) -> None:
    """K7.3, K2.1: no new incarnation before the old one's end, even when its stop was given up."""

    class Counted(Stubborn): ...

    events: list[Event] = []
    async with ActorSystem(tree(Counted), observe=events.append) as system:
        a, b = system.lookup("s/a"), system.lookup("s/b")
        await a.tell("sleep")
        await anyio.sleep(1)
        await b.tell("crash")
        await anyio.sleep(10)
        unstopped = [event for event in events if isinstance(event, Unstopped)]
        assert [event.path for event in unstopped] == ["s/a"]
        assert "in receive" in unstopped[0].stack
        assert system.tree().children[0].state == "unstopped"
        assert b.is_up
        await anyio.sleep(60)
        assert a.is_up
        assert [node.generation for node in system.tree().children] == [2, 2]
        assert (Counted.living, Counted.most) == (2, 2)
    assert Counted.living == 0


async def test_the_other_children_stop_all_the_same(clock: VirtualClock) -> None:
    """K7.3: the system's end waits for it, since Python cannot abandon a task, and says so once."""

    class Counted(Stubborn): ...

    events: list[Event] = []
    async with ActorSystem(tree(Counted), shutdown_s=None, observe=events.append) as system:
        b = system.lookup("s/b")
        await b.tell("sleep")
        await anyio.sleep(1)
    assert clock.monotonic() == 60
    assert [event.path for event in events if isinstance(event, Unstopped)] == ["s/b"]


async def test_restarts_of_a_group_keep_the_start_order(clock: VirtualClock) -> None:
    """K2.5: also when the second crash comes while the first restart is under way."""
    started: list[str] = []

    class Named(Actor[Any]):
        async def on_start(self) -> None:
            started.append(self.context.path)
            await anyio.sleep(1)

        async def receive(self, message: Any) -> None:
            raise ValueError

    names = ["a", "b", "c", "d"]
    spec = SupervisorSpec(
        "s", strategy=Strategy.ONE_FOR_ALL, children=[ChildSpec(name, Named) for name in names]
    )
    async with ActorSystem(spec, observe=lambda event: None) as system:
        await system.lookup("s/c").tell("crash")
        await anyio.sleep(1.5)  # while the second is being started anew
        await system.lookup("s/a").tell("crash")
        await anyio.sleep(10)
        assert all(node.state == "running" for node in system.tree().children)
    assert started[:4] == ["s/a", "s/b", "s/c", "s/d"]
    assert started[-4:] == ["s/a", "s/b", "s/c", "s/d"]
