"""A probe shows a test what was sent, in order, and says what came instead."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import anyio
import pytest

from oncue.runtime import (
    Actor,
    ActorSystem,
    ChildSpec,
    Overflow,
    Ref,
    Request,
    SupervisorSpec,
    Terminated,
)
from oncue.testing import ExpectationFailed, Probe, VirtualClock


@dataclass(frozen=True, slots=True, kw_only=True)
class Add:
    n: int


class Get(Request[int]):
    def __repr__(self) -> str:
        return "Get()"


class Forwarder(Actor[Add]):
    def __init__(self, to: Ref[Add]) -> None:
        self.to = to

    async def receive(self, message: Add) -> None:
        if message.n < 0:
            raise ValueError(message.n)
        await self.to.tell(message)


@asynccontextmanager
async def probed(probe: Probe[Add | Get]) -> AsyncGenerator[ActorSystem]:
    async with ActorSystem(SupervisorSpec("app", children=[probe.child_spec()])) as system:
        yield system


async def test_it_gives_messages_in_the_order_of_their_arrival() -> None:
    probe = Probe[Add | Get]()
    async with probed(probe) as system:
        forwarder = await system.start_child(ChildSpec("f", lambda: Forwarder(probe.ref)))
        for n in (1, 2, 3):
            await forwarder.tell(Add(n=n))
        assert (await probe.expect(Add)).n == 1
        assert await probe.expect(Add(n=2)) == Add(n=2)
        assert await probe.expect(object) == Add(n=3)


async def test_it_waits_for_the_next_message(clock: VirtualClock) -> None:
    probe = Probe[Add | Get]()
    async with probed(probe), anyio.create_task_group() as group:

        async def later() -> None:
            await anyio.sleep(4)
            await probe.ref.tell(Add(n=1))

        group.start_soon(later)
        await probe.expect(Add)
        assert clock.monotonic() == 4


@pytest.mark.parametrize("what", [Get, Add(n=2)])
async def test_another_message_than_expected_fails_at_once_and_stays_the_next(
    clock: VirtualClock, what: object
) -> None:
    probe = Probe[Add | Get]()
    async with probed(probe):
        await probe.ref.tell(Add(n=0))
        await probe.ref.tell(Add(n=1))
        await probe.expect(Add(n=0))
        with pytest.raises(ExpectationFailed) as failure:
            await probe.expect(what)
        assert failure.value.instead == Add(n=1)
        assert failure.value.received == (Add(n=0),)
        assert clock.monotonic() == 0
        expected = "a message of type Get" if what is Get else "Add(n=2)"
        assert str(failure.value) == (
            f"probe 'app/probe' expected {expected}, but Add(n=1) came instead "
            "(1 received before: Add(n=0))"
        )
        await probe.expect(Add(n=1))


async def test_silence_fails_after_the_time_allowed(clock: VirtualClock) -> None:
    probe = Probe[Add | Get]()
    async with probed(probe):
        with pytest.raises(ExpectationFailed, match=r"nothing came within 3 s") as failure:
            await probe.expect(Add, within_s=3)
        assert failure.value.instead is None
        assert clock.monotonic() == 3


async def test_silence_is_what_expect_nothing_waits_for(clock: VirtualClock) -> None:
    probe = Probe[Add | Get]()
    async with probed(probe):
        await probe.expect_nothing(within_s=60)
        assert clock.monotonic() == 60


@pytest.mark.watchdog(10)
async def test_it_waits_without_spinning_after_a_message_too(clock: VirtualClock) -> None:
    probe = Probe[Add | Get]()
    async with probed(probe):
        await probe.ref.tell(Add(n=1))
        await probe.expect(Add)
        await probe.expect_nothing(within_s=60)
        assert clock.monotonic() == 60


async def test_expect_nothing_fails_at_the_first_message(clock: VirtualClock) -> None:
    probe = Probe[Add | Get]()
    async with probed(probe), anyio.create_task_group() as group:

        async def later() -> None:
            await anyio.sleep(4)
            await probe.ref.tell(Add(n=1))

        group.start_soon(later)
        with pytest.raises(ExpectationFailed, match=r"nothing within 60 s, but Add\(n=1\) came"):
            await probe.expect_nothing(within_s=60)
        assert clock.monotonic() == 4


async def test_expect_nothing_counts_what_was_not_expected_before(clock: VirtualClock) -> None:
    probe = Probe[Add | Get]()
    async with probed(probe):
        await probe.ref.tell(Add(n=1))
        await clock.wait_all_tasks_blocked()
        with pytest.raises(ExpectationFailed):
            await probe.expect_nothing()


async def test_it_answers_the_ask_that_was_expected_last() -> None:
    probe = Probe[Add | Get]()
    replies: list[int] = []
    async with probed(probe), anyio.create_task_group() as group:

        async def ask() -> None:
            replies.append(await probe.ref.ask(Get()))

        group.start_soon(ask)
        await probe.expect(Get)
        assert replies == []
        probe.reply(7)
    assert replies == [7]


async def test_it_answers_with_an_error_too() -> None:
    probe = Probe[Add | Get]()
    async with probed(probe), anyio.create_task_group() as group:

        async def ask() -> None:
            with pytest.raises(LookupError, match="no"):
                await probe.ref.ask(Get())

        group.start_soon(ask)
        await probe.expect(Get)
        probe.fail(LookupError("no"))


async def test_only_an_ask_can_be_answered_and_only_once() -> None:
    probe = Probe[Add | Get]()
    async with probed(probe), anyio.create_task_group() as group:
        await probe.ref.tell(Add(n=1))
        await probe.expect(Add)
        with pytest.raises(RuntimeError, match="was no ask"):
            probe.reply(1)
        group.start_soon(probe.ref.ask, Get())
        await probe.expect(Get)
        probe.reply(1)
        with pytest.raises(RuntimeError, match="is answered"):
            probe.reply(2)


async def test_a_rule_answers_asks_as_they_come_and_they_can_be_expected_still() -> None:
    probe = Probe[Add | Get]()
    probe.answer(Get, lambda _: 1)
    async with probed(probe):
        assert await probe.ref.ask(Get()) == 1
        probe.answer(Get, lambda _: 2)
        assert await probe.ref.ask(Get()) == 2
        await probe.expect(Get)
        await probe.expect(Get)


async def test_what_a_rule_raises_is_raised_at_the_asker() -> None:
    def refuse(_: Get) -> int:
        raise LookupError("no")

    probe = Probe[Add | Get]()
    probe.answer(Get, refuse)
    async with probed(probe):
        with pytest.raises(LookupError, match="no"):
            await probe.ref.ask(Get())
        assert probe.ref.is_up


async def test_it_tells_of_deaths_that_it_watches_for() -> None:
    probe = Probe[Add | Get]()
    async with probed(probe) as system:
        forwarder = await system.start_child(ChildSpec("f", lambda: Forwarder(probe.ref)))
        probe.watch(forwarder)
        await forwarder.tell(Add(n=-1))
        notice = await probe.expect(Terminated)
        assert notice.ref == forwarder
        assert isinstance(notice.error, ValueError)
        assert not notice.final


async def test_what_it_has_seen_survives_a_restart_of_its_actor() -> None:
    probe = Probe[Add | Get]()
    async with probed(probe) as system:
        await probe.ref.tell(Add(n=1))
        await probe.expect(Add)
        before = probe.ref
        system.kill(probe.ref)
        await probe.ref.tell(Add(n=2))
        await probe.expect(Add(n=2))
        assert probe.ref == before
        assert probe.received == (Add(n=1), Add(n=2))


async def test_it_says_that_it_lost_messages_rather_than_pass_over_them(
    clock: VirtualClock,
) -> None:
    probe = Probe[Add | Get](history_max=2)
    async with probed(probe):
        for n in range(3):
            await probe.ref.tell(Add(n=n))
        await clock.wait_all_tasks_blocked()
        with pytest.raises(ExpectationFailed, match=r"1 messages .* lost .* history_max above 2"):
            await probe.expect(Add, within_s=1)


async def test_the_history_is_bounded() -> None:
    probe = Probe[Add | Get](history_max=2)
    async with probed(probe):
        for n in range(5):
            await probe.ref.tell(Add(n=n))
            await probe.expect(Add)
        assert probe.received == (Add(n=3), Add(n=4))


def test_a_probe_that_has_not_started_says_how_to() -> None:
    with pytest.raises(RuntimeError, match=r"start_child\(probe\.child_spec\(\)\)"):
        _ = Probe[Add]().ref


def test_its_place_in_the_tree_is_ordinary() -> None:
    spec = Probe[Add]("ear").child_spec()
    assert (spec.name, spec.overflow) == ("ear", Overflow.BLOCK)
