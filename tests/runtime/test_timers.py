"""Named timers: full mailboxes, ends, and what they leave in the heap of deadlines."""

from typing import Any

import anyio

from oncue.runtime import ChildSpec, Overflow, Reason
from oncue.runtime._ref import cell_of
from tests.runtime.kit import Do, Doer, Sleep, system_of


async def test_a_periodic_timer_outlives_a_full_mailbox() -> None:
    """K8.4, K4.3: what found no room is a dead letter; the next one is sent."""
    log: list[str] = []
    async with system_of(ChildSpec("a", lambda: Doer(log), capacity=1)) as system:
        a = system.lookup("s/a")
        await a.ask(Do(lambda actor: actor.context.timers.every("t", 1, "tick")))
        await a.tell(Sleep(2.5))
        await anyio.sleep(0.1)
        await a.tell("fills it")
        await anyio.sleep(5)
        assert [d.reason for d in system.dead_letters()] == [Reason.OVERFLOW] * 2
        assert log.count("a tick") == 3


async def test_a_periodic_timer_outlives_the_drop_of_its_message() -> None:
    """K8.4, K4.1."""
    log: list[str] = []
    spec = ChildSpec("a", lambda: Doer(log), capacity=1, overflow=Overflow.DROP_OLD)
    async with system_of(spec) as system:
        a = system.lookup("s/a")
        await a.ask(Do(lambda actor: actor.context.timers.every("t", 1, "tick")))
        await a.tell(Sleep(2.5))
        await anyio.sleep(1.5)
        await a.tell("drops the tick")
        await anyio.sleep(4)
        assert log.count("a tick") >= 3


async def test_a_timer_set_in_on_stop_dies_too() -> None:
    """K8.4: it is one of this incarnation's."""

    class Late(Doer):
        async def on_stop(self, reason: Exception | None) -> None:
            self.context.timers.after("late", 1, "late")

    log: list[str] = []
    async with system_of(ChildSpec("a", lambda: Late(log))) as system:
        await system.lookup("s/a").tell(Do(lambda actor: actor.context.stop()))
        await anyio.sleep(5)
    assert log == ["a up", "a up"]


async def test_what_a_cancelled_timer_had_queued_is_no_dead_letter() -> None:
    """K8.4, K4.2: it is skipped, also when the actor ends before it comes to it."""
    async with system_of(ChildSpec("a", Doer)) as system:
        a = system.lookup("s/a")

        async def fire_and_end(actor: Doer) -> None:
            actor.context.timers.after("t", 1, "tick")
            await anyio.sleep(2)

        await a.tell(Do(fire_and_end))
        await anyio.sleep(1.5)
        await system.stop_child(a)
        mailbox = cell_of(a).mailbox
        assert mailbox is not None
        assert (mailbox.handled, mailbox.skipped, mailbox.dead) == (1, 1, 0)
        assert list(system.dead_letters()) == []


async def test_a_message_that_cancels_its_own_timer_and_crashes_is_a_dead_letter() -> None:
    """K4.3: it was in hand."""
    async with system_of(ChildSpec("a", Doer)) as system:

        def cancel_and_crash(actor: Doer) -> None:
            actor.context.timers.cancel("t")
            raise ValueError

        message = Do(cancel_and_crash)
        await system.lookup("s/a").ask(
            Do(lambda actor: actor.context.timers.after("t", 1, message))
        )
        await anyio.sleep(2)
        assert [(d.message, d.reason) for d in system.dead_letters()] == [(message, Reason.CRASHED)]


async def test_a_timer_set_anew_at_each_message_leaves_no_heap_behind() -> None:
    """K8.4: the idle time-out of an actor with many messages."""

    def push_back(actor: Doer) -> Any:
        actor.context.timers.after("idle", 3600, "idle")

    async with system_of(ChildSpec("a", Doer)) as system:
        a = system.lookup("s/a")
        for _ in range(1000):
            await a.tell(Do(push_back))
        await a.ask(Do(push_back))
        assert len(cell_of(a).core.alarms) < 200
