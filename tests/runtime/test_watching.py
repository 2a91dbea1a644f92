"""Death notices, over restarts of the watched, of the watcher, and of those above them."""

from typing import Any

import anyio

from oncue.runtime import Actor, ChildSpec, Ref, Restart, SupervisorSpec, Terminated
from oncue.runtime._ref import cell_of
from tests.runtime.kit import Crash, Doer, Say, system_of

Seen = list[tuple[str, int, bool]]


class Watcher(Actor[Ref[Any] | Terminated | str]):
    def __init__(self, seen: Seen) -> None:
        self.seen = seen

    async def receive(self, message: Ref[Any] | Terminated | str) -> None:
        match message:
            case Ref():
                self.context.watch(message)
            case Terminated(ref=ref, generation=generation, final=final):
                self.seen.append((ref.path, generation, final))
            case str():
                raise ValueError(message)


async def test_a_restart_of_the_supervisor_is_not_the_last_end() -> None:
    """K8.3: the next one is heard of too."""
    seen: Seen = []
    inner = SupervisorSpec("inner", intensity=0, children=[ChildSpec(n, Doer) for n in "ab"])
    async with system_of(ChildSpec("w", lambda: Watcher(seen)), inner) as system:
        a, b = system.lookup("s/inner/a"), system.lookup("s/inner/b")
        await system.lookup("s/w").tell(b)
        await anyio.sleep(1)
        await a.tell(Crash(ValueError()))
        await anyio.sleep(1)
        assert await b.ask(Say("up")) == "up"
        await system.stop_child(b)
        await anyio.sleep(1)
    assert seen == [("s/inner/b", 1, False), ("s/inner/b", 2, True)]


async def test_an_end_that_turns_out_to_be_the_last_is_told_again() -> None:
    """K8.3: when the supervisor above does not restart the one that gave up."""
    seen: Seen = []
    inner = SupervisorSpec(
        "inner", intensity=0, children=[ChildSpec("a", Doer)], restart=Restart.TEMPORARY
    )
    async with system_of(ChildSpec("w", lambda: Watcher(seen)), inner) as system:
        a = system.lookup("s/inner/a")
        await system.lookup("s/w").tell(a)
        await anyio.sleep(1)
        await a.tell(Crash(ValueError()))
        await anyio.sleep(1)
    assert seen == [("s/inner/a", 1, False), ("s/inner/a", 1, True)]


async def test_a_child_started_at_run_time_ends_for_good_with_its_supervisor() -> None:
    """K8.3, K3.3."""
    seen: Seen = []
    inner = SupervisorSpec("inner", intensity=0, children=[ChildSpec("a", Doer)])
    async with system_of(ChildSpec("w", lambda: Watcher(seen)), inner) as system:
        x = await system.start_child(ChildSpec("x", Doer), under="s/inner")
        await system.lookup("s/w").tell(x)
        await anyio.sleep(1)
        await system.lookup("s/inner/a").tell(Crash(ValueError()))
        await anyio.sleep(1)
    assert seen == [("s/inner/x", 1, True)]


async def test_a_watch_dies_with_the_watchers_incarnation() -> None:
    """K8.3: the next one watches for itself; nothing is left behind at the watched."""
    seen: Seen = []
    async with system_of(ChildSpec("w", lambda: Watcher(seen)), ChildSpec("a", Doer)) as system:
        w, a = system.lookup("s/w"), system.lookup("s/a")
        await w.tell(a)
        await w.tell("crash")
        await anyio.sleep(1)
        await a.tell(Crash(ValueError()))
        await anyio.sleep(1)
        for number in range(50):
            spec = ChildSpec(str(number), lambda: Watcher(seen), restart=Restart.TEMPORARY)
            guest = await system.start_child(spec)
            await guest.tell(a)
            await guest.tell("crash")
        await anyio.sleep(1)
        assert not cell_of(a).watchers
    assert seen == []
