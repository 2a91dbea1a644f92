"""Kills: of the idle, of the ending, of supervisors; what fails meanwhile is not lost."""

from contextlib import suppress
from typing import Any

import anyio
import pytest

from oncue.runtime import (
    ActorDied,
    ActorStopped,
    ActorSystem,
    ChildSpec,
    Event,
    Restart,
    Strategy,
    SupervisorSpec,
    Unstopped,
)
from tests.runtime.kit import Crash, Do, Doer, Say, Sleep, crashes, quiet, system_of


class BadEnd(Doer):
    async def on_stop(self, reason: Exception | None) -> None:
        self.note("down")
        raise OSError("in on_stop")


async def test_an_error_in_on_stop_after_a_kill_is_reported() -> None:
    """K1.5: the kill does not swallow it."""
    events: list[Event] = []
    async with system_of(ChildSpec("a", BadEnd), observe=events.append) as system:
        a = system.lookup("s/a")
        await a.tell(Sleep(100))
        await anyio.sleep(1)
        system.kill(a)
        assert await a.ask(Say("again")) == "again"
        assert [str(crash.error) for crash in crashes(events)] == ["in on_stop"]
        assert crashes(events)[0].restarting


async def test_a_kill_after_the_last_message_leaves_an_orderly_end_orderly() -> None:
    """K1.2: on_stop is shielded from it, so it cancelled nothing."""

    class Slow(Doer):
        async def on_stop(self, reason: Exception | None) -> None:
            await anyio.sleep(2)
            self.note("down")

    log: list[str] = []
    spec = ChildSpec("a", lambda: Slow(log), restart=Restart.TRANSIENT)
    async with system_of(spec) as system:
        a = system.lookup("s/a")
        await a.tell(Do(lambda actor: actor.context.stop()))
        await anyio.sleep(1)
        system.kill(a)
        await anyio.sleep(10)
        assert system.tree().children[0].state == "stopped"
    assert log == ["a up", "a down"]


async def test_a_killed_supervisors_handlers_may_fail_in_their_own_groups() -> None:
    """K1.3: P8: and the supervisor is killed all the same, not crashed by its child."""
    events: list[Event] = []
    started = anyio.Event()

    async def group_that_fails(actor: Doer) -> None:
        async def clean_up_badly() -> None:
            try:
                started.set()
                await anyio.sleep_forever()
            finally:
                raise ValueError("in cleanup")

        async with anyio.create_task_group() as group:
            group.start_soon(clean_up_badly)
            group.start_soon(anyio.sleep_forever)

    inner = SupervisorSpec("inner", children=[ChildSpec("a", Doer), ChildSpec("b", Doer)])
    async with system_of(inner, observe=events.append) as system:
        a, b = system.lookup("s/inner/a"), system.lookup("s/inner/b")
        await a.tell(Do(group_that_fails))
        await started.wait()
        system.kill(system.lookup("s/inner"))
        assert await a.ask(Say("again")) == "again"
        assert await b.ask(Say("again")) == "again"
        assert system.tree().children[0].restarts == 1
        assert [event.path for event in crashes(events)] == ["s/inner/a"]


async def test_a_killed_supervisor_restarts_with_all_its_children() -> None:
    """K5.2, K3.3: what was queued below it is handled by the next lives."""
    log: list[str] = []
    inner = SupervisorSpec("inner", children=[ChildSpec(n, lambda: Doer(log)) for n in "ab"])
    async with system_of(inner) as system:
        a, b = system.lookup("s/inner/a"), system.lookup("s/inner/b")
        await a.tell(Sleep(100))
        await a.tell("queued")
        await b.tell("early")
        await anyio.sleep(1)
        system.kill(system.lookup("s/inner"))
        assert await a.ask(Say("late")) == "late"
        assert await b.ask(Say("late")) == "late"
    assert log.count("a up") == log.count("b up") == 2
    assert log.index("a queued") < log.index("a late")


async def test_a_kill_in_on_start_is_a_failed_start() -> None:
    """K3.4: whoever asked for the child hears of it."""

    class Slow(Doer):
        async def on_start(self) -> None:
            await anyio.sleep(100)

    async with system_of() as system:

        async def start() -> None:
            with pytest.raises(ActorStopped):
                await system.start_child(ChildSpec("x", Slow))

        async with anyio.create_task_group() as group:
            group.start_soon(start)
            await anyio.sleep(1)
            system.kill(system.lookup("s/x"))
        assert system.tree().children == ()


async def test_a_kill_before_the_first_step_begins_nothing() -> None:
    """K5.2: of two spawned at once, the first to be made kills the other."""
    made: list[str] = []
    ups: list[str] = []

    async with system_of(strategy=Strategy.DYNAMIC) as system:

        def make(name: str, other: str) -> Doer:
            made.append(name)
            system.kill(system.lookup(f"s/{other}"))
            return Doer()

        async def start(name: str, other: str) -> None:
            with suppress(ActorStopped):
                await system.start_child(ChildSpec(name, lambda: make(name, other)))
                ups.append(name)

        async with anyio.create_task_group() as group:
            group.start_soon(start, "x", "y")
            group.start_soon(start, "y", "x")
        assert made == ups
        assert len(made) == 1


async def test_the_root_is_not_killed() -> None:
    """K8.1: nobody could restart it; the system is stopped instead."""
    async with system_of(ChildSpec("a", Doer)) as system:
        with pytest.raises(ValueError, match="'s' is the root: stop the system instead"):
            system.kill(system.lookup("s"))
        assert await system.lookup("s/a").ask(Say("well")) == "well"


async def test_the_context_of_an_earlier_life_cannot_stop_the_next() -> None:
    """K2.1: nor set timers for it."""
    contexts: list[Any] = []
    async with system_of(ChildSpec("a", Doer)) as system:
        a = system.lookup("s/a")
        await a.ask(Do(lambda actor: contexts.append(actor.context)))
        with pytest.raises(ActorDied):
            await a.ask(Crash(ValueError()))
        await a.ask(Say("up"))
        contexts[0].stop()
        with pytest.raises(RuntimeError, match="generation 1 of 's/a' has ended"):
            contexts[0].timers.after("late", 1, "late")
        with pytest.raises(RuntimeError, match="generation 1 of 's/a' has ended"):
            contexts[0].watch(a)
        await anyio.sleep(5)
        (node,) = system.tree().children
        assert (node.generation, node.handled) == (2, 2)


async def test_two_stops_at_once_both_end_and_nothing_is_called_unstopped() -> None:
    """K7.4: `stop` in a task while the block is left."""
    events: list[Event] = []
    ended: list[float] = []

    class Slow(Doer):
        async def on_stop(self, reason: Exception | None) -> None:
            await anyio.sleep(2)

    async with anyio.create_task_group() as group:
        async with system_of(ChildSpec("a", Slow), observe=events.append) as system:

            async def stop() -> None:
                await system.stop()
                ended.append(anyio.current_time())

            group.start_soon(stop)
            group.start_soon(stop)
            await anyio.sleep(1)
        ended.append(anyio.current_time())
    assert ended == [2, 2, 2]
    assert not [event for event in events if isinstance(event, Unstopped)]


@pytest.mark.real_backends
async def test_supervisors_within_supervisors_start_on_every_loop() -> None:
    """K8.1: P18: with eager tasks a child's first steps run inside its spawn."""
    tree = SupervisorSpec(
        "a", children=[SupervisorSpec("b", children=[SupervisorSpec("c", children=[
            ChildSpec("d", Doer)])])]
    )  # fmt: skip
    async with ActorSystem(tree, observe=quiet) as system:
        assert await system.lookup("a/b/c/d").ask(Say("deep")) == "deep"
