"""Failures that go up, and starts that do not come off."""

from functools import partial
from typing import Any

import anyio
import pytest

from oncue.runtime import (
    Actor,
    ActorSystem,
    ChildSpec,
    Crashed,
    EscalatedFailure,
    Event,
    SupervisorSpec,
    Unrecoverable,
)
from tests.runtime.kit import Crash, Doer, Say, quiet, system_of


async def test_a_failure_is_as_deep_as_there_are_supervisors() -> None:
    """K3.1: P9: one group each, no wrappers; K3.2: with notes on the crash inside."""
    crash = ValueError("the crash")
    inner = SupervisorSpec("inner", intensity=0, children=[ChildSpec("a", Doer)])
    with pytest.raises(EscalatedFailure) as caught:
        async with system_of(SupervisorSpec("mid", intensity=0, children=[inner]), intensity=0) as (
            system
        ):
            await system.lookup("s/mid/inner/a").tell(Crash(crash))
            await anyio.sleep_forever()
    failure: Any = caught.value
    for path in ("s", "s/mid", "s/mid/inner"):
        assert isinstance(failure, EscalatedFailure)
        assert failure.path == path
        (failure,) = failure.exceptions
    assert failure is crash
    assert crash.__notes__ == ["in actor 's/mid/inner/a', generation 1, while it handled Crash"]


async def test_a_supervisor_restarts_with_the_children_of_its_spec() -> None:
    """K3.3: refs to those stay good; those started at run time are gone."""
    inner = SupervisorSpec("inner", intensity=0, children=[ChildSpec("a", Doer)])
    async with system_of(inner) as system:
        a = system.lookup("s/inner/a")
        added = await system.start_child(ChildSpec("added", Doer), under="s/inner")
        await a.tell(Crash(ValueError()))
        assert await a.ask(Say("good")) == "good"
        assert not added.is_up
        assert [node.name for node in system.tree().children[0].children] == ["a"]
        assert system.tree().children[0].restarts == 1


class Hopeless(Unrecoverable):
    pass


async def test_what_no_restart_can_mend_is_not_restarted() -> None:
    """K3.6: by no supervisor, to the root; one crash is told, and no more."""
    events: list[Event] = []
    inner = SupervisorSpec("inner", intensity=9, children=[ChildSpec("a", Doer)])
    with pytest.raises(EscalatedFailure) as caught:
        async with system_of(inner, intensity=9, observe=events.append) as system:
            await system.lookup("s/inner/a").tell(Crash(Hopeless("never")))
            await anyio.sleep_forever()
    assert caught.value.path == "s"
    assert "no restart can mend this" in str(caught.value)
    crashed = [event for event in events if isinstance(event, Crashed)]
    assert [(event.path, event.restarting) for event in crashed] == [
        ("s/inner/a", False),
        ("s/inner", False),
    ]


class NeverUp(Doer):
    async def on_start(self) -> None:
        raise OSError("no port")


async def test_a_first_start_that_fails_fails_its_supervisor() -> None:
    """K3.4: those that were up already are stopped again."""
    log: list[str] = []
    with pytest.raises(EscalatedFailure, match="'s/b' did not start") as caught:
        async with system_of(ChildSpec("a", lambda: Doer(log)), ChildSpec("b", NeverUp)):
            raise AssertionError("unreachable")
    assert isinstance(caught.value.exceptions[0], OSError)
    assert log == ["a up", "a down"]


async def test_a_child_started_at_run_time_fails_to_whoever_asked() -> None:
    """K3.4: with the very error, and it is forgotten."""
    async with system_of() as system:
        with pytest.raises(OSError, match="no port"):
            await system.start_child(ChildSpec("x", NeverUp))
        assert system.tree().children == ()
        await system.start_child(ChildSpec("x", Doer))
        with pytest.raises(ValueError, match="has a child named 'x'"):
            await system.start_child(ChildSpec("x", Doer))


async def test_a_start_has_a_bound() -> None:
    """K3.4: `start_s`, and the error names the hook and the actor."""

    class Slow(Doer):
        async def on_start(self) -> None:
            await anyio.sleep_forever()

    async with system_of() as system:
        with pytest.raises(TimeoutError, match="on_start of 's/x' took longer than 2 s"):
            await system.start_child(ChildSpec("x", Slow, start_s=2))


async def test_a_restart_that_does_not_come_up_spends_the_budget() -> None:
    """K2.6: a crash in on_start counts like any other."""
    lives = 0

    class UpOnce(Doer):
        async def on_start(self) -> None:
            nonlocal lives
            lives += 1
            if lives > 1:
                raise OSError

    events: list[Event] = []
    with pytest.raises(EscalatedFailure):
        async with system_of(ChildSpec("a", UpOnce), intensity=3, observe=events.append) as system:
            await system.lookup("s/a").tell(Crash(ValueError()))
            await anyio.sleep_forever()
    assert lives == 4
    assert sum(isinstance(event, Crashed) for event in events) == 4


def test_a_class_with_neither_method_is_told_so() -> None:
    class Empty(Actor[str]): ...

    async def main() -> None:
        async with ActorSystem(
            SupervisorSpec("s", children=[ChildSpec("a", Empty)]), observe=quiet
        ):
            pass

    with pytest.raises(EscalatedFailure) as caught:
        anyio.run(main)
    assert "Empty defines neither receive nor receive_batch" in str(caught.value.exceptions[0])


async def test_a_body_that_fails_by_the_failure_of_its_tree_is_told_of_the_tree() -> None:
    """K3.1: the body's own error is the cause's cause: it hangs on the failure."""
    with pytest.raises(EscalatedFailure) as caught:
        async with system_of(ChildSpec("a", Doer), intensity=0) as system:
            try:
                await system.lookup("s/a").ask(Crash(ValueError("root cause")))
            finally:
                with anyio.CancelScope(shield=True):
                    await anyio.sleep(1)
                raise ZeroDivisionError
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert str(caught.value.exceptions[0]) == "root cause"


async def test_a_tree_that_fails_to_start_or_falls_while_cancelled_is_still_stopped() -> None:
    """K7.4, K3.4: in each step of its start."""
    for at_s in (0, 0.5, 1, 1.5, 2, 2.5):
        log: list[str] = []

        class SlowUp(Doer):
            async def on_start(self) -> None:
                await anyio.sleep(1)
                await super().on_start()

        began = anyio.current_time()
        children = [ChildSpec(name, partial(SlowUp, log)) for name in "ab"]
        with anyio.move_on_after(at_s):
            async with system_of(*children):
                await anyio.sleep_forever()
        ups = [line[0] for line in log if line.endswith("up")]
        downs = [line[0] for line in log if line.endswith("down")]
        assert downs == ups[::-1]
        assert anyio.current_time() - began <= at_s + 1
