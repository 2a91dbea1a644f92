"""Trees as data, paths, watching, named timers, and two systems side by side."""

from typing import Any

import anyio
import pytest

from oncue.runtime import (
    Actor,
    ActorDied,
    ActorSystem,
    ChildSpec,
    NoSuchActor,
    Overflow,
    Reason,
    Ref,
    Restart,
    Strategy,
    SupervisorSpec,
    Terminated,
)
from tests.runtime.kit import Crash, Do, Doer, Say, Sleep, quiet, system_of

SPEC = SupervisorSpec(
    "app",
    strategy=Strategy.REST_FOR_ONE,
    children=[
        ChildSpec("db", Doer, capacity=8),
        SupervisorSpec("web", children=[ChildSpec("home", Doer)]),
    ],
)


async def test_the_tree_is_the_same_data_before_and_while_it_runs() -> None:
    """K8.2: paths and kinds are equal; printed, it is one line an actor."""
    system = ActorSystem(SPEC, observe=quiet)
    before = system.tree()
    async with system:
        while_it_runs = system.tree()
    shapes = [[(node.path, node.kind) for node in t.walk()] for t in (before, while_it_runs)]
    assert shapes[0] == shapes[1]
    assert str(SPEC.tree()).splitlines() == [
        "app  [rest_for_one] new",
        "├── db  new",
        "└── web  [one_for_one] new",
        "    └── home  new",
    ]
    assert str(while_it_runs).splitlines()[1] == "├── db  running  0/8 queued  0 handled"


async def test_a_snapshot_shows_what_an_actor_is_doing_and_has_been_through() -> None:
    """K8.2: state, restarts, the message in hand, the last crash."""
    async with system_of(ChildSpec("a", Doer)) as system:
        a = system.lookup("s/a")
        await a.tell(Crash(ValueError("boom")))
        await a.tell(Sleep(10))
        await anyio.sleep(1)
        (node,) = system.tree().children
        assert (node.state, node.generation, node.restarts) == ("running", 2, 1)
        assert (node.current, node.last_crash) == ("Sleep", "ValueError('boom')")


def test_a_spec_that_cannot_be_is_refused_where_it_is_written() -> None:
    """K8.2: with a sentence that names it."""
    with pytest.raises(ValueError, match="has two children named 'a'"):
        SupervisorSpec("s", children=[ChildSpec("a", Doer), ChildSpec("a", Doer)])
    for name in ("", "a/b"):
        with pytest.raises(ValueError, match="name is not empty and has no '/'"):
            ChildSpec(name, Doer)
    with pytest.raises(ValueError, match="capacity must be at least 1"):
        ChildSpec("a", Doer, capacity=0)
    with pytest.raises(ValueError, match="shutdown_s must be None or not negative"):
        ChildSpec("a", Doer, shutdown_s=-1)
    with pytest.raises(ValueError, match="intensity must not be negative"):
        SupervisorSpec("s", intensity=-1)
    assert ChildSpec[str]("a", Doer).name == "a"


async def test_names_are_paths_and_may_be_relative() -> None:
    """K2.2: a name that is not there is answered with the nearest one that is."""
    async with ActorSystem(SPEC, observe=quiet) as system:
        home = system.lookup("app/web/home")
        with pytest.raises(NoSuchActor, match="did you mean 'app/web/home'") as caught:
            system.lookup("app/web/hmoe")
        assert caught.value.nearest == "app/web/home"
        assert await home.ask(Do(lambda a: a.context.lookup("../db").path)) == "app/db"
        assert await home.ask(Do(lambda a: a.context.lookup("./home") == a.ref))
        with pytest.raises(TypeError, match="'app/web' is a supervisor: it takes no messages"):
            await system.lookup("app/web").tell("hello")
        with pytest.raises(TypeError, match="only a supervisor has children"):
            await system.start_child(ChildSpec("x", Doer), under="app/db")


async def test_a_child_started_from_inside_is_a_sibling() -> None:
    """K8.1: unless another supervisor is named."""
    async with ActorSystem(SPEC, observe=quiet) as system:
        home = system.lookup("app/web/home")

        async def start(actor: Doer) -> list[str]:
            first = await actor.context.start_child(ChildSpec("two", Doer))
            second = await actor.context.start_child(ChildSpec("three", Doer), under="app")
            return [first.path, second.path]

        assert await home.ask(Do(start)) == ["app/web/two", "app/three"]


class Watcher(Actor[Ref[Any] | Terminated]):
    def __init__(self, seen: list[tuple[str, int, str, bool]]) -> None:
        self.seen = seen

    async def receive(self, message: Ref[Any] | Terminated) -> None:
        match message:
            case Ref():
                self.context.watch(message)
            case Terminated(ref=ref, generation=generation, error=error, final=final):
                self.seen.append((ref.path, generation, type(error).__name__, final))


async def test_a_watcher_hears_of_each_end_and_whether_it_is_the_last() -> None:
    """K8.3: of one that has ended already, too."""
    seen: list[tuple[str, int, str, bool]] = []
    children: list[ChildSpec[Any]] = [
        ChildSpec("w", lambda: Watcher(seen)),
        ChildSpec("a", Doer),
        ChildSpec("t", Doer, restart=Restart.TEMPORARY),
    ]
    async with system_of(*children) as system:
        w, a, t = (system.lookup(f"s/{name}") for name in "wat")
        for ref in (a, t, a):
            await w.tell(ref)
        await anyio.sleep(1)
        await a.tell(Crash(ValueError()))
        await anyio.sleep(1)
        await system.stop_child(a)
        await t.tell(Crash(OSError()))
        await anyio.sleep(1)
        await w.tell(t)
        await anyio.sleep(1)
    assert seen == [
        ("s/a", 1, "ValueError", False),
        ("s/a", 2, "NoneType", True),
        ("s/t", 1, "OSError", True),
        ("s/t", 1, "NoneType", True),
    ]


async def test_named_timers_fire_once_or_again_and_again() -> None:
    """K8.4: by the event loop's clock."""
    log: list[str] = []
    async with system_of(ChildSpec("a", lambda: Doer(log))) as system:
        a = system.lookup("s/a")
        await a.ask(Do(lambda actor: actor.context.timers.after("once", 3, "once")))
        await a.ask(Do(lambda actor: actor.context.timers.every("again", 2, "again")))
        assert await a.ask(Do(lambda actor: actor.context.timers.names)) == ["once", "again"]
        await anyio.sleep(6.5)
        await a.ask(Do(lambda actor: actor.context.timers.cancel("again")))
        await anyio.sleep(10)
        assert await a.ask(Do(lambda actor: actor.context.timers.names)) == []
    assert log == ["a up", "a again", "a once", "a again", "a again", "a down"]


async def test_a_cancelled_timer_delivers_nothing_not_even_what_was_queued() -> None:
    """K8.4: nor does a replaced one."""
    log: list[str] = []
    async with system_of(ChildSpec("a", lambda: Doer(log))) as system:
        a = system.lookup("s/a")

        async def queue_and_cancel(actor: Doer) -> None:
            timers = actor.context.timers
            timers.after("cancelled", 1, "cancelled")
            timers.after("replaced", 1, "old")
            await anyio.sleep(2)
            assert timers.cancel("cancelled")
            timers.after("replaced", 1, "new")
            assert not timers.cancel("no such")

        await a.ask(Do(queue_and_cancel))
        await anyio.sleep(5)
    assert log == ["a up", "a new", "a down"]


async def test_a_timer_dies_with_its_incarnation() -> None:
    """K8.4: and a slow actor finds one message of a periodic one, not a heap."""
    log: list[str] = []
    async with system_of(ChildSpec("a", lambda: Doer(log))) as system:
        a = system.lookup("s/a")
        await a.ask(Do(lambda actor: actor.context.timers.every("t", 1, "tick")))
        await a.tell(Sleep(5.5))
        await anyio.sleep(5.6)
        assert log.count("a tick") == 1
        with pytest.raises(ActorDied):
            await a.ask(Crash(ValueError()))
        await anyio.sleep(10)
        assert log.count("a tick") == 1


async def test_a_timer_for_a_full_mailbox_is_a_dead_letter_and_no_crash() -> None:
    """K8.4, K4.3."""
    async with system_of(ChildSpec("a", Doer, capacity=1, overflow=Overflow.BLOCK)) as system:
        a = system.lookup("s/a")
        await a.ask(Do(lambda actor: actor.context.timers.after("t", 2, "tick")))
        await a.tell(Sleep(5))
        await anyio.sleep(1)
        await a.tell("fills it")
        await anyio.sleep(10)
        assert [(d.message, d.reason) for d in system.dead_letters()] == [("tick", Reason.OVERFLOW)]
        assert a.is_up


async def test_two_systems_in_one_process_do_not_meet() -> None:
    """K8.5: same names, other actors; one's failure is not the other's."""
    async with system_of(ChildSpec("a", Doer)) as one, system_of(ChildSpec("a", Doer)) as two:
        a, b = one.lookup("s/a"), two.lookup("s/a")
        assert a != b
        await a.tell(Crash(ValueError()))
        assert await a.ask(Say("one")) == "one"
        assert [s.tree().children[0].restarts for s in (one, two)] == [1, 0]
        assert await b.ask(Say("two")) == "two"
