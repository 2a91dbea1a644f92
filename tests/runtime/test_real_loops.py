"""The kernel in real time: asyncio, trio, uvloop, and asyncio with eager tasks.

Eager tasks (Python 3.12) run a child's first steps before `start_soon` returns, and uvloop
has timers and callbacks of its own: what the other tests prove in virtual time is looked at
here once more, on events with deadlines.
"""

from collections.abc import Callable
from contextlib import suppress

import anyio
import anyio.lowlevel
import pytest

from oncue.runtime import (
    ActorDied,
    AskTimeout,
    Backoff,
    ChildSpec,
    EscalatedFailure,
    Restart,
    Strategy,
    SupervisorSpec,
)
from oncue.testing import wait_until_idle
from tests.runtime.kit import Crash, Do, Doer, Say, Sleep, system_of

pytestmark = pytest.mark.real_backends


async def until(condition: Callable[[], bool]) -> None:
    with anyio.fail_after(10):
        while not condition():  # noqa: ASYNC110
            await anyio.sleep(0.001)


async def test_crashes_restart_and_queued_messages_stay() -> None:
    """K2.1, K2.2, K6.2: a storm within its budget."""
    log: list[str] = []
    async with system_of(ChildSpec("a", lambda: Doer(log)), intensity=100) as system:
        a = system.lookup("s/a")
        for number in range(20):
            a.tell_nowait(f"{number}")
            with pytest.raises(ActorDied):
                await a.ask(Crash(ValueError()))
        assert await a.ask(Say("end")) == "end"
        assert system.tree().children[0].generation == 21
    assert [line[2:] for line in log if line[2:].isdigit()] == [str(n) for n in range(20)]
    assert log.count("a up") == log.count("a down by ValueError") + 1


async def test_asks_end_and_leave_the_actor_well() -> None:
    """K6.1, K6.4."""
    async with system_of(ChildSpec("a", Doer)) as system:
        a = system.lookup("s/a")
        with pytest.raises(AskTimeout):
            await a.ask(Sleep(0.1), timeout_s=0.02)
        with anyio.move_on_after(0.02):
            await a.ask(Sleep(0.1))
        assert await a.ask(Say("next")) == "next"


async def test_groups_restart_in_order_and_stop_in_reverse() -> None:
    """K2.5, K7.1."""
    log: list[str] = []
    children = [ChildSpec(name, lambda: Doer(log)) for name in "abc"]
    async with system_of(*children, strategy=Strategy.ONE_FOR_ALL) as system:
        log.clear()
        await system.lookup("s/b").tell(Crash(ValueError()))
        await until(lambda: log.count("c up") == 1)
        await wait_until_idle(system)
        assert log == ["b down by ValueError", "c down", "a down", "a up", "b up", "c up"]
        log.clear()
    assert log == ["c down", "b down", "a down"]


async def test_a_failure_goes_up_and_out() -> None:
    """K3.1."""
    inner = SupervisorSpec("inner", intensity=0, children=[ChildSpec("a", Doer)])
    with pytest.raises(EscalatedFailure) as caught:
        async with system_of(inner, intensity=0) as system:
            await system.lookup("s/inner/a").tell(Crash(ValueError()))
            await anyio.sleep_forever()
    assert isinstance(caught.value.exceptions[0], EscalatedFailure)


async def test_children_come_and_go_while_others_are_killed() -> None:
    """K5.2, K7.1: a few hundred of them."""
    spec = SupervisorSpec("d", Strategy.DYNAMIC, intensity=10_000)
    async with system_of(spec) as system:

        async def live(number: int) -> None:
            child = ChildSpec(str(number), Doer, restart=Restart.TRANSIENT)
            ref = await system.start_child(child, under="s/d")
            for _ in range(3):
                ref.tell_nowait(Sleep(0.02))
                await anyio.lowlevel.checkpoint()
                system.kill(ref)
            with suppress(ActorDied):
                assert await ref.ask(Say("well")) == "well"
            await system.stop_child(ref)

        async with anyio.create_task_group() as group:
            for number in range(100):
                group.start_soon(live, number)
        assert system.tree().children[0].children == ()


async def test_cancelling_the_owner_is_an_orderly_stop() -> None:
    """K7.4, K2.7: while one handles, one waits for its back-off and one is starting."""
    log: list[str] = []

    class SlowUp(Doer):
        async def on_start(self) -> None:
            await anyio.sleep(0.05)
            await super().on_start()

    children = [
        ChildSpec("busy", lambda: Doer(log)),
        ChildSpec("off", lambda: Doer(log), backoff=Backoff(first_s=10)),
    ]
    handled: list[str] = []

    async def slow(actor: Doer) -> None:
        await anyio.sleep(0.1)
        handled.append("done")

    async with anyio.create_task_group() as group:
        system = await group.start(system_of(*children).run)
        await system.lookup("s/busy").tell(Do(slow))
        await system.lookup("s/off").tell(Crash(ValueError()))
        await until(lambda: "off down by ValueError" in log)
        group.start_soon(system.start_child, ChildSpec("slow", lambda: SlowUp(log)))
        await anyio.sleep(0.01)
        group.cancel_scope.cancel()
    assert handled == ["done"]
    assert log[-1] == "busy down"
