"""The end of actors and of trees: in order, in time, and reported."""

import sys
from types import FrameType
from typing import Any

import anyio
import pytest

from oncue.runtime import (
    ActorSystem,
    ChildSpec,
    Event,
    Strategy,
    SupervisorSpec,
)
from tests.runtime.kit import Crash, Do, Doer, Sleep, crashes, quiet, system_of


async def test_children_stop_in_reverse_start_order() -> None:
    """K7.1: one after the other, grandchildren with their supervisor."""
    log: list[str] = []

    class Slow(Doer):
        async def on_stop(self, reason: Exception | None) -> None:
            self.note("stopping")
            await anyio.sleep(1)
            self.note("down")

    def child(name: str) -> ChildSpec[Any]:
        return ChildSpec(name, lambda: Slow(log))

    async with system_of(child("a"), SupervisorSpec("m", children=[child("b")]), child("c")):
        log.clear()
    assert log == [f"{name} {what}" for name in "cba" for what in ("stopping", "down")]


async def test_a_handler_that_takes_too_long_is_cancelled() -> None:
    """K7.1: after the child's own `shutdown_s`."""
    log: list[str] = []
    began = anyio.current_time()
    async with system_of(ChildSpec("a", lambda: Doer(log), shutdown_s=2.0)) as system:
        await system.lookup("s/a").tell(Sleep(100))
        await anyio.sleep(1)
    assert anyio.current_time() - began == 3
    assert log == ["a up", "a down"]


async def test_a_dynamic_supervisors_children_stop_in_parallel() -> None:
    """K7.1: ten that take a second each take one second."""

    class Slow(Doer):
        async def on_stop(self, reason: Exception | None) -> None:
            await anyio.sleep(1)

    children = [ChildSpec(str(number), Slow) for number in range(10)]
    began = anyio.current_time()
    async with system_of(*children, strategy=Strategy.DYNAMIC):
        pass
    assert anyio.current_time() - began == 1


async def test_on_stop_is_shielded_and_bounded() -> None:
    """K7.2: P5: its awaits work in a cancelled tree, and it cannot hang for ever."""
    log: list[str] = []
    events: list[Event] = []

    class Cleans(Doer):
        async def on_stop(self, reason: Exception | None) -> None:
            await anyio.sleep(1)
            self.note("cleaned")
            await anyio.sleep_forever()

    with anyio.move_on_after(1):
        async with system_of(
            ChildSpec("a", lambda: Cleans(log), shutdown_s=3.0), observe=events.append
        ):
            await anyio.sleep_forever()
    assert log == ["a up", "a cleaned"]
    assert anyio.current_time() == pytest.approx(4)
    (crash,) = crashes(events)
    assert str(crash.error) == "on_stop of 's/a' took longer than 3.0 s"


async def test_on_stop_runs_if_and_only_if_on_start_returned() -> None:
    """K7.2: a half-started actor is not asked to clean up."""
    log: list[str] = []

    class HalfUp(Doer):
        async def on_start(self) -> None:
            raise OSError

    async with system_of() as system:
        with pytest.raises(OSError):  # noqa: PT011
            await system.start_child(ChildSpec("x", lambda: HalfUp(log)))
        assert log == []


async def test_on_stop_is_told_the_crash_and_keeps_it() -> None:
    """K1.5, K7.2: an error of its own is noted on the first, which is the one that counts."""
    events: list[Event] = []

    class Bad(Doer):
        async def on_stop(self, reason: Exception | None) -> None:
            assert isinstance(reason, ValueError)
            raise OSError("and this")

    async with system_of(ChildSpec("a", Bad), observe=events.append) as system:
        await system.lookup("s/a").tell(Crash(ValueError("first")))
        await anyio.sleep(1)
        (crash,) = crashes(events)
        assert str(crash.error) == "first"
        assert crash.error.__notes__[-1] == "and on_stop failed in turn: OSError('and this')"


async def test_cancelling_the_owner_stops_the_tree_in_order() -> None:
    """K7.4: P5: handlers in hand may end, each within its bound."""
    log: list[str] = []

    async def slow(actor: Doer) -> None:
        await anyio.sleep(2)
        actor.note("done")

    async with anyio.create_task_group() as group:
        children = [ChildSpec(name, lambda: Doer(log)) for name in "ab"]
        system = await group.start(system_of(*children).run)
        for name in "ab":
            await system.lookup(f"s/{name}").tell(Do(slow))
        await anyio.sleep(1)
        group.cancel_scope.cancel()
    assert [line for line in log if "down" in line] == ["b down", "a down"]
    assert {"a done", "b done"} < set(log)
    assert anyio.current_time() == 2


async def test_the_systems_bound_ends_everything_at_once() -> None:
    """K7.5: whatever the children's own bounds."""
    children = [ChildSpec(str(n), Doer, shutdown_s=None) for n in range(5)]
    async with system_of(*children, shutdown_s=3.0) as system:
        for number in range(5):
            await system.lookup(f"s/{number}").tell(Sleep(1000))
    assert anyio.current_time() == 3


async def test_stop_ends_run_and_a_system_may_run_again() -> None:
    """K8.1: never twice at once."""
    log: list[str] = []
    system = system_of(ChildSpec("a", lambda: Doer(log)))
    for _ in range(2):
        async with anyio.create_task_group() as group:
            await group.start(system.run)
            with pytest.raises(RuntimeError, match="already"):
                async with system:
                    pass
            await system.stop()
        assert not system.running
    assert log == ["a up", "a down"] * 2
    with pytest.raises(RuntimeError, match="is not running; use"):
        system.lookup("s/a")


async def test_a_system_is_entered_and_left_in_one_task() -> None:
    """K8.1: P4: there is no start and close to be called from two tasks, which on trio corrupts
    the stack of cancel scopes; what may outlive a block is `run`, in a task group."""
    system = system_of(ChildSpec("a", Doer))
    assert not {"start", "aclose", "close", "open"} & set(dir(system))
    async with anyio.create_task_group() as group:

        async def starter() -> None:
            await group.start(system.run)

        async with anyio.create_task_group() as inner:
            inner.start_soon(starter)  # this task ends, the system lives on
        assert system.running
        with anyio.move_on_after(1):
            await anyio.sleep_forever()
        await system.stop()
    assert not system.running


async def test_an_error_of_the_body_comes_out_as_it_is() -> None:
    """K8.1: not in a group; the tree is stopped first."""
    log: list[str] = []
    with pytest.raises(ZeroDivisionError):
        async with system_of(ChildSpec("a", lambda: Doer(log))):
            _ = 1 // 0
    assert log == ["a up", "a down"]


async def test_a_system_is_a_child_like_any_other() -> None:
    """K8.1: the whole tree under somebody else's supervisor, restarted by it."""
    graph = SupervisorSpec("graph", intensity=0, children=[ChildSpec("a", Doer)])
    outer = SupervisorSpec("app", children=[ChildSpec("mine", Doer), graph])
    async with ActorSystem(outer, observe=quiet) as system:
        a = system.lookup("app/graph/a")
        await a.tell(Crash(ValueError()))
        assert await a.ask(Do(lambda actor: actor.context.path)) == "app/graph/a"
        assert [node.restarts for node in system.tree().children] == [0, 1]


async def test_stopping_a_child_for_good() -> None:
    """K7.1: it makes room for another of its name; the root stops with its system only."""
    async with system_of(ChildSpec("a", Doer)) as system:
        a = system.lookup("s/a")
        await system.stop_child(a)
        await system.stop_child(a)
        assert not a.is_up
        again = await system.start_child(ChildSpec("a", Doer))
        assert again.is_up
        assert again != a
        with pytest.raises(ValueError, match="is the root"):
            await system.stop_child(system.lookup("s"))


async def test_an_actor_cannot_wait_for_its_own_end() -> None:
    async with system_of(ChildSpec("a", Doer)) as system:
        wait = Do(lambda actor: actor.context.stop_child(actor.ref))
        with pytest.raises(Exception, match="died"):
            await system.lookup("s/a").ask(wait)
        assert "use context.stop()" in str(system.tree().children[0].last_crash)


class Steps:
    """Counts the bytecodes that the runtime runs: the same in every run, unlike seconds."""

    def __init__(self) -> None:
        self.count = 0

    def trace(self, frame: FrameType, event: str, _about: object) -> Any:
        if not frame.f_globals.get("__name__", "").startswith("oncue.runtime."):
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        self.count += event == "opcode"
        return self.trace


async def test_the_stop_of_many_static_children_takes_steps_in_proportion_to_them() -> None:
    """K7.1: no child is looked up among all the others."""

    async def steps_of_stop(children: int) -> int:
        steps, before = Steps(), sys.gettrace()
        try:
            async with system_of(*(ChildSpec(str(number), Doer) for number in range(children))):
                sys.settrace(steps.trace)
        finally:
            sys.settrace(before)
        return steps.count

    assert await steps_of_stop(800) < 8.5 * await steps_of_stop(100)
