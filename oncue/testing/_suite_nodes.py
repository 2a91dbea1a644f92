"""The store suite, in part: nodes, and what becomes of tasks when one is gone."""

from uuid import uuid4

from oncue.stores import (
    BEATS_MISSED_MAX,
    Beat,
    CancelTask,
    Holder,
    Pulse,
    Reconciled,
    Store,
    TaskStatus,
    first_lease,
)

from ._store_kit import Claimer, TurnedClock, done, ids, make_row, view_of
from ._suite_base import SuiteBase, retry

BEAT_S = 5.0
DEAD_S = BEATS_MISSED_MAX * BEAT_S + 1


async def beat(store: Store, *claimers: Claimer) -> list[Pulse]:
    return await store.heartbeat(
        [Beat(node=each.node, incarnation=each.incarnation) for each in claimers]
    )


class NodeTests(SuiteBase):
    """Joining, heartbeats, hand-backs and rescue."""

    # --- incarnations ----------------------------------------------------------------------

    async def test_an_incarnation_is_greater_than_all_before(self, store: Store) -> None:
        numbers = [await store.join(node) for node in ("a", "b", "a", "a")]
        await store.leave("a", numbers[-1])
        numbers.append(await store.join("a"))
        assert numbers == sorted(set(numbers))
        assert numbers[0] > 0

    async def test_a_restarted_claimer_gets_back_what_older_incarnations_of_its_node_hold(
        self, store: Store
    ) -> None:
        old = await Claimer.join(store)
        other = await Claimer.join(store, "node-b")
        await store.add([make_row() for _ in range(4)])
        lost = await old.claim(limit=2)
        [others] = await other.claim(limit=1)
        new = await Claimer.join(store, restarted=True)
        again = await new.claim()
        assert ids(again)[:2] == ids(lost)
        assert [task.retry_count for task in again] == [0, 0, 0]
        assert await new.settle(*map(done, again), done(others)) == []

    # --- heartbeats ------------------------------------------------------------------------

    async def test_nodes_are_listed_with_the_age_of_their_last_heartbeat(
        self, store: Store, store_clock: TurnedClock
    ) -> None:
        b = await Claimer.join(store, "b", beat_s=BEAT_S)
        a = await Claimer.join(store, "a")
        await self.pass_time(store_clock, BEAT_S)
        assert await beat(store, b) == [Pulse.ALIVE]
        await self.pass_time(store_clock, 1)
        first, second = await store.nodes()
        assert (first.node, first.incarnation, first.beat_s) == ("a", a.incarnation, None)
        assert (second.node, second.incarnation, second.beat_s) == ("b", b.incarnation, BEAT_S)
        assert 6 <= first.silent_s < 6.5
        assert 1 <= second.silent_s < 1.5
        assert first.alive
        assert second.alive
        await self.pass_time(store_clock, DEAD_S)
        assert [view.alive for view in await store.nodes()] == [True, False]

    async def test_a_late_heartbeat_revives_nobody(
        self, store: Store, store_clock: TurnedClock
    ) -> None:
        node = await Claimer.join(store, beat_s=BEAT_S)
        await self.pass_time(store_clock, DEAD_S)
        assert await beat(store, node) == [Pulse.LOST]
        assert [view.alive for view in await store.nodes()] == [False]
        anew = await Claimer.join(store, beat_s=BEAT_S)
        assert await beat(store, anew) == [Pulse.ALIVE]

    async def test_a_name_that_was_taken_over_is_told(self, store: Store) -> None:
        node = await Claimer.join(store, beat_s=BEAT_S)
        twin = await Claimer.join(store, beat_s=BEAT_S)
        assert await beat(store, node, twin) == [Pulse.SUPERSEDED, Pulse.ALIVE]
        unknown = Beat(node="never joined", incarnation=1)
        assert await store.heartbeat([unknown]) == [Pulse.LOST]

    async def test_who_leaves_hands_back_what_it_holds_and_is_forgotten(self, store: Store) -> None:
        await store.add([make_row() for _ in range(3)])
        old = await Claimer.join(store)
        await old.claim(limit=1)
        node = await Claimer.join(store)
        assert await store.leave("node-a", old.incarnation) == 0
        held = await node.claim(limit=1)
        assert await store.leave("node-a", node.incarnation) == 2
        assert await store.leave("node-a", node.incarnation) == 0
        assert await store.nodes() == []
        assert await beat(store, node) == [Pulse.LOST]
        assert await node.settle(*map(done, held)) == [done(task) for task in held]
        assert (await store.count()).pending == 3

    # --- reconcile -------------------------------------------------------------------------

    async def test_what_a_claimer_does_not_know_that_it_holds_is_put_back(
        self, store: Store
    ) -> None:
        claimer = await Claimer.join(store)
        other = await Claimer.join(store, "node-b")
        await store.add([make_row() for _ in range(4)])
        known, unknown = await claimer.claim(limit=2)
        await other.claim(limit=1)
        answer = await store.reconcile("node-a", claimer.incarnation, {known.lease})
        assert answer == Reconciled(void=frozenset(), returned=1)
        view = await view_of(store, unknown.row.task_id)
        assert (view.status, view.retry_count) == (TaskStatus.PENDING, 0)
        assert (await store.count()).processing == 2
        assert await claimer.settle(done(known), done(unknown)) == [done(unknown)]

    async def test_a_claimer_learns_which_of_its_leases_are_void(
        self, store: Store, claimer: Claimer
    ) -> None:
        await store.add([make_row(), make_row()])
        cancelled, kept = await claimer.claim()
        await store.edit([CancelTask(task_id=cancelled.row.task_id)])
        held = {cancelled.lease, kept.lease}
        answer = await store.reconcile("node-a", claimer.incarnation, held)
        assert answer == Reconciled(void=frozenset({cancelled.lease}), returned=0)

    async def test_reconciling_leaves_older_incarnations_to_rescue(self, store: Store) -> None:
        await store.add([make_row()])
        await (await Claimer.join(store)).claim()
        new = await Claimer.join(store)
        assert (await store.reconcile("node-a", new.incarnation, ())).returned == 0
        assert len(await new.rescue()) == 1

    # --- rescue ----------------------------------------------------------------------------

    async def test_tasks_of_a_dead_node_are_handed_to_the_rescuer(
        self, store: Store, store_clock: TurnedClock
    ) -> None:
        dead = await Claimer.join(store, "dead", beat_s=BEAT_S)
        alive = await Claimer.join(store, "alive", beat_s=BEAT_S)
        await store.add([make_row() for _ in range(3)])
        lost = await dead.claim(limit=2)
        [kept] = await alive.claim()
        await self.pass_time(store_clock, DEAD_S - 2)
        assert await beat(store, alive) == [Pulse.ALIVE]
        assert await alive.rescue() == []
        await self.pass_time(store_clock, 2)
        assert await alive.rescue(limit=0) == []
        [first] = await alive.rescue(limit=1)
        [second] = await alive.rescue()
        assert await alive.rescue() == []
        assert {first.row.task_id, second.row.task_id} == set(ids(lost))
        assert {first.started_at, second.started_at} == {task.started_at for task in lost}
        view = await view_of(store, first.row.task_id)
        assert view.holder == Holder(task_id=first.row.task_id, node="alive", lease=first.lease)
        for late in lost:
            assert await dead.settle(done(late)) == [done(late)]
        assert await alive.settle(retry(first, delay_s=0), done(second), done(kept)) == []
        assert (await view_of(store, first.row.task_id)).retry_count == 1

    async def test_leases_of_what_is_rescued_count_up_in_the_order_returned(
        self, store: Store
    ) -> None:
        await store.add([make_row() for _ in range(3)])
        killed = await Claimer.join(store)
        await killed.claim()
        anew = await Claimer.join(store)
        rescued = await anew.rescue()
        first = first_lease(anew.incarnation)
        assert [task.lease for task in rescued] == [first, first + 1, first + 2]
        assert await anew.settle(*map(done, rescued)) == []

    async def test_who_is_gone_neither_claims_nor_rescues_but_still_settles(
        self, store: Store, store_clock: TurnedClock
    ) -> None:
        old = await Claimer.join(store, "node", beat_s=BEAT_S)
        await store.add([make_row() for _ in range(3)])
        [held] = await old.claim(limit=1)
        node = await Claimer.join(store, "node", beat_s=BEAT_S)
        assert await old.claim() == []
        assert await old.rescue() == []
        [own] = await node.claim(limit=1)
        await self.pass_time(store_clock, DEAD_S)
        assert await node.claim() == []
        assert await node.rescue() == []
        assert await old.settle(done(held)) == []
        assert await node.settle(done(own)) == []
        assert (await store.count()).pending == 1

    async def test_a_dead_node_is_forgotten_once_it_holds_nothing(
        self, store: Store, store_clock: TurnedClock
    ) -> None:
        dead = await Claimer.join(store, "dead", beat_s=BEAT_S)
        rescuer = await Claimer.join(store, "rescuer")
        await store.add([make_row(), make_row()])
        await dead.claim()
        await self.pass_time(store_clock, DEAD_S)
        await rescuer.rescue(limit=1)
        assert [view.node for view in await store.nodes()] == ["dead", "rescuer"]
        await rescuer.rescue()
        assert [view.node for view in await store.nodes()] == ["rescuer"]

    async def test_what_an_older_life_of_a_node_held_is_for_rescue(self, store: Store) -> None:
        await store.add([make_row(), make_row()])
        killed = await Claimer.join(store)
        [held] = await killed.claim(limit=1)
        anew = await Claimer.join(store)
        await anew.claim(limit=1)
        [rescued] = await anew.rescue()
        assert rescued.row.task_id == held.row.task_id
        assert rescued.lease != held.lease

    async def test_who_died_before_the_clock_was_set_back_is_rescued(
        self, store: Store, store_clock: TurnedClock
    ) -> None:
        dead = await Claimer.join(store, "dead", beat_s=BEAT_S)
        living = await Claimer.join(store, "living", beat_s=BEAT_S)
        await store.add([make_row()])
        [held] = await dead.claim()
        await self.pass_time(store_clock, -100 * DEAD_S)
        assert await beat(store, living) == [Pulse.ALIVE]
        assert ids(await living.rescue()) == [held.row.task_id]
        assert [view.node for view in await store.nodes()] == ["living"]

    async def test_a_node_that_is_never_judged_keeps_what_it_holds(
        self, store: Store, store_clock: TurnedClock
    ) -> None:
        quiet = await Claimer.join(store, "quiet")
        rescuer = await Claimer.join(store, "rescuer")
        await store.add([make_row()])
        [held] = await quiet.claim()
        await self.pass_time(store_clock, 100 * DEAD_S)
        assert await rescuer.rescue() == []
        assert await quiet.settle(done(held)) == []

    async def test_a_rescued_task_that_was_cancelled_meanwhile_stays_so(
        self, store: Store, store_clock: TurnedClock
    ) -> None:
        dead = await Claimer.join(store, "dead", beat_s=BEAT_S)
        rescuer = await Claimer.join(store, "rescuer")
        await store.add([make_row(task_id=(task_id := uuid4()))])
        await dead.claim()
        await self.pass_time(store_clock, DEAD_S)
        [rescued] = await rescuer.rescue()
        await store.edit([CancelTask(task_id=task_id)])
        assert await rescuer.settle(retry(rescued)) == [retry(rescued)]
        assert (await view_of(store, task_id)).status is TaskStatus.CANCELLED
