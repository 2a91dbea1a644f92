"""Starts and stops asked of a supervisor that is busy, restarting, stopping or stuck."""

from functools import partial
from typing import Any

import anyio
import pytest

from oncue.runtime import (
    ActorStopped,
    AskTimeout,
    ChildSpec,
    EscalatedFailure,
    Event,
    Restart,
    Strategy,
    SupervisorSpec,
    Unstopped,
)
from oncue.testing import VirtualClock
from tests.runtime.kit import Crash, Do, Doer, Say, Sleep, system_of


class SlowUp(Doer):
    async def on_start(self) -> None:
        await anyio.sleep(2)
        await super().on_start()


class Stuck(Doer):
    """Handles "stick" in a shield, for a minute."""

    async def receive(self, message: Any) -> object:
        if message != "stick":
            return await super().receive(message)
        with anyio.CancelScope(shield=True):
            await anyio.sleep(60)
        return None


async def test_a_start_whose_child_is_swept_away_by_a_siblings_restart_is_answered() -> None:
    """K3.5: a temporary child does not come back, and whoever asked for it hears of that."""
    outcomes: list[str] = []
    async with system_of(ChildSpec("a", Doer), strategy=Strategy.ONE_FOR_ALL) as system:

        async def start(name: str, restart: Restart) -> None:
            try:
                await system.start_child(ChildSpec(name, SlowUp, restart=restart))
            except ActorStopped:
                outcomes.append(f"{name} stopped")
            else:
                outcomes.append(f"{name} up")

        async with anyio.create_task_group() as group:
            group.start_soon(start, "t", Restart.TEMPORARY)
            await anyio.sleep(0.5)
            group.start_soon(start, "p", Restart.PERMANENT)
            await anyio.sleep(0.5)
            await system.lookup("s/a").tell(Crash(ValueError()))
    assert outcomes == ["t stopped", "p up"]


async def test_a_start_under_way_is_refused_when_the_supervisor_stops_or_gives_up() -> None:
    """K3.5: at once, and not after the children's stops."""
    refused: list[float] = []
    with pytest.raises(EscalatedFailure):
        async with system_of(ChildSpec("a", Doer), intensity=0) as system:

            async def start(name: str) -> None:
                with pytest.raises(ActorStopped):
                    await system.start_child(ChildSpec(name, SlowUp))
                refused.append(anyio.current_time())

            async with anyio.create_task_group() as group:
                group.start_soon(start, "x")
                group.start_soon(start, "y")
                await anyio.sleep(1)
                await system.lookup("s/a").tell(Crash(ValueError()))
                with anyio.CancelScope(shield=True):
                    await anyio.sleep(5)
    assert refused == [1, 1]


async def test_a_child_that_waits_for_its_stopping_supervisor_is_let_go() -> None:
    """K3.5: P13: its request is refused at once, so its handler can end."""
    began = anyio.current_time()
    async with system_of(ChildSpec("a", Doer), ChildSpec("b", SlowUp)) as system:

        async def ask_above(actor: Doer) -> None:
            await anyio.sleep(1)
            with pytest.raises(ActorStopped):
                await actor.context.start_child(ChildSpec("x", Doer))

        await system.lookup("s/a").tell(Do(ask_above))
        await anyio.sleep(0.5)
    assert anyio.current_time() - began == 3


async def test_a_start_that_would_wait_for_itself_is_refused() -> None:
    """K3.5: from on_start, of the supervisor that waits for this very on_start."""

    class Nests(Doer):
        async def on_start(self) -> None:
            await self.context.start_child(ChildSpec("x", Doer))

    async with system_of(SupervisorSpec("d", Strategy.DYNAMIC)) as system:
        with pytest.raises(RuntimeError, match="'s' waits for 's/n' to start"):
            await system.start_child(ChildSpec("n", Nests))
        # The children of a dynamic supervisor start in parallel: there it may.
        await system.start_child(ChildSpec("n", Nests), under="s/d")
        assert [node.name for node in system.tree().children[0].children] == ["n", "x"]


async def test_an_actor_cannot_wait_for_the_end_of_what_it_is_part_of() -> None:
    """K3.5: neither its own nor its supervisor's."""
    async with system_of(SupervisorSpec("m", children=[ChildSpec("a", Doer)])) as system:
        a = system.lookup("s/m/a")

        async def stop(path: str, actor: Doer) -> None:
            with pytest.raises(ValueError, match="would wait for itself"):
                await actor.context.stop_child(actor.context.lookup(path))

        for path in ("s/m/a", "s/m"):
            await a.ask(Do(partial(stop, path)))


async def test_the_end_of_an_unstopped_child_is_waited_for_by_whoever_stopped_it(
    clock: VirtualClock,
) -> None:
    """K7.3, K2.1: its name is not free before, and it does not come back."""
    log: list[str] = []
    events: list[Event] = []
    spec = ChildSpec("a", lambda: Stuck(log), shutdown_s=1.0)
    async with system_of(spec, observe=events.append) as system:
        a = system.lookup("s/a")
        await a.tell("stick")
        await anyio.sleep(1)
        await a.tell("queued")
        answered: list[float] = []

        async def stop() -> None:
            await system.stop_child(a)
            answered.append(clock.monotonic())

        async with anyio.create_task_group() as group:
            group.start_soon(stop)
            group.start_soon(stop)
            await anyio.sleep(10)
            assert system.tree().children[0].state == "unstopped"
            assert [letter.message for letter in system.dead_letters()] == ["queued"]
            with pytest.raises(ActorStopped):
                await a.tell("too late")
            with pytest.raises(ValueError, match="has a child named 'a'"):
                await system.start_child(ChildSpec("a", Doer))
        assert answered == [60, 60]
        assert system.tree().children[0].state == "stopped"
        again = await system.start_child(ChildSpec("a", lambda: Doer(log)))
        assert await again.ask(Say("new")) == "new"
    assert [event.path for event in events if isinstance(event, Unstopped)] == ["s/a"]
    assert log == ["a up", "a down", "a up", "a new", "a down"]


async def test_a_restarted_supervisor_does_not_hear_of_ends_before_its_time() -> None:
    """K2.1, K7.3: the end of a child that was given up belongs to the earlier incarnation."""
    inner = SupervisorSpec(
        "inner",
        intensity=0,
        children=[ChildSpec("a", Stuck, shutdown_s=1.0), ChildSpec("b", Doer)],
    )
    async with system_of(inner) as system:
        a, b = system.lookup("s/inner/a"), system.lookup("s/inner/b")
        await a.tell("stick")
        await anyio.sleep(1)
        await b.tell(Crash(ValueError()))
        await anyio.sleep(100)
        assert await a.ask(Say("up")) == "up"
        (node,) = system.tree().children
        assert (node.generation, [child.generation for child in node.children]) == (2, [2, 2])


async def test_a_restarted_supervisor_starts_what_its_spec_says() -> None:
    """K3.3: not what took the name of a child that had ended for good."""
    log: list[str] = []
    inner = SupervisorSpec("inner", intensity=0, children=[
        ChildSpec("a", lambda: Doer(log), restart=Restart.TEMPORARY), ChildSpec("b", Doer)
    ])  # fmt: skip
    async with system_of(inner) as system:
        await system.stop_child(system.lookup("s/inner/a"))
        other = await system.start_child(ChildSpec("a", Doer), under="s/inner")
        await system.lookup("s/inner/b").tell(Crash(ValueError()))
        await anyio.sleep(1)
        with pytest.raises(ActorStopped):
            await other.tell("gone")
        assert await system.lookup("s/inner/a").ask(Say("original")) == "original"
        assert [node.name for node in system.tree().children[0].children] == ["a", "b"]
    assert log == ["a up", "a down", "a up", "a original", "a down"]


async def test_who_asks_a_sibling_that_has_stopped_already_hears_so_at_once() -> None:
    """K6.3, K7.1: while a tree stops for good, no ask waits for its deadline."""

    class AsksLate(Doer):
        async def on_stop(self, reason: Exception | None) -> None:
            with pytest.raises(ActorStopped):
                await self.context.lookup("./late").ask(Say("still there?"))
            assert await self.context.lookup("./early").ask(Say("and you?")) == "and you?"
            self.note("down")

    log: list[str] = []
    began = anyio.current_time()
    children = [ChildSpec("early", Doer), ChildSpec("a", lambda: AsksLate(log))]
    late = SupervisorSpec("m", children=[ChildSpec("late", Doer)])
    async with system_of(*children, ChildSpec("late", Doer), late):
        pass
    assert log == ["a up", "a down"]
    assert anyio.current_time() == began


async def test_who_asks_a_sibling_between_two_lives_waits_for_the_next() -> None:
    """K2.2, K6.1: a group's restart is no end for good."""
    outcomes: list[str] = []

    class AsksLate(Doer):
        async def on_stop(self, reason: Exception | None) -> None:
            try:
                await self.context.lookup("./late").ask(Say("?"), timeout_s=1)
            except AskTimeout:
                outcomes.append("timed out")

    children = [ChildSpec("a", Doer), ChildSpec("b", AsksLate), ChildSpec("late", Doer)]
    async with system_of(*children, strategy=Strategy.ONE_FOR_ALL) as system:
        await system.lookup("s/a").tell(Crash(ValueError()))
        await anyio.sleep(5)
        assert outcomes == ["timed out"]
        assert await system.lookup("s/late").ask(Say("up")) == "up"
        outcomes.clear()
        await system.stop_child(system.lookup("s/late"))
    assert outcomes == []


async def test_a_call_that_is_cancelled_leaves_the_child_starting() -> None:
    """K3.4: as a child of that supervisor, like any other."""
    async with system_of() as system:
        with anyio.move_on_after(1):
            await system.start_child(ChildSpec("x", SlowUp))
        await anyio.sleep(5)
        assert await system.lookup("s/x").ask(Say("up")) == "up"
        await system.lookup("s/x").tell(Sleep(3))
        with anyio.move_on_after(1):
            await system.stop_child(system.lookup("s/x"))
        await anyio.sleep(5)
        assert system.tree().children == ()


async def test_what_is_no_spec_fails_its_caller_and_not_the_supervisor() -> None:
    class Named(Doer):
        name = "x"  # enough like a spec to get far

    async with system_of(ChildSpec("a", Doer)) as system:
        with pytest.raises(TypeError, match="takes a ChildSpec or a SupervisorSpec"):
            await system.start_child(Named())  # type: ignore[call-overload]
        await system.start_child(ChildSpec("b", Doer))
        assert await system.lookup("s/a").ask(Do(lambda actor: actor.log)) == ["a up"]
