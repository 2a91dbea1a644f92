"""How incarnations end, and what their supervisors make of it."""

import gc
import weakref
from contextvars import ContextVar
from itertools import pairwise
from typing import Any, cast

import anyio
import pytest

from oncue.runtime import (
    ActorDied,
    Backoff,
    ChildSpec,
    EscalatedFailure,
    Event,
    Restart,
    Strategy,
)
from oncue.testing import VirtualClock
from tests.runtime.kit import Crash, Do, Doer, Say, Sleep, crashes, system_of

REQUEST: ContextVar[str] = ContextVar("request", default="none")


async def test_a_crash_leaves_the_siblings_alone() -> None:
    """K1.1: the sibling's long handler is not cancelled by it."""
    async with system_of(ChildSpec("a", Doer), ChildSpec("b", Doer)) as system:
        a, b = system.lookup("s/a"), system.lookup("s/b")
        replies: list[str] = []
        async with anyio.create_task_group() as group:

            async def ask() -> None:
                replies.append(await b.ask(Sleep(1)))

            group.start_soon(ask)
            await anyio.sleep(0.1)
            await a.tell(Crash(ValueError()))
        assert replies == ["slept"]
        assert [node.generation for node in system.tree().children] == [2, 1]


async def test_an_outside_cancellation_is_no_crash() -> None:
    """K1.2: P3: nothing is restarted and nothing is reported when the owner is cancelled."""
    events: list[Event] = []
    log: list[str] = []
    with anyio.move_on_after(1):
        async with system_of(ChildSpec("a", lambda: Doer(log)), observe=events.append) as system:
            await system.lookup("s/a").tell(Sleep(0.5))
            await anyio.sleep_forever()
    assert log == ["a up", "a down"]
    assert events == []


async def test_an_error_named_like_a_cancellation_is_a_crash() -> None:
    """K1.2: the type of an exception decides nothing."""

    class Cancelled(Exception): ...

    events: list[Event] = []
    async with system_of(ChildSpec("a", Doer), observe=events.append) as system:
        a = system.lookup("s/a")
        with pytest.raises(ActorDied):
            await a.ask(Crash(Cancelled()))
        await a.ask(Do(lambda actor: None))
    assert len(crashes(events)) == 1


async def test_a_killed_handler_that_fails_in_its_own_group_ends_like_any_killed_one() -> None:
    """K1.3: P8: the cleanup's error reaches neither the group nor the siblings."""
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

    async with system_of(ChildSpec("a", Doer), ChildSpec("b", Doer), observe=events.append) as (
        system
    ):
        a, b = system.lookup("s/a"), system.lookup("s/b")
        await a.tell(Do(group_that_fails))
        await started.wait()
        system.kill(a)
        assert await a.ask(Say("again")) == "again"
        assert await b.ask(Say("unharmed")) == "unharmed"
        assert [node.restarts for node in system.tree().children] == [1, 0]


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_what_means_to_end_the_program_does(backend: str) -> None:
    """K1.4: it leaves the system, whatever the supervisors would do."""

    def leave(actor: Doer) -> None:
        raise SystemExit(3)

    async def main() -> None:
        async with system_of(ChildSpec("a", Doer)) as system:
            await system.lookup("s/a").tell(Do(leave))
            await anyio.sleep_forever()

    with pytest.raises((SystemExit, BaseExceptionGroup)) as caught:
        anyio.run(main, backend=backend)
    error: Any = caught.value
    while isinstance(error, BaseExceptionGroup):  # trio wraps what leaves its nurseries
        error = cast("BaseExceptionGroup[BaseException]", error).exceptions[0]
    assert isinstance(error, SystemExit)
    assert error.code == 3


async def test_the_next_life_begins_after_the_last_ones_on_stop() -> None:
    """K2.1: however long that takes."""
    log: list[str] = []

    class Slow(Doer):
        async def on_stop(self, reason: Exception | None) -> None:
            await anyio.sleep(3)
            await super().on_stop(reason)

    async with system_of(ChildSpec("a", lambda: Slow(log))) as system:
        a = system.lookup("s/a")
        await a.tell(Crash(ValueError()))
        await a.tell("next")
        await anyio.sleep(10)
    assert log == ["a up", "a down by ValueError", "a up", "a next", "a down"]


async def test_refs_and_queued_messages_stay_good_over_a_restart() -> None:
    """K2.2: and messages keep their order."""
    log: list[str] = []
    async with system_of(ChildSpec("a", lambda: Doer(log))) as system:
        a = system.lookup("s/a")
        a.tell_nowait("one")
        a.tell_nowait(Crash(ValueError()))
        a.tell_nowait("two")
        assert await a.ask(Say("three")) == "three"
        assert system.lookup("s/a") == a
    assert log == ["a up", "a one", "a down by ValueError", "a up", "a two", "a three", "a down"]


async def test_a_restart_inherits_nothing_from_whoever_caused_it() -> None:
    """K2.3: P18: neither the crashing caller's context variables nor the last life's."""
    seen: list[str] = []

    class Reads(Doer):
        async def on_start(self) -> None:
            seen.append(REQUEST.get())

        async def receive(self, message: Any) -> object:
            REQUEST.set("handled")
            return await super().receive(message)

    REQUEST.set("opened")
    async with system_of(ChildSpec("a", Reads)) as system:
        REQUEST.set("request-42")
        with pytest.raises(ActorDied):
            await system.lookup("s/a").ask(Crash(ValueError()))
        await system.start_child(ChildSpec("b", Reads))
        await anyio.sleep(1)
    assert seen == ["opened"] * 3


@pytest.mark.parametrize(
    ("restart", "after_normal", "after_crash", "after_kill"),
    [
        (Restart.PERMANENT, True, True, True),
        (Restart.TRANSIENT, False, True, True),
        (Restart.TEMPORARY, False, False, False),
    ],
)
async def test_which_ends_call_for_a_new_life(
    restart: Restart, after_normal: bool, after_crash: bool, after_kill: bool
) -> None:
    """K2.4: as Erlang/OTP's restart types say."""
    children = [ChildSpec(name, Doer, restart=restart) for name in ("n", "c", "k")]
    async with system_of(*children) as system:
        await system.lookup("s/n").tell(Do(lambda actor: actor.context.stop()))
        await system.lookup("s/c").tell(Crash(ValueError()))
        await system.lookup("s/k").tell(Sleep(100))
        await anyio.sleep(0.1)
        system.kill(system.lookup("s/k"))
        await anyio.sleep(0.1)
        up = [system.lookup(f"s/{name}").is_up for name in "nck"]
    assert up == [after_normal, after_crash, after_kill]


@pytest.mark.parametrize(
    ("strategy", "stopped", "restarted"),
    [
        (Strategy.ONE_FOR_ONE, [], ["b"]),
        (Strategy.ONE_FOR_ALL, ["c", "a"], ["a", "b", "c"]),
        (Strategy.REST_FOR_ONE, ["c"], ["b", "c"]),
    ],
)
async def test_who_shares_the_fate_of_the_fallen(
    strategy: Strategy, stopped: list[str], restarted: list[str]
) -> None:
    """K2.5: stopped in reverse start order, restarted in start order."""
    log: list[str] = []
    children = [ChildSpec(name, lambda: Doer(log)) for name in "abc"]
    async with system_of(*children, strategy=strategy) as system:
        log.clear()
        await system.lookup("s/b").tell(Crash(ValueError()))
        await anyio.sleep(1)
        assert log == [
            "b down by ValueError",
            *(f"{name} down" for name in stopped),
            *(f"{name} up" for name in restarted),
        ]


async def test_one_restart_too_many_and_the_supervisor_gives_up() -> None:
    """K2.6: it stops its other children first."""
    log: list[str] = []
    with pytest.raises(EscalatedFailure, match=r"more than 2 restarts in 5.0 s"):
        async with system_of(
            ChildSpec("a", lambda: Doer(log)), ChildSpec("b", lambda: Doer(log)), intensity=2
        ) as system:
            for _ in range(3):
                await system.lookup("s/a").tell(Crash(ValueError()))
                await anyio.sleep(0.1)
            await anyio.sleep_forever()
    assert log[-1] == "b down"
    assert log.count("a up") == 3


async def test_restarts_that_are_far_apart_are_no_storm() -> None:
    """K2.6: the budget is per period."""
    async with system_of(ChildSpec("a", Doer), intensity=1, period_s=5) as system:
        for _ in range(10):
            await system.lookup("s/a").tell(Crash(ValueError()))
            await anyio.sleep(5.1)
        assert system.tree().children[0].restarts == 10


async def test_normal_ends_of_a_permanent_child_spend_the_budget_too() -> None:
    """K2.6: P15: and the failure says so instead of ending in silence."""
    with pytest.raises(EscalatedFailure) as caught:
        async with system_of(ChildSpec("a", Doer), intensity=1) as system:
            for _ in range(2):
                await system.lookup("s/a").tell(Do(lambda actor: actor.context.stop()))
                await anyio.sleep(0.1)
            await anyio.sleep_forever()
    assert "normal" in caught.value.exceptions[0].__notes__[0]


async def test_back_off_grows_and_starts_over_after_a_long_life(clock: VirtualClock) -> None:
    """K2.7: and messages wait for the next life."""
    ups: list[float] = []

    class Timed(Doer):
        async def on_start(self) -> None:
            ups.append(clock.monotonic())

    backoff = Backoff(first_s=1, factor=2, max_s=60, jitter=0)
    async with system_of(ChildSpec("a", Timed, backoff=backoff), intensity=100) as system:
        a = system.lookup("s/a")
        for _ in range(4):
            with pytest.raises(ActorDied):
                await a.ask(Crash(ValueError()))
            assert await a.ask(Say("waits"), timeout_s=100) == "waits"
        await anyio.sleep(60)
        with pytest.raises(ActorDied):
            await a.ask(Crash(ValueError()))
        await a.ask(Say("waits"), timeout_s=100)
    assert [round(after - before, 6) for before, after in pairwise(ups)] == [
        1, 2, 4, 8, 61,
    ]  # fmt: skip


def test_back_off_is_spread_by_jitter_and_bounded() -> None:
    """K2.7: 20 percent either way by default, and never a float too large."""
    backoff = Backoff(first_s=1, factor=10, max_s=100)
    assert [backoff.delay_s(1, r) for r in (0.0, 0.5)] == [0.8, 1.0]
    assert backoff.delay_s(10_000, 0.5) == 100


async def test_nothing_restarts_while_its_supervisor_stops() -> None:
    """K2.8: P7: a child that crashes in its on_stop stays down."""
    log: list[str] = []

    class BadEnd(Doer):
        async def on_stop(self, reason: Exception | None) -> None:
            self.note("down")
            raise ValueError("in on_stop")

    events: list[Event] = []
    async with system_of(
        ChildSpec("a", lambda: BadEnd(log)),
        ChildSpec("b", lambda: BadEnd(log)),
        observe=events.append,
    ):
        pass
    assert log == ["a up", "b up", "b down", "a down"]
    assert [(event.path, event.restarting) for event in crashes(events)] == [
        ("s/b", False),
        ("s/a", False),
    ]


async def test_the_row_of_back_offs_goes_on_over_starts_that_fail(clock: VirtualClock) -> None:
    """K2.7: an incarnation that never came up has not lived, however long ago the last one did."""
    tries: list[float] = []

    class UpOnce(Doer):
        async def on_start(self) -> None:
            tries.append(clock.monotonic())
            if 1 < len(tries) < 7:
                raise OSError

    backoff = Backoff(first_s=1, factor=2, max_s=4, jitter=0)
    async with system_of(ChildSpec("a", UpOnce, backoff=backoff), intensity=100) as system:
        a = system.lookup("s/a")
        await a.tell(Crash(ValueError()))
        await a.ask(Say("waits"), timeout_s=100)
    assert [after - before for before, after in pairwise(tries)] == [1, 2, 4, 4, 4, 4]


async def test_a_crash_keeps_nothing_of_its_actor_alive() -> None:
    """K8.2: the tree remembers what the last crash was, not its frames."""
    gone: list[weakref.ref[Doer]] = []

    def crash(actor: Doer) -> None:
        raise ValueError("long" * 1000)

    async with system_of(ChildSpec("a", Doer)) as system:
        a = system.lookup("s/a")
        await a.ask(Do(lambda actor: gone.append(weakref.ref(actor))))
        with pytest.raises(ActorDied):
            await a.ask(Do(crash))
        assert await a.ask(Say("next")) == "next"
        gc.collect()
        assert gone[0]() is None
        assert len(system.tree().children[0].last_crash or "") < 250
