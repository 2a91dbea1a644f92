"""The membership: when it beats, and when it gives its process's work up."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio
import pytest
from anyio.lowlevel import checkpoint

from oncue import NodeSuperseded
from oncue.actors.claimer import Claimer
from oncue.actors.membership import Membership, NodeLost
from oncue.actors.roster import Roster
from oncue.actors.store import StoreActor
from oncue.runtime import ActorSystem, ChildSpec, EscalatedFailure, SeededEntropy, SupervisorSpec
from oncue.stores import Beat, CallableStoreClock, MemoryStore
from oncue.testing import VirtualClock
from tests.flow.cluster import Link

BEAT_S = 10.0


class Node:
    """A store on a link, and a membership that may not fall: its crash ends the system."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.store = MemoryStore(clock=CallableStoreClock(clock.now))
        self.link = Link(self.store)
        self.roster = Roster(BEAT_S)
        self.beats: list[float] = []
        self.fell_at_s = 0.0

        async def note(call: str) -> None:
            if call == "heartbeat":
                self.beats.append(clock.monotonic())

        self.link.before = note

    @asynccontextmanager
    async def running(self, *, beat_every_s: float = BEAT_S) -> AsyncGenerator[Claimer]:
        """Yields a claimer that has not joined."""
        spec = SupervisorSpec(
            "node",
            intensity=0,
            children=[
                ChildSpec("store", lambda: StoreActor(self.link), shutdown_s=0),
                ChildSpec(
                    "membership",
                    lambda: Membership(
                        store="./store", roster=self.roster, beat_every_s=beat_every_s
                    ),
                    shutdown_s=0,
                ),
            ],
        )
        async with ActorSystem(spec, clock=self.clock, entropy=SeededEntropy(1)) as system:
            try:
                yield Claimer(
                    "a", system.lookup("node/store"), self.roster, self.clock.monotonic, lambda: 0.0
                )
            finally:
                self.fell_at_s = self.clock.monotonic()


async def test_it_beats_for_whoever_has_joined(clock: VirtualClock) -> None:
    node = Node(clock)
    async with node.running() as claimer:
        await anyio.sleep(25)
        assert node.beats == [], "nobody has joined"
        await claimer.join()
        await anyio.sleep(100)
        (view,) = await node.store.nodes()
        assert (view.alive, view.beat_s) == (True, BEAT_S)
        assert view.silent_s <= BEAT_S
        await claimer.leave()
        beats = len(node.beats)
        await anyio.sleep(100)
        assert len(node.beats) == beats


async def test_short_silence_is_borne(clock: VirtualClock) -> None:
    """One answer is enough to count anew."""
    node = Node(clock)
    async with node.running() as claimer:
        await claimer.join()
        for _ in range(5):
            node.link.is_cut = True
            await anyio.sleep(1.7 * BEAT_S)
            node.link.is_cut = False
            await anyio.sleep(0.3 * BEAT_S)
        assert claimer.has_joined


@pytest.mark.parametrize("every_s", [BEAT_S, 1.0, 7.0])
@pytest.mark.parametrize("how", ["refuses", "hangs"])
async def test_after_three_silent_intervals_it_gives_up(
    clock: VirtualClock, how: str, every_s: float
) -> None:
    """To the moment, however often it asks, and whether the store says no or nothing."""
    node = Node(clock)
    heard_at_s = 0.0
    with pytest.raises(EscalatedFailure) as caught:
        async with node.running(beat_every_s=every_s) as claimer:
            await claimer.join()
            await anyio.sleep(2.5 * BEAT_S)
            heard_at_s = node.roster.heard_at_s
            if how == "refuses":
                node.link.is_cut = True
            else:
                node.link.before = lambda _: anyio.sleep_forever()
            await anyio.sleep(100 * BEAT_S)
    assert caught.group_contains(NodeLost, match="nothing for 30.0 s")
    assert node.fell_at_s == pytest.approx(heard_at_s + 3 * BEAT_S)
    assert node.roster.beats() == [], "who claims must join anew"


async def test_one_that_joins_says_nothing_of_the_others(clock: VirtualClock) -> None:
    """The store counts the silence of each name by itself."""
    roster = Roster(BEAT_S)
    roster.note("a", 1, 10.0)
    roster.note("a/by-hand", 2, 30.0)
    assert roster.heard_at_s == 10.0
    roster.note_alive(Beat(node="a", incarnation=1), 20.0)
    roster.note_alive(Beat(node="a/by-hand", incarnation=1), 90.0)  # of a former one
    assert roster.heard_at_s == 20.0
    roster.drop("a")
    assert roster.heard_at_s == 30.0


async def test_a_process_that_stood_still_gives_up_before_it_asks(clock: VirtualClock) -> None:
    """A blocked event loop, a stopped process: the store may have given it up long ago."""
    node = Node(clock)
    with pytest.raises(EscalatedFailure) as caught:
        async with node.running() as claimer:
            await claimer.join()
            node.roster.note("a", node.roster.incarnation_of("a") or 0, -3 * BEAT_S)
            await anyio.sleep(BEAT_S + 1)
    assert caught.group_contains(NodeLost)
    assert node.beats == []


async def test_it_gives_up_when_the_store_has(clock: VirtualClock) -> None:
    node = Node(clock)
    with pytest.raises(EscalatedFailure) as caught:
        async with node.running() as claimer:
            await claimer.join()
            await node.store.leave("a", node.roster.incarnation_of("a") or 0)
            try:
                await anyio.sleep(BEAT_S + 1)
            finally:
                assert not claimer.has_joined
                assert claimer.was_given_up
    assert caught.group_contains(NodeLost, match="given it up")


async def test_a_name_that_somebody_took_is_not_taken_back(clock: VirtualClock) -> None:
    """Nor by the next incarnation of the membership."""
    node = Node(clock)
    for _ in range(2):
        with pytest.raises(EscalatedFailure) as caught:
            async with node.running() as claimer:
                await claimer.join()
                await node.store.join("a", beat_s=BEAT_S)
                await anyio.sleep(BEAT_S + 1)
        assert caught.group_contains(NodeSuperseded, match="'a'")
        assert node.roster.superseded == "a"


async def test_a_claimer_that_joined_anew_while_it_asked_is_not_judged_by_the_answer(
    clock: VirtualClock,
) -> None:
    node = Node(clock)
    async with node.running() as claimer:
        await claimer.join()

        joined: list[str] = []

        async def join_meanwhile(call: str, answer: object) -> None:
            if call == "heartbeat" and not joined:
                joined.append(call)
                node.roster.note("a", await node.store.join("a", beat_s=BEAT_S), 0.0)

        node.link.before = lambda _: checkpoint()
        await node.store.leave("a", node.roster.incarnation_of("a") or 0)
        node.link.after = join_meanwhile
        await anyio.sleep(2 * BEAT_S + 1)
        assert joined
        assert node.roster.superseded is None
