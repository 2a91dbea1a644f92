"""Asks: they end, they say why, and they leave nothing behind."""

import gc
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from oncue.runtime import (
    Actor,
    ActorDied,
    ActorStopped,
    AskTimeout,
    ChildSpec,
    Envelope,
    Reason,
    Request,
    Restart,
)
from oncue.runtime._ref import cell_of
from tests.runtime.kit import Crash, Do, Doer, Say, Sleep, system_of


async def test_one_deadline_spans_room_and_reply() -> None:
    """K6.1: P14: the wait for room counts."""
    async with system_of(ChildSpec("a", Doer, capacity=1)) as system:
        a = system.lookup("s/a")
        await a.tell(Sleep(3))
        await anyio.sleep(1)
        await a.tell(Sleep(10))
        began = anyio.current_time()
        with pytest.raises(AskTimeout, match="'s/a' did not answer Sleep in 4 s") as caught:
            await a.ask(Sleep(0), timeout_s=4)
        assert anyio.current_time() - began == 4
        assert isinstance(caught.value, TimeoutError)
        assert caught.value.timeout_s == 4


async def test_the_default_deadline_is_five_seconds() -> None:
    """K6.1: gen_server:call's."""
    async with system_of(ChildSpec("a", Doer)) as system:
        began = anyio.current_time()
        with pytest.raises(AskTimeout):
            await system.lookup("s/a").ask(Sleep(100))
        assert anyio.current_time() - began == 5


async def test_a_crash_is_heard_of_at_once_with_its_cause() -> None:
    """K6.2: P14: before the actor's on_stop, and not as a timeout."""

    class SlowEnd(Doer):
        async def on_stop(self, reason: Exception | None) -> None:
            await anyio.sleep(4)

    async with system_of(ChildSpec("a", SlowEnd)) as system:
        began = anyio.current_time()
        error = ValueError("boom")
        with pytest.raises(ActorDied) as caught:
            await system.lookup("s/a").ask(Crash(error))
        assert anyio.current_time() == began
        assert caught.value.__cause__ is error
        assert (caught.value.path, caught.value.generation) == ("s/a", 1)


async def test_a_kill_has_no_cause() -> None:
    """K6.2."""
    async with system_of(ChildSpec("a", Doer)) as system:
        a = system.lookup("s/a")
        async with anyio.create_task_group() as group:

            async def ask() -> None:
                with pytest.raises(ActorDied) as caught:
                    await a.ask(Sleep(100), timeout_s=200)
                assert caught.value.__cause__ is None

            group.start_soon(ask)
            await anyio.sleep(1)
            system.kill(a)


async def test_an_actor_that_ends_for_good_bounces_its_askers() -> None:
    """K6.3: P14: those in the queue too."""
    spec = ChildSpec("a", Doer, restart=Restart.TEMPORARY)
    async with system_of(spec) as system:
        a = system.lookup("s/a")
        outcomes: list[type[Exception]] = []

        async def ask(message: Any) -> None:
            try:
                await a.ask(message, timeout_s=100)
            except Exception as error:
                outcomes.append(type(error))

        async with anyio.create_task_group() as group:
            group.start_soon(ask, Crash(ValueError()))
            await anyio.lowlevel.checkpoint()
            for _ in range(3):
                group.start_soon(ask, Say("queued"))
        assert sorted(kind.__name__ for kind in outcomes) == ["ActorDied"] + ["ActorStopped"] * 3


async def test_a_late_reply_does_nothing() -> None:
    """K6.4: and does not harm the actor or the next ask."""
    async with system_of(ChildSpec("a", Doer)) as system:
        a = system.lookup("s/a")
        with pytest.raises(AskTimeout):
            await a.ask(Sleep(3), timeout_s=1)
        assert await a.ask(Say("next")) == "next"
        assert system.tree().children[0].generation == 1


async def test_what_nobody_waits_for_any_more_is_not_begun() -> None:
    """K6.4: expired, or its asker cancelled."""
    log: list[str] = []
    async with system_of(ChildSpec("a", lambda: Doer(log))) as system:
        a = system.lookup("s/a")
        await a.tell(Sleep(10))
        with pytest.raises(AskTimeout):
            await a.ask(Say("expired"), timeout_s=1)
        with anyio.move_on_after(1):
            await a.ask(Say("cancelled"))
        assert await a.ask(Say("wanted"), timeout_s=20) == "wanted"
    assert log == ["a up", "a wanted", "a down"]


async def test_a_handler_can_see_that_its_asker_has_gone() -> None:
    """K6.4: by a deadline or a cancellation; of a tell nobody waits, and nobody goes."""
    seen: list[bool] = []

    async def look(actor: Doer) -> None:
        seen.append(actor.context.asker_gone)
        await anyio.sleep(2)
        seen.append(actor.context.asker_gone)

    async with system_of(ChildSpec("a", Doer)) as system:
        a = system.lookup("s/a")
        await a.ask(Do(look))
        with pytest.raises(AskTimeout):
            await a.ask(Do(look), timeout_s=1)
        with anyio.move_on_after(2):
            await a.ask(Do(look))
        await a.tell(Do(look))
        await anyio.sleep(10)
    assert seen == [False, False, False, True, False, True, False, False]


async def test_an_ask_leaves_nothing_behind() -> None:
    """K6.5: neither answered, expired nor cancelled ones."""
    async with system_of(ChildSpec("a", Doer)) as system:
        a = system.lookup("s/a")
        for _ in range(500):
            await a.ask(Say("x"))
        for _ in range(5):
            with pytest.raises(AskTimeout):
                await a.ask(Sleep(2), timeout_s=1)
            with anyio.move_on_after(0.5):
                await a.ask(Sleep(1))
        await anyio.sleep(20)
        core = cell_of(a).core
        assert len(core.alarms) <= 64, "answered asks are cleared away by the heapful"
        gc.collect()
        waiting = [e for e in gc.get_objects() if type(e) is Envelope and not e.answered]
        assert waiting == []


class Page(Request[str]):
    def __init__(self, number: int) -> None:
        self.number = number


class Printer(Actor[Page]):
    """Holds requests until the third, then answers all; page 13 is bad luck."""

    def __init__(self) -> None:
        self.held: list[Envelope] = []
        self.batches: list[int] = []

    async def receive_batch(self, batch: list[Envelope]) -> None:
        self.batches.append(len(batch))
        for envelope in batch:
            page = envelope.message
            assert isinstance(page, Page)
            if page.number == 13:
                raise ValueError("bad luck")
            if page.number < 0:
                envelope.fail(LookupError(page.number))
            elif envelope.wants_reply:
                self.held.append(envelope)
        if len(self.held) >= 3:
            for envelope in self.held:
                page = envelope.message
                assert isinstance(page, Page)
                envelope.reply(f"page {page.number}")
            self.held.clear()


async def test_a_batch_answers_each_now_or_later() -> None:
    """K6.6: in one call all that is queued; errors go to their own asker alone."""
    async with system_of(ChildSpec("p", Printer)) as system:
        p = system.lookup("s/p")
        replies: dict[int, str] = {}

        async def ask(number: int) -> None:
            try:
                replies[number] = await p.ask(Page(number))
            except LookupError:
                replies[number] = "not there"

        async with anyio.create_task_group() as group:
            for number in (1, -1, 2):
                group.start_soon(ask, number)
            await anyio.sleep(1)
            assert replies == {-1: "not there"}
            group.start_soon(ask, 3)
        assert replies == {-1: "not there", 1: "page 1", 2: "page 2", 3: "page 3"}


async def test_what_a_batch_left_unanswered_is_accounted_for_at_a_crash() -> None:
    """K6.6: asks of earlier batches too; the tells of this one are dead letters."""
    async with system_of(ChildSpec("p", Printer)) as system:
        p = system.lookup("s/p")
        died: list[int] = []

        async def ask(number: int) -> None:
            with pytest.raises(ActorDied) as caught:
                await p.ask(Page(number))
            assert isinstance(caught.value.__cause__, ValueError)
            died.append(number)

        async with anyio.create_task_group() as group:
            group.start_soon(ask, 1)
            await anyio.sleep(1)
            p.tell_nowait(Page(2))
            p.tell_nowait(Page(13))
            p.tell_nowait(Page(4))
        assert died == [1]
        letters = [(letter.message, letter.reason) for letter in system.dead_letters()]
        numbers = [message.number for message, _ in letters if isinstance(message, Page)]
        assert numbers == [2, 13, 4]
        assert {reason for _, reason in letters} == {Reason.CRASHED}


async def test_what_is_unanswered_at_an_orderly_end_gets_actor_stopped() -> None:
    """K6.6, K6.3."""
    async with system_of(ChildSpec("p", Printer)) as system:
        p = system.lookup("s/p")
        async with anyio.create_task_group() as group:

            async def ask() -> None:
                with pytest.raises(ActorStopped):
                    await p.ask(Page(1))

            group.start_soon(ask)
            await anyio.sleep(1)
            await system.stop_child(p)


async def test_an_asker_that_gave_up_is_forgotten_by_the_batch() -> None:
    """K6.5, K6.6: a request that is never answered does not pile up."""
    async with system_of(ChildSpec("p", Printer)) as system:
        p = system.lookup("s/p")
        for _ in range(2):
            with pytest.raises(AskTimeout):
                await p.ask(Page(1), timeout_s=1)
        mailbox = cell_of(p).mailbox
        assert mailbox is not None
        assert not mailbox.unanswered
        assert mailbox.skipped == 2


async def test_a_batch_is_bounded() -> None:
    """K6.6: `batch_max` messages a call."""

    class Small(Printer):
        batch_max = 4

    printer = Small()
    async with system_of(ChildSpec("p", lambda: printer)) as system:
        for number in range(10):
            system.lookup("s/p").tell_nowait(Page(number))
        await anyio.sleep(1)
    assert printer.batches == [4, 4, 2]


async def test_a_negative_deadline_is_refused() -> None:
    async with system_of(ChildSpec("a", Doer)) as system:
        with pytest.raises(ValueError, match="timeout_s must not be negative"):
            await system.lookup("s/a").ask(Do(lambda actor: None), timeout_s=-1)
