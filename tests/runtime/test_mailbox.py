"""Mailboxes: bounded, accounted for, and fair to the event loop."""

from contextlib import suppress
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint

from oncue.runtime import (
    ActorDied,
    ActorStopped,
    ActorSystem,
    AskTimeout,
    ChildSpec,
    MailboxFull,
    Overflow,
    Reason,
    Restart,
    SupervisorSpec,
)
from oncue.runtime._ref import Ref, cell_of
from tests.runtime.kit import Crash, Do, Doer, Say, Sleep, quiet, system_of


def account(ref: Ref[Any]) -> dict[str, int]:
    """What became of the messages; the two sides are compared."""
    box = cell_of(ref).mailbox
    assert box is not None
    in_hand = (type(box.in_hand).__name__ != "Marker") + len(box.unanswered or ())
    ends = box.handled + box.dead + box.bounced + box.skipped
    assert box.accepted == ends + in_hand + box.depth, repr(ref)
    return {
        "handled": box.handled,
        "dead": box.dead,
        "bounced": box.bounced,
        "skipped": box.skipped,
    }


async def test_block_makes_the_sender_wait_for_room() -> None:
    """K4.1: the default."""
    async with system_of(ChildSpec("a", Doer, capacity=2)) as system:
        a = system.lookup("s/a")
        await a.tell(Sleep(10))
        await anyio.sleep(1)
        await a.tell("one")
        await a.tell("two")
        with pytest.raises(MailboxFull) as caught:
            a.tell_nowait("three")
        assert (caught.value.message, caught.value.capacity) == ("three", 2)
        began = anyio.current_time()
        await a.tell("three")
        assert anyio.current_time() - began == 9
        assert await a.ask(Say("four")) == "four"
        assert account(a)["handled"] == 5


async def test_fail_tells_the_sender() -> None:
    """K4.1: the message is in the error."""
    async with system_of(ChildSpec("a", Doer, capacity=1, overflow=Overflow.FAIL)) as system:
        a = system.lookup("s/a")
        await a.tell(Sleep(10))
        await anyio.sleep(1)
        await a.tell("one")
        with pytest.raises(MailboxFull) as caught:
            await a.tell("two")
        assert caught.value.message == "two"
        with pytest.raises(MailboxFull):
            await a.ask(Say("three"))
        account(a)


async def test_drop_old_makes_room_by_a_dead_letter() -> None:
    """K4.1, K4.3: an asker whose request is dropped hears of it."""
    log: list[str] = []
    spec = ChildSpec("a", lambda: Doer(log), capacity=2, overflow=Overflow.DROP_OLD)
    async with system_of(spec) as system:
        a = system.lookup("s/a")
        await a.tell(Sleep(10))
        await anyio.sleep(1)
        async with anyio.create_task_group() as group:

            async def ask() -> None:
                with pytest.raises(MailboxFull):
                    await a.ask(Say("asked"))

            group.start_soon(ask)
            await anyio.sleep(1)
            for number in range(4):
                await a.tell(f"told {number}")
        assert [letter.message for letter in system.dead_letters()] == ["told 0", "told 1"]
        assert system.dead_letter_counts() == {Reason.OVERFLOW: 2}
        await anyio.sleep(10)
        assert account(a) == {"handled": 3, "dead": 2, "bounced": 1, "skipped": 0}
    assert log == ["a up", "a told 2", "a told 3", "a down"]


async def test_every_message_is_accounted_for() -> None:
    """K4.2: through crashes, kills, expiries, drops and the end."""
    async with system_of(ChildSpec("a", Doer, capacity=64), intensity=100) as system:
        a = system.lookup("s/a")
        async with anyio.create_task_group() as group:

            async def ask(message: Any, timeout_s: float) -> None:
                with suppress(ActorDied, AskTimeout):
                    await a.ask(message, timeout_s=timeout_s)

            for number in range(20):
                wrong = number % 4 == 1
                group.start_soon(
                    ask, Crash(ValueError()) if wrong else Sleep(0.1), 2 if wrong else 0.3
                )
                await a.tell(Crash(ValueError()) if number % 5 == 0 else f"told {number}")
                await a.tell(Sleep(0.05))
                if number % 7 == 0:
                    system.kill(a)
                account(a)
                await anyio.sleep(0.07)
        await anyio.sleep(10)
        totals = account(a)
        assert sum(totals.values()) == 60
        assert min(totals.values()) > 0
        await a.tell(Sleep(1))
        await anyio.sleep(0.1)
        for _ in range(5):
            await a.tell("left behind")
        await system.stop_child(a)
        assert account(a)["dead"] == totals["dead"] + 5


async def test_a_dead_letter_says_why() -> None:
    """K4.3: crashed in hand, or queued at the end."""
    spec = ChildSpec("a", Doer, restart=Restart.TEMPORARY)
    async with system_of(spec) as system:
        a = system.lookup("s/a")
        error = ValueError("boom")
        a.tell_nowait(Crash(error))
        a.tell_nowait("queued")
        await anyio.sleep(1)
        crashed, stopped = system.dead_letters()
        assert (crashed.reason, crashed.error, crashed.path) == (Reason.CRASHED, error, "s/a")
        assert (stopped.reason, stopped.message) == (Reason.STOPPED, "queued")
        with pytest.raises(ActorStopped) as caught:
            await a.tell("too late")
        assert caught.value.message == "too late"
        with pytest.raises(ActorStopped):
            a.tell_nowait("too late")
        with pytest.raises(ActorStopped):
            await a.ask(Say("too late"))


async def test_a_blocked_sender_is_released_when_the_actor_ends() -> None:
    """K4.4: P13: no teardown waits for a sender that waits for the torn down."""
    async with system_of(ChildSpec("a", Doer, capacity=1, restart=Restart.TEMPORARY)) as system:
        a = system.lookup("s/a")
        await a.tell(Sleep(3))
        await anyio.sleep(1)
        await a.tell("fills it")
        async with anyio.create_task_group() as group:
            group.start_soon(a.tell, "blocked")
            await anyio.sleep(1)
            await system.stop_child(a)
        # It was taken in while the mailbox was emptied, and is accounted for with the rest.
        assert [letter.message for letter in system.dead_letters()] == ["fills it", "blocked"]
        account(a)


async def test_a_blocked_sender_that_is_cancelled_has_sent_nothing() -> None:
    """K4.7, K4.2."""
    log: list[str] = []
    async with system_of(ChildSpec("a", lambda: Doer(log), capacity=1)) as system:
        a = system.lookup("s/a")
        await a.tell(Sleep(5))
        await anyio.sleep(1)
        await a.tell("one")
        with anyio.move_on_after(1):
            await a.tell("never")
        with pytest.raises(AskTimeout):
            await a.ask(Say("never either"), timeout_s=1)
        await anyio.sleep(10)
        account(a)
    assert log == ["a up", "a one", "a down"]


async def test_a_child_may_send_to_its_full_aunt_while_the_tree_stops() -> None:
    """K4.4, K7.1: P13: an on_stop that tells a full mailbox is bounded like any other."""

    class Chatty(Doer):
        async def on_stop(self, reason: Exception | None) -> None:
            await self.context.lookup("./full").tell("goodbye")

    tree = [ChildSpec("full", Doer, capacity=1), ChildSpec("chatty", Chatty, shutdown_s=2.0)]
    began = anyio.current_time()
    async with system_of(*tree) as system:
        full = system.lookup("s/full")
        await full.tell(Sleep(4))
        await anyio.sleep(0.1)
        await full.tell("fills it")
    assert anyio.current_time() - began == pytest.approx(4.1, abs=0.2)


@pytest.mark.real_backends
async def test_senders_and_actors_that_never_wait_let_the_loop_turn() -> None:
    """K4.5: a deadline ends an endless sender, and a busy actor starves nobody."""
    turns = 0

    async def count_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await checkpoint()

    async with system_of(ChildSpec("a", Doer, overflow=Overflow.DROP_OLD)) as system:
        a = system.lookup("s/a")
        async with anyio.create_task_group() as group:
            group.start_soon(count_turns)
            with anyio.move_on_after(0.2):
                while True:
                    await a.tell(Do(lambda actor: None))
            group.cancel_scope.cancel()
        assert turns > 50


async def test_one_senders_messages_keep_their_order() -> None:
    """K4.6: over restarts, and over sends that had to wait."""
    log: list[str] = []
    async with system_of(ChildSpec("a", lambda: Doer(log), capacity=3), intensity=100) as system:
        a = system.lookup("s/a")
        for number in range(40):
            await a.tell(f"{number}")
            if number % 10 == 5:
                await a.tell(Crash(ValueError()))
        await a.ask(Say("end"))
    assert [line[2:] for line in log if line[2:].isdigit()] == [str(n) for n in range(40)]


async def test_a_stop_overtakes_messages_and_interrupts_no_handler() -> None:
    """K5.1: the handler in hand ends; what was queued is bounced or kept."""
    log: list[str] = []
    async with system_of(ChildSpec("a", lambda: Doer(log))) as system:
        a = system.lookup("s/a")

        async def slow(actor: Doer) -> None:
            await anyio.sleep(2)
            actor.note("slow is done")

        await a.tell(Do(slow))
        await a.tell("queued")
        await anyio.sleep(1)
        await system.stop_child(a)
    assert log == ["a up", "a slow is done", "a down"]


async def test_an_idle_actor_hears_of_a_stop_at_once() -> None:
    """K5.1: nothing need be sent to it."""
    async with system_of(ChildSpec("a", Doer)) as system:
        await anyio.sleep(1)
        began = anyio.current_time()
        await system.stop_child(system.lookup("s/a"))
        assert anyio.current_time() == began


@pytest.mark.real_backends
async def test_a_kill_loses_nothing_that_was_not_begun() -> None:
    """K5.2: P17: also when the kill meets the message on its way to an idle actor."""
    log: list[str] = []
    async with ActorSystem(
        SupervisorSpec("s", intensity=10_000, children=[ChildSpec("a", lambda: Doer(log))]),
        observe=quiet,
    ) as system:
        a = system.lookup("s/a")
        for number in range(300):
            if number % 3:
                await checkpoint()
            a.tell_nowait(f"{number}")
            system.kill(a)
            if number % 2:
                await checkpoint()
        await a.ask(Say("end"))
        totals = account(a)
    handled = [line[2:] for line in log if line[2:].isdigit()]
    dead = [str(letter.message) for letter in system.dead_letters()]
    assert sorted([*handled, *dead], key=int) == [str(n) for n in range(300)]
    assert totals["dead"] == len(dead)


async def test_the_oldest_age_is_the_heads() -> None:
    """K8.2: exact while few wait."""
    async with system_of(ChildSpec("a", Doer)) as system:
        a = system.lookup("s/a")
        await a.tell(Sleep(10))
        await anyio.sleep(1)
        await a.tell("one")
        await anyio.sleep(4)
        await a.tell("two")
        (node,) = system.tree().children
        assert (node.mailbox_depth, node.oldest_age_s, node.current) == (2, 4.0, "Sleep")
        assert "2/1024 queued  oldest 4.0 s" in str(system.tree())


@pytest.mark.parametrize("overflow", list(Overflow))
async def test_a_tell_that_is_cancelled_was_not_accepted(overflow: Overflow) -> None:
    """K4.7, K4.2: whichever of the sends it was that let the loop turn."""
    async with system_of(ChildSpec("a", Doer, capacity=300, overflow=overflow)) as system:
        a = system.lookup("s/a")
        await a.tell(Sleep(10))
        await anyio.sleep(1)
        sent = 1
        with anyio.CancelScope() as scope:
            scope.cancel()
            while True:
                await a.tell("more")
                sent += 1
        box = cell_of(a).mailbox
        assert box is not None
        assert box.accepted == sent
        await anyio.sleep(20)
        assert account(a)["handled"] == sent


async def test_a_sender_that_is_refused_for_ever_lets_the_receiver_run() -> None:
    """K4.5: tell is a checkpoint whenever it finds the mailbox full."""
    async with system_of(ChildSpec("a", Doer, capacity=1, overflow=Overflow.FAIL)) as system:
        a = system.lookup("s/a")
        for _ in range(3):
            while True:
                with suppress(MailboxFull):
                    await a.tell("again and again")
                    break
        await anyio.sleep(1)
        assert account(a)["handled"] == 3


@pytest.mark.parametrize("kind", ["tells", "asks", "blocked tells"])
async def test_the_oldest_age_does_not_grow_while_the_mailbox_moves(kind: str) -> None:
    """K8.2: a mailbox that is never empty, and never stands still."""
    capacity = 1 if kind == "blocked tells" else 1024
    async with system_of(ChildSpec("a", Doer, capacity=capacity)) as system:
        a = system.lookup("s/a")

        async def send() -> None:
            while True:
                await (a.ask(Sleep(0.01)) if kind == "asks" else a.tell(Sleep(0.01)))

        async with anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(send)
                if kind == "tells":
                    break
            await anyio.sleep(20)
            (node,) = system.tree().children
            assert node.mailbox_depth > 0
            assert node.oldest_age_s < 15
            group.cancel_scope.cancel()
        await system.stop_child(a)
