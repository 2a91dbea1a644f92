"""A claimer's standing: incarnations, and lease numbers that are used once."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from oncue.actors.claimer import Claimer
from oncue.actors.roster import Roster
from oncue.actors.store import StoreActor
from oncue.runtime import ActorSystem, ChildSpec, SeededEntropy, SupervisorSpec
from oncue.stores import (
    Beat,
    CallableStoreClock,
    Claim,
    Claims,
    Done,
    MemoryStore,
    StoreUnavailable,
    first_lease,
)
from oncue.stores.lease import LEASE_COUNTER_BITS
from oncue.testing import VirtualClock
from oncue.testing._store_kit import make_row
from tests.flow.cluster import Link


class Place:
    """A store behind its actor, and claimers on one roster."""

    def __init__(self, clock: VirtualClock, system: ActorSystem, link: Link) -> None:
        self.link = link
        self.roster = Roster(10.0)
        self._clock = clock
        self._ref = system.lookup("place/store")

    def claimer(self, node: str = "a", lot: float = 0.5) -> Claimer:
        return Claimer(node, self._ref, self.roster, self._clock.monotonic, lambda: lot)


@asynccontextmanager
async def place(clock: VirtualClock) -> AsyncGenerator[tuple[Place, MemoryStore]]:
    store = MemoryStore(clock=CallableStoreClock(clock.now))
    link = Link(store)
    spec = SupervisorSpec("place", children=[ChildSpec("store", lambda: StoreActor(link))])
    async with ActorSystem(spec, clock=clock, entropy=SeededEntropy(1)) as system:
        yield Place(clock, system, link), store


def claims_of(claimer: Claimer, limit: int) -> Claims:
    return Claims(
        node=claimer.node,
        first_lease=claimer.offer(limit),
        task_types=None,
        queues=[Claim(queue_name="default", limit=limit)],
    )


async def claim(store: MemoryStore, claimer: Claimer, limit: int) -> list[int]:
    """The leases of what was claimed."""
    exchanged = await store.exchange([], claims_of(claimer, limit))
    return [task.lease for task in exchanged.claimed]


async def test_leases_are_counted_below_the_incarnation_and_never_offered_twice(
    clock: VirtualClock,
) -> None:
    async with place(clock) as (here, _):
        claimer = here.claimer()
        assert not claimer.has_joined
        await claimer.join()
        incarnation = here.roster.incarnation_of("a")
        assert incarnation is not None
        first = first_lease(incarnation) + 2**LEASE_COUNTER_BITS // 4
        assert [claimer.offer(3), claimer.offer(1), claimer.offer(1)] == [
            first,
            first + 3,
            first + 4,
        ]


async def test_what_an_answered_claim_did_not_use_is_offered_again(clock: VirtualClock) -> None:
    async with place(clock) as (here, store):
        claimer = here.claimer()
        await claimer.join()
        first = claimer.offer(0)
        for added in (0, 2):
            await store.add([make_row() for _ in range(added)])
            claims = claims_of(claimer, 100)
            assert claims.first_lease == first
            answer = await store.exchange([], claims)
            claimer.take_back(claims, answer.claimed)
        assert [task.lease for task in answer.claimed] == [first, first + 1]
        assert claimer.offer(0) == first + 2
        claims = claims_of(claimer, 100)
        claimer.offer(5)  # by another call, which may use them
        claimer.take_back(claims, [])
        assert claimer.offer(0) == first + 107


async def test_by_lot_two_owners_of_one_incarnation_share_no_lease(clock: VirtualClock) -> None:
    """A store that lost its last moments gives an incarnation again, as to `c` here."""
    row = make_row()
    async with place(clock) as (here, store):
        await store.add([row])
        b = here.claimer("b", lot=0.0)
        await b.join()
        [lost] = await claim(store, b, 1)
        incarnation = here.roster.incarnation_of("b")
    async with place(clock) as (here, store):
        await store.add([row])
        c = here.claimer("c", lot=0.9999999)
        await c.join()
        [held] = await claim(store, c, 1)
        assert here.roster.incarnation_of("c") == incarnation
        late, own = (
            Done(task_id=row.task_id, lease=lease, result=result, execution_s=0.1, worker_id="w-1")
            for lease, result in ((lost, b"1"), (held, b"2"))
        )
        assert (await store.exchange([late, own])).refused == [late]


async def test_the_roster_tells_a_restart_in_a_living_process_from_a_new_process(
    clock: VirtualClock,
) -> None:
    """What the last life held is put back at once; what a dead process held is for rescue."""
    async with place(clock) as (here, store):
        await store.add([make_row()])
        first = here.claimer()
        await first.join()
        assert len(await claim(store, first, 1)) == 1
        second = here.claimer()  # of the same roster: the actor died, the process lives
        await second.join()
        assert (await store.count()).pending == 1
        assert not first.has_joined
        assert first.was_given_up
        assert len(await claim(store, second, 1)) == 1
        here.roster = Roster(10.0)  # of another process
        third = here.claimer()
        await third.join()
        assert (await store.count()).processing == 1
        assert len(await third.rescue(10)) == 1


async def test_an_unanswered_join_leaves_it_out(clock: VirtualClock) -> None:
    async with place(clock) as (here, _):
        claimer = here.claimer()
        here.link.is_cut = True
        with pytest.raises(StoreUnavailable):
            await claimer.join()
        assert not claimer.has_joined
        assert not claimer.was_given_up
        assert here.roster.beats() == []


async def test_who_leaves_puts_back_what_it_holds_and_beats_no_more(clock: VirtualClock) -> None:
    async with place(clock) as (here, store):
        await store.add([make_row(), make_row()])
        claimer, other = here.claimer(), here.claimer("a/by-hand")
        await claimer.join()
        await other.join()
        assert len(here.roster.beats()) == 2
        await claim(store, claimer, 2)
        await claimer.leave()
        assert (await store.count()).pending == 2
        incarnation = here.roster.incarnation_of("a/by-hand")
        assert incarnation is not None
        assert here.roster.beats() == [Beat(node="a/by-hand", incarnation=incarnation)]
        await claimer.leave()  # harmless


async def test_a_node_that_was_given_up_leaves_nothing_behind_for_itself(
    clock: VirtualClock,
) -> None:
    """Its tasks count as lost, not as handed back."""
    async with place(clock) as (here, store):
        await store.add([make_row()])
        claimer = here.claimer()
        await claimer.join()
        await claim(store, claimer, 1)
        here.roster.clear()
        await claimer.leave()
        assert (await store.count()).processing == 1
