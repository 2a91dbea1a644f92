"""The contract of a store as tests. A store is one when it passes them, on both backends.

    from oncue.testing.store_suite import (
        DEAD_LETTER_TTL_S, RESULT_TTL_S, StoreSuite, TurnedClock,
    )

    class TestMyStore(StoreSuite):
        def make_store(self, clock: TurnedClock) -> Store:
            return MyStore(clock=clock, result_ttl_s=RESULT_TTL_S,
                           dead_letter_ttl_s=DEAD_LETTER_TTL_S)

Rules:
- `make_store` gives an empty store, not open yet, with the two times to live below, that
  keeps at least 100 results.
- A store whose clock is its server's overrides `pass_time` with whatever moves that.
- Each test is a sentence of `stores/base.py`; needs pytest and an `anyio_backend` fixture.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from datetime import timedelta
from typing import Final
from uuid import UUID, uuid4

import pytest

from oncue.stores import (
    TRANSITIONS,
    Added,
    AlreadyKnown,
    Back,
    ByIds,
    Cancelled,
    CancelTask,
    ClaimedTask,
    Dead,
    DeadLetters,
    Edited,
    Holder,
    LiveTasks,
    Move,
    PauseQueue,
    PauseTask,
    PurgeDeadLetters,
    PurgeExpired,
    PurgeResults,
    PurgeWaiting,
    RequeueDead,
    RequeueDeadLetters,
    ResumeQueue,
    ResumeTask,
    RetryAt,
    Settlement,
    Store,
    StoreClosed,
    TaskPriority,
    TaskStatus,
    UniqueTaken,
)

from ._store_kit import START, Claimer, TurnedClock, done, ids, make_row, view_of

__all__ = ["DEAD_LETTER_TTL_S", "RESULT_TTL_S", "StoreSuite", "TurnedClock"]

RESULT_TTL_S: Final = 1000.0
DEAD_LETTER_TTL_S: Final = 5000.0

_NOT_APPLIED: Final = Edited(count=0)


def retry(claimed: ClaimedTask, delay_s: float = 10.0) -> RetryAt:
    return RetryAt(
        task_id=claimed.row.task_id,
        lease=claimed.lease,
        delay_s=delay_s,
        error="boom",
        execution_s=0.5,
        worker_id="w-1",
    )


def dead(claimed: ClaimedTask, error: str = "boom") -> Dead:
    return Dead(
        task_id=claimed.row.task_id,
        lease=claimed.lease,
        error=error,
        execution_s=0.5,
        worker_id="w-1",
    )


def back(claimed: ClaimedTask) -> Back:
    return Back(task_id=claimed.row.task_id, lease=claimed.lease)


def cancelled(claimed: ClaimedTask) -> Cancelled:
    return Cancelled(
        task_id=claimed.row.task_id,
        lease=claimed.lease,
        error=None,
        execution_s=0.5,
        worker_id="w-1",
    )


def every_settlement(claimed: ClaimedTask) -> list[Settlement]:
    return [done(claimed), retry(claimed), dead(claimed), back(claimed), cancelled(claimed)]


async def kill(store: Store, claimer: Claimer, *task_ids: UUID, queue: str = "default") -> None:
    """Add tasks and make dead letters of them, in order."""
    for task_id in task_ids:
        await store.add([make_row(task_id=task_id, queue_name=queue)])
        [task] = await claimer.claim(queue)
        await claimer.settle(dead(task))


@pytest.mark.anyio
class StoreSuite:
    """Subclass it, define `make_store`, and let pytest collect the subclass."""

    def make_store(self, clock: TurnedClock) -> Store:
        raise NotImplementedError

    async def pass_time(self, clock: TurnedClock, seconds: float) -> None:
        """Let so much time pass for the store."""
        clock.turn(seconds)

    @pytest.fixture
    def store_clock(self) -> TurnedClock:
        return TurnedClock()

    @pytest.fixture
    async def store(self, store_clock: TurnedClock) -> AsyncIterator[Store]:
        store = self.make_store(store_clock)
        await store.open()
        yield store
        await store.close()

    @pytest.fixture
    async def claimer(self, store: Store) -> Claimer:
        return await Claimer.join(store)

    # --- add -------------------------------------------------------------------------------

    async def test_a_claimed_task_is_what_was_added(self, store: Store, claimer: Claimer) -> None:
        row = make_row(
            payload={"to": "ada", "n": [1, 2.5, None, "é\x00"]},
            priority=TaskPriority.CRITICAL,
            max_retries=7,
            retry_count=2,
            retry_delay=0.5,
            timeout=None,
            tags={"team": "x"},
            unique_key="k",
        )
        assert await store.add([row]) == [Added()]
        [task] = await claimer.claim()
        assert task.row == row
        assert (task.retry_count, task.attempt) == (2, 3)

    async def test_an_id_is_known_while_it_is_live_a_result_or_a_dead_letter(
        self, store: Store, claimer: Claimer
    ) -> None:
        row = make_row()
        assert await store.add([row, row]) == [Added(), AlreadyKnown()]
        [task] = await claimer.claim()
        assert await store.add([row]) == [AlreadyKnown()]
        await claimer.settle(done(task))
        assert await store.add([row]) == [AlreadyKnown()]
        await kill(store, claimer, task_id := uuid4())
        assert await store.add([make_row(task_id=task_id)]) == [AlreadyKnown()]
        assert (await store.count()).live == 0

    async def test_a_unique_key_admits_one_live_task_per_queue(
        self, store: Store, claimer: Claimer
    ) -> None:
        first, again, elsewhere, keyless = (
            make_row(unique_key="k"),
            make_row(unique_key="k"),
            make_row(unique_key="k", queue_name="other"),
            make_row(),
        )
        outcomes = await store.add([first, again, elsewhere, keyless])
        assert outcomes == [Added(), UniqueTaken(live_task_id=first.task_id), Added(), Added()]
        claimed = await claimer.claim()
        assert ids(claimed) == [first.task_id, keyless.task_id]
        assert await store.add([again]) == [UniqueTaken(live_task_id=first.task_id)]

    @pytest.mark.parametrize("end", [done, dead, cancelled])
    async def test_a_unique_key_is_free_once_its_task_has_ended(
        self, store: Store, claimer: Claimer, end: Callable[[ClaimedTask], Settlement]
    ) -> None:
        await store.add([make_row(unique_key="k")])
        [task] = await claimer.claim()
        await claimer.settle(end(task))
        assert await store.add([make_row(unique_key="k")]) == [Added()]

    async def test_a_unique_key_is_held_through_a_retry(
        self, store: Store, claimer: Claimer
    ) -> None:
        await store.add([make_row(unique_key="k")])
        [task] = await claimer.claim()
        await claimer.settle(retry(task))
        outcomes = await store.add([make_row(unique_key="k")])
        assert outcomes == [UniqueTaken(live_task_id=task.row.task_id)]

    # --- order -----------------------------------------------------------------------------

    async def test_higher_priority_goes_first_and_equals_in_the_order_added(
        self, store: Store, claimer: Claimer
    ) -> None:
        rows = [make_row(priority=priority) for priority in (1, 5, 10, 20, 5, 20, 1, 10)]
        await store.add(rows[:4])
        await store.add(rows[4:])
        taken = [(await claimer.claim(limit=1))[0].row for _ in rows]
        assert taken == [rows[i] for i in (3, 5, 2, 7, 1, 4, 0, 6)]

    async def test_order_holds_across_task_types(self, store: Store, claimer: Claimer) -> None:
        rows = [
            make_row(f"type-{number % 3}", priority=(1, 5, 10, 20)[number % 4])
            for number in range(24)
        ]
        await store.add(rows)
        expected = [row.task_id for row in sorted(rows, key=lambda row: -row.priority)]
        claimed = [*await claimer.claim(limit=7), *await claimer.claim(limit=100)]
        assert ids(claimed) == expected

    async def test_a_delayed_task_waits_until_it_is_due(
        self, store: Store, claimer: Claimer, store_clock: TurnedClock
    ) -> None:
        await store.add([make_row(delay=10), make_row(delay=30, priority=20)])
        exchanged = await claimer.exchange()
        assert exchanged.claimed == []
        assert exchanged.next_due_s == pytest.approx(10, abs=0.5)
        await self.pass_time(store_clock, 9)
        assert await claimer.claim() == []
        await self.pass_time(store_clock, 2)
        exchanged = await claimer.exchange()
        assert len(exchanged.claimed) == 1
        assert exchanged.next_due_s == pytest.approx(19, abs=0.5)
        await self.pass_time(store_clock, 20)
        exchanged = await claimer.exchange()
        assert (len(exchanged.claimed), exchanged.next_due_s) == (1, None)

    async def test_a_task_is_due_at_the_later_of_delay_and_scheduled_at(
        self, store: Store, claimer: Claimer, store_clock: TurnedClock
    ) -> None:
        past, by_time, by_delay = (
            make_row(scheduled_at=START - timedelta(hours=1)),
            make_row(scheduled_at=START + timedelta(seconds=20), delay=5),
            make_row(scheduled_at=START + timedelta(seconds=5), delay=20),
        )
        await store.add([by_time, by_delay, past])
        assert ids(await claimer.claim()) == [past.task_id]
        await self.pass_time(store_clock, 19)
        assert await claimer.claim() == []
        await self.pass_time(store_clock, 2)
        assert set(ids(await claimer.claim())) == {by_time.task_id, by_delay.task_id}

    async def test_what_became_due_first_goes_first_among_equals(
        self, store: Store, claimer: Claimer, store_clock: TurnedClock
    ) -> None:
        late, soon = make_row(delay=5), make_row(delay=2)
        await store.add([late, soon])
        await self.pass_time(store_clock, 3)
        between, urgent = make_row(), make_row(priority=20, delay=4)
        await store.add([between, urgent])
        await self.pass_time(store_clock, 10)
        last = make_row()
        await store.add([last])
        expected = [urgent, soon, between, late, last]
        assert ids(await claimer.claim()) == [row.task_id for row in expected]

    # --- claim -----------------------------------------------------------------------------

    async def test_a_claim_gives_each_task_to_one_claimer(self, store: Store) -> None:
        one, two = await Claimer.join(store), await Claimer.join(store, "node-b")
        await store.add([make_row() for _ in range(10)])
        claimed = [*await one.claim(limit=6), *await two.claim(limit=6)]
        assert len(claimed) == 10
        assert len({task.row.task_id for task in claimed}) == 10
        assert len({task.lease for task in claimed}) == 10
        assert await one.claim() == await two.claim() == []

    async def test_leases_count_up_from_the_first_in_the_order_returned(
        self, store: Store, claimer: Claimer
    ) -> None:
        await store.add([make_row(queue_name=name) for name in ("a", "b", "a", "b")])
        claimed = await claimer.claim("b", "a")
        assert [task.row.queue_name for task in claimed] == ["b", "b", "a", "a"]
        first = claimed[0].lease
        assert [task.lease for task in claimed] == [first, first + 1, first + 2, first + 3]

    async def test_a_claim_writes_holder_and_start(self, store: Store, claimer: Claimer) -> None:
        row = make_row()
        await store.add([row])
        [task] = await claimer.claim()
        view = await view_of(store, row.task_id)
        assert view.status is TaskStatus.PROCESSING
        assert view.holder == Holder(task_id=row.task_id, node="node-a", lease=task.lease)
        assert view.started_at == task.started_at
        assert abs(task.started_at - task.run_at) < timedelta(seconds=1)

    async def test_a_limit_is_kept_and_more_is_told(self, store: Store, claimer: Claimer) -> None:
        await store.add([make_row(queue_name=name) for name in "aaabbc"])
        exchanged = await claimer.exchange(queues=["a", "b", "c", "none"], limit=2)
        assert [task.row.queue_name for task in exchanged.claimed] == ["a", "a", "b", "b", "c"]
        assert "a" in exchanged.more
        assert exchanged.more.isdisjoint({"c", "none"})
        assert sorted(exchanged.queues) == ["a", "b", "c"]
        exchanged = await claimer.exchange(queues=["a"], limit=0)
        assert (exchanged.claimed, exchanged.more) == ([], frozenset())

    async def test_a_negative_limit_is_refused_before_anything_changes(
        self, store: Store, claimer: Claimer
    ) -> None:
        await store.add([make_row()])
        [task] = await claimer.claim()
        with pytest.raises(ValueError, match="limit"):
            await claimer.exchange(done(task), limit=-1)
        assert (await view_of(store, task.row.task_id)).status is TaskStatus.PROCESSING

    async def test_a_type_not_handled_blocks_nobody(self, store: Store, claimer: Claimer) -> None:
        await store.add([make_row("alien", priority=20) for _ in range(5)])
        await store.add([make_row("mine")])
        exchanged = await claimer.exchange(task_types=frozenset({"mine"}), limit=1)
        assert [task.row.task_type for task in exchanged.claimed] == ["mine"]
        exchanged = await claimer.exchange(task_types=frozenset({"mine"}), limit=1)
        assert (exchanged.claimed, exchanged.more) == ([], frozenset())
        assert (await store.count("default")).ready_types == {"alien": 5}
        assert len(await claimer.claim()) == 5

    async def test_a_paused_queue_gives_nothing_until_resumed(
        self, store: Store, claimer: Claimer
    ) -> None:
        assert await store.edit([PauseQueue(queue_name="new"), PauseQueue(queue_name="new")]) == [
            Edited(count=1, queue_name="new"),
            _NOT_APPLIED,
        ]
        assert await store.queues() == ["new"]
        assert (await store.count("new")).paused
        await store.add([make_row(queue_name="new"), make_row()])
        claimed = await claimer.claim("new", "default")
        assert [task.row.queue_name for task in claimed] == ["default"]
        assert await store.edit([ResumeQueue(queue_name="new"), ResumeQueue(queue_name="x")]) == [
            Edited(count=1, queue_name="new"),
            _NOT_APPLIED,
        ]
        assert len(await claimer.claim("new")) == 1

    # --- settle ----------------------------------------------------------------------------

    async def test_done_keeps_the_result_and_nothing_else(
        self, store: Store, claimer: Claimer, store_clock: TurnedClock
    ) -> None:
        await store.add([make_row()])
        [task] = await claimer.claim()
        await self.pass_time(store_clock, 3)
        assert await claimer.settle(done(task, b'{"n":1}')) == []
        view = await view_of(store, task.row.task_id)
        assert (view.status, view.result, view.error) == (TaskStatus.COMPLETED, b'{"n":1}', None)
        assert (view.execution_s, view.worker_id, view.row, view.holder) == (
            0.25,
            "w-1",
            None,
            None,
        )
        assert view.started_at == task.started_at
        assert view.completed_at is not None
        assert view.completed_at >= task.started_at + timedelta(seconds=3)
        counts = await store.count()
        assert (counts.live, counts.payload_bytes) == (0, 0)

    async def test_a_retry_counts_and_waits_its_delay(
        self, store: Store, claimer: Claimer, store_clock: TurnedClock
    ) -> None:
        await store.add([make_row()])
        [task] = await claimer.claim()
        exchanged = await claimer.exchange(retry(task, delay_s=10))
        assert exchanged.claimed == []
        assert exchanged.next_due_s == pytest.approx(10, abs=0.5)
        view = await view_of(store, task.row.task_id)
        assert (view.status, view.retry_count, view.error) == (TaskStatus.RETRYING, 1, "boom")
        assert view.holder is None
        await self.pass_time(store_clock, 11)
        [again] = await claimer.claim()
        assert (again.retry_count, again.attempt, again.row) == (1, 2, task.row)
        assert again.lease > task.lease

    async def test_a_task_settled_into_due_now_can_be_claimed_by_the_same_exchange(
        self, store: Store, claimer: Claimer
    ) -> None:
        await store.add([make_row(), make_row()])
        one, two = await claimer.claim()
        exchanged = await claimer.exchange(retry(one, delay_s=0), back(two))
        assert set(ids(exchanged.claimed)) == {one.row.task_id, two.row.task_id}

    async def test_a_dead_letter_keeps_task_and_error(self, store: Store, claimer: Claimer) -> None:
        row = make_row(payload={"a": 1})
        await store.add([row])
        [task] = await claimer.claim()
        await claimer.settle(retry(task, delay_s=0))
        [task] = await claimer.claim()
        await claimer.settle(dead(task, "the last"))
        [view] = await store.find(DeadLetters(queue_name=None, limit=10))
        assert (view.row, view.error, view.retry_count) == (row, "the last", 1)
        assert view.status is TaskStatus.DEAD_LETTER
        counts = await store.count("default")
        assert (counts.live, counts.dead_letters, counts.payload_bytes) == (0, 1, len(row.payload))

    async def test_a_hand_back_is_no_attempt_and_takes_the_old_place(
        self, store: Store, claimer: Claimer, store_clock: TurnedClock
    ) -> None:
        rows = [make_row() for _ in range(4)]
        await store.add(rows)
        one, two = await claimer.claim(limit=2)
        await self.pass_time(store_clock, 1)
        await store.add([make_row(priority=20)])
        await claimer.settle(back(two))
        await claimer.settle(back(one))
        assert (await view_of(store, one.row.task_id)).status is TaskStatus.PENDING
        urgent, *rest = await claimer.claim()
        assert urgent.row.priority == 20
        assert ids(rest) == [row.task_id for row in rows]
        assert [task.retry_count for task in rest] == [0, 0, 0, 0]

    async def test_cancelled_by_its_owner_is_a_result(self, store: Store, claimer: Claimer) -> None:
        await store.add([make_row()])
        [task] = await claimer.claim()
        assert await claimer.settle(cancelled(task)) == []
        view = await view_of(store, task.row.task_id)
        assert (view.status, view.execution_s) == (TaskStatus.CANCELLED, 0.5)

    @pytest.mark.parametrize("lost", ["settled", "retried", "back", "cancelled", "handed", "dead"])
    async def test_a_lost_lease_is_refused_whatever_it_says(
        self, store: Store, claimer: Claimer, lost: str
    ) -> None:
        await store.add([make_row()])
        [stale] = await claimer.claim()
        match lost:
            case "settled":
                await claimer.settle(done(stale))
            case "retried":
                await claimer.settle(retry(stale, delay_s=0))
                await claimer.claim()
            case "back":
                await claimer.settle(back(stale))
            case "cancelled":
                await store.edit([CancelTask(task_id=stale.row.task_id)])
            case "handed":
                await store.hand_back("node-a", claimer.incarnation + 1)
                await claimer.claim()
            case _:
                await claimer.settle(dead(stale))
                await store.edit([RequeueDead(task_id=stale.row.task_id)])
                await claimer.claim()
        before = await view_of(store, stale.row.task_id)
        for settlement in every_settlement(stale):
            assert await claimer.settle(settlement) == [settlement]
        assert await view_of(store, stale.row.task_id) == before

    async def test_one_refused_settlement_is_refused_alone(
        self, store: Store, claimer: Claimer
    ) -> None:
        await store.add([make_row(), make_row()])
        one, two = await claimer.claim()
        unknown = Back(task_id=uuid4(), lease=one.lease)
        crossed = Back(task_id=one.row.task_id, lease=two.lease)
        refused = await claimer.settle(unknown, crossed, done(one), done(one, b"2"), done(two))
        assert refused == [unknown, crossed, done(one, b"2")]
        assert (await view_of(store, one.row.task_id)).result == b"null"

    # --- edit ------------------------------------------------------------------------------

    async def test_cancel_ends_a_waiting_task_that_then_never_runs(
        self, store: Store, claimer: Claimer, store_clock: TurnedClock
    ) -> None:
        ready, delayed, paused = make_row(), make_row(delay=5), make_row()
        await store.add([ready, delayed, paused])
        await store.edit([PauseTask(task_id=paused.task_id)])
        cancels = [CancelTask(task_id=row.task_id) for row in (ready, delayed, paused)]
        assert await store.edit(cancels) == [Edited(count=1, queue_name="default")] * 3
        assert await store.edit([*cancels, CancelTask(task_id=uuid4())]) == [_NOT_APPLIED] * 4
        await self.pass_time(store_clock, 10)
        exchanged = await claimer.exchange()
        assert (exchanged.claimed, exchanged.queues) == ([], ())
        view = await view_of(store, delayed.task_id)
        assert (view.status, view.started_at) == (TaskStatus.CANCELLED, None)

    async def test_cancel_of_a_running_task_names_who_is_to_be_told(
        self, store: Store, claimer: Claimer
    ) -> None:
        await store.add([make_row()])
        [task] = await claimer.claim()
        [outcome] = await store.edit([CancelTask(task_id=task.row.task_id)])
        holder = Holder(task_id=task.row.task_id, node="node-a", lease=task.lease)
        assert outcome == Edited(count=1, queue_name="default", holder=holder)
        assert (await view_of(store, task.row.task_id)).status is TaskStatus.CANCELLED
        assert (await store.count()).processing == 0

    async def test_a_paused_task_is_held_and_resumes_in_its_old_place(
        self, store: Store, claimer: Claimer, store_clock: TurnedClock
    ) -> None:
        first, second, delayed = make_row(), make_row(), make_row(delay=5)
        await store.add([first, second, delayed])
        pauses = [PauseTask(task_id=row.task_id) for row in (first, delayed)]
        resumes = [ResumeTask(task_id=row.task_id) for row in (first, delayed)]
        assert await store.edit(resumes) == [_NOT_APPLIED] * 2
        assert await store.edit(pauses) == [Edited(count=1, queue_name="default")] * 2
        assert await store.edit(pauses) == [_NOT_APPLIED] * 2
        assert (await view_of(store, first.task_id)).status is TaskStatus.PAUSED
        await self.pass_time(store_clock, 10)
        exchanged = await claimer.exchange(limit=0)
        assert exchanged.next_due_s is None
        counts = await store.count("default")
        assert (counts.held, counts.pending, counts.delayed) == (2, 1, 0)
        assert await store.edit(resumes) == [Edited(count=1, queue_name="default")] * 2
        expected = [first.task_id, second.task_id, delayed.task_id]
        assert ids(await claimer.claim()) == expected
        assert await store.edit(pauses) == [_NOT_APPLIED] * 2

    async def test_a_requeued_dead_letter_lives_anew_under_its_id(
        self, store: Store, claimer: Claimer
    ) -> None:
        await store.add([make_row(retry_count=3, unique_key="k")])
        [task] = await claimer.claim()
        await claimer.settle(dead(task))
        change = RequeueDead(task_id=task.row.task_id)
        rival = make_row(unique_key="k", queue_name="default")
        await store.add([rival])
        assert await store.edit([change]) == [_NOT_APPLIED]
        await store.edit([CancelTask(task_id=rival.task_id)])
        assert await store.edit([change, change]) == [
            Edited(count=1, queue_name="default"),
            _NOT_APPLIED,
        ]
        view = await view_of(store, task.row.task_id)
        assert (view.status, view.error) == (TaskStatus.PENDING, None)
        [again] = await claimer.claim()
        assert (again.row.task_id, again.retry_count) == (task.row.task_id, 0)
        assert again.lease > task.lease

    async def test_dead_letters_are_requeued_in_bulk_up_to_a_limit_oldest_first(
        self, store: Store, claimer: Claimer
    ) -> None:
        dead_ids = [uuid4() for _ in range(5)]
        await kill(store, claimer, *dead_ids)
        await kill(store, claimer, uuid4(), queue="other")
        [outcome] = await store.edit([RequeueDeadLetters(queue_name="default", limit=3)])
        assert outcome.count == 3
        assert ids(await claimer.claim()) == dead_ids[:3]
        outcomes = await store.edit([RequeueDeadLetters(queue_name=None, limit=100)] * 2)
        assert [outcome.count for outcome in outcomes] == [3, 0]

    # --- owners ----------------------------------------------------------------------------

    async def test_an_incarnation_is_greater_than_all_before(self, store: Store) -> None:
        numbers = [await store.join(node) for node in ("a", "b", "a", "a")]
        assert numbers == sorted(set(numbers))
        assert numbers[0] > 0

    async def test_a_new_incarnation_takes_back_what_older_ones_of_its_node_hold(
        self, store: Store
    ) -> None:
        old = await Claimer.join(store)
        other = await Claimer.join(store, "node-b")
        await store.add([make_row() for _ in range(4)])
        lost = await old.claim(limit=2)
        await other.claim(limit=1)
        new = await Claimer.join(store)
        [kept] = await new.claim()
        assert await store.hand_back("node-a", new.incarnation) == 2
        assert await store.hand_back("node-a", new.incarnation) == 0
        again = await new.claim()
        assert ids(again) == ids(lost)
        assert [task.retry_count for task in again] == [0, 0]
        assert await new.settle(done(kept)) == []

    # --- look ------------------------------------------------------------------------------

    async def test_find_by_ids_answers_in_the_order_asked(
        self, store: Store, claimer: Claimer
    ) -> None:
        rows = [make_row() for _ in range(3)]
        await store.add(rows)
        [task] = await claimer.claim(limit=1)
        await claimer.settle(done(task))
        asked = [rows[2].task_id, uuid4(), rows[0].task_id]
        views = await store.find(ByIds(task_ids=asked))
        assert [view.task_id for view in views] == [rows[2].task_id, rows[0].task_id]

    async def test_find_lists_live_tasks_in_the_order_added(
        self, store: Store, claimer: Claimer
    ) -> None:
        rows = [make_row(), make_row(queue_name="b"), make_row(delay=9), make_row(priority=20)]
        await store.add(rows)
        await claimer.claim(limit=1)

        async def found(query: LiveTasks) -> list[int]:
            order = [row.task_id for row in rows]
            return [order.index(view.task_id) for view in await store.find(query)]

        assert await found(LiveTasks(queue_name=None, limit=10)) == [0, 1, 2, 3]
        assert await found(LiveTasks(queue_name="default", limit=2)) == [0, 2]
        assert await found(LiveTasks(queue_name="nowhere", limit=2)) == []
        running = frozenset({TaskStatus.PROCESSING})
        assert await found(LiveTasks(queue_name=None, limit=9, statuses=running)) == [3]

    async def test_find_lists_dead_letters_newest_first(
        self, store: Store, claimer: Claimer
    ) -> None:
        a, b, c = uuid4(), uuid4(), uuid4()
        await kill(store, claimer, a)
        await kill(store, claimer, b, queue="other")
        await kill(store, claimer, c)

        async def found(queue_name: str | None, limit: int) -> Sequence[UUID]:
            views = await store.find(DeadLetters(queue_name=queue_name, limit=limit))
            return [view.task_id for view in views]

        assert await found(None, 10) == [c, b, a]
        assert await found(None, 2) == [c, b]
        assert await found("default", 10) == [c, a]
        assert await found("nowhere", 10) == []

    async def test_counts_follow_a_task_through_its_life(
        self, store: Store, claimer: Claimer, store_clock: TurnedClock
    ) -> None:
        rows = [make_row(payload={"a": 1}), make_row(priority=20), make_row(delay=9, priority=20)]
        await store.add([*rows, make_row(queue_name="b")])
        counts = await store.count("default")
        assert (counts.pending, counts.delayed, counts.held, counts.processing) == (2, 1, 0, 0)
        assert (counts.priorities, counts.ready_types) == ({5: 1, 20: 2}, {"work": 2})
        assert (counts.oldest, counts.newest) == (rows[0].created_at, rows[2].created_at)
        assert counts.payload_bytes == sum(len(row.payload) for row in rows)
        assert counts.store_payload_bytes == counts.payload_bytes + len(b"{}")
        [task] = await claimer.claim(limit=1)
        counts = await store.count("default")
        assert (counts.pending, counts.processing, counts.live) == (1, 1, 3)
        assert counts.priorities == {5: 1, 20: 1}
        await claimer.settle(done(task))
        await self.pass_time(store_clock, 10)
        counts = await store.count("default")
        assert (counts.pending, counts.delayed, counts.live) == (2, 0, 2)
        total = await store.count()
        assert (total.queue_name, total.pending, total.priorities) == (None, 3, {5: 2, 20: 1})

    async def test_a_queue_never_heard_of_counts_zero(self, store: Store) -> None:
        counts = await store.count("nowhere")
        assert (counts.live, counts.dead_letters, counts.paused) == (0, 0, False)
        assert (counts.oldest, counts.newest) == (None, None)
        assert await store.queues() == []

    async def test_queues_are_those_that_hold_something_or_are_paused(
        self, store: Store, claimer: Claimer
    ) -> None:
        await store.add([make_row(queue_name="b")])
        await kill(store, claimer, uuid4(), queue="a")
        await store.edit([PauseQueue(queue_name="c")])
        assert await store.queues() == ["a", "b", "c"]
        await store.purge(PurgeWaiting(queue_name="b"))
        await store.purge(PurgeDeadLetters(queue_name="a"))
        await store.edit([ResumeQueue(queue_name="c")])
        assert await store.queues() == []

    # --- purge -----------------------------------------------------------------------------

    async def test_purge_of_what_waits_leaves_what_runs_and_forgets_the_rest(
        self, store: Store, claimer: Claimer
    ) -> None:
        rows = [make_row(priority=20), make_row(delay=5, unique_key="k"), make_row(), make_row()]
        await store.add([*rows, make_row(queue_name="b")])
        await store.edit([PauseTask(task_id=rows[2].task_id)])
        [task] = await claimer.claim(limit=1)
        assert await store.purge(PurgeWaiting(queue_name="default")) == 3
        assert (await store.count("default")).live == 1
        assert (await store.count("b")).live == 1
        assert await store.find(ByIds(task_ids=[rows[1].task_id])) == []
        assert await store.add([rows[1]]) == [Added()]
        assert await claimer.settle(done(task)) == []

    async def test_purge_of_dead_letters_goes_by_queue_and_age(
        self, store: Store, claimer: Claimer, store_clock: TurnedClock
    ) -> None:
        await kill(store, claimer, old := uuid4())
        await kill(store, claimer, uuid4(), queue="b")
        await self.pass_time(store_clock, 100)
        await kill(store, claimer, uuid4())
        assert await store.purge(PurgeDeadLetters(queue_name="default", older_than_s=50)) == 1
        assert await store.find(ByIds(task_ids=[old])) == []
        assert await store.purge(PurgeDeadLetters(queue_name=None)) == 2
        assert (await store.count()).store_payload_bytes == 0

    async def test_purge_of_results_goes_by_age(
        self, store: Store, claimer: Claimer, store_clock: TurnedClock
    ) -> None:
        for _ in range(2):
            await store.add([make_row()])
            [task] = await claimer.claim()
            await claimer.settle(done(task))
            await self.pass_time(store_clock, 100)
        assert await store.purge(PurgeResults(older_than_s=150)) == 1
        assert await store.purge(PurgeResults()) == 1
        assert await store.purge(PurgeResults()) == 0

    async def test_what_outlived_its_time_is_purged_and_nothing_else(
        self, store: Store, claimer: Claimer, store_clock: TurnedClock
    ) -> None:
        await kill(store, claimer, dead_id := uuid4())
        await store.add([make_row(), make_row(delay=10)])
        [task] = await claimer.claim()
        await claimer.settle(done(task))
        view = await view_of(store, task.row.task_id)
        assert view.completed_at is not None
        assert view.expires_at == view.completed_at + timedelta(seconds=RESULT_TTL_S)
        await self.pass_time(store_clock, RESULT_TTL_S - 2)
        assert await store.purge(PurgeExpired()) == 0
        await self.pass_time(store_clock, 3)
        assert await store.purge(PurgeExpired()) == 1
        assert (await view_of(store, dead_id)).status is TaskStatus.DEAD_LETTER
        await self.pass_time(store_clock, DEAD_LETTER_TTL_S)
        assert await store.purge(PurgeExpired()) == 1
        assert (await store.count()).live == 1

    # --- the table of transitions ----------------------------------------------------------

    @pytest.mark.parametrize("move", list(Move))
    @pytest.mark.parametrize("status", [each for each in TaskStatus if each != "failed"])
    async def test_a_move_is_made_where_the_table_allows_it_and_refused_elsewhere(
        self,
        store: Store,
        claimer: Claimer,
        store_clock: TurnedClock,
        status: TaskStatus,
        move: Move,
    ) -> None:
        task = await self._bring_to(status, store, claimer)
        await self.pass_time(store_clock, 60)
        before = await view_of(store, task.row.task_id)
        assert before.status is status
        moved = await _make(move, task, store, claimer)
        after = await view_of(store, task.row.task_id)
        allowed = TRANSITIONS.get((status, move))
        if allowed is None:
            assert not moved
            assert after == before
        else:
            assert moved
            assert after.status in allowed

    async def _bring_to(self, status: TaskStatus, store: Store, claimer: Claimer) -> ClaimedTask:
        """A task in that status, and the last lease that it had."""
        await store.add([make_row()])
        [task] = await claimer.claim()
        change = PauseTask(task_id=task.row.task_id)
        match status:
            case TaskStatus.PROCESSING:
                pass
            case TaskStatus.PENDING:
                await claimer.settle(back(task))
            case TaskStatus.RETRYING:
                await claimer.settle(retry(task))
            case TaskStatus.PAUSED:
                await claimer.settle(back(task))
                await store.edit([change])
            case TaskStatus.DEAD_LETTER:
                await claimer.settle(dead(task))
            case TaskStatus.COMPLETED:
                await claimer.settle(done(task))
            case _:
                await claimer.settle(cancelled(task))
        return task

    # --- life ------------------------------------------------------------------------------

    async def test_a_closed_store_refuses_every_call(self, store: Store) -> None:
        await store.close()
        await store.close()
        for call in (
            store.join("a"),
            store.add([make_row()]),
            store.exchange([]),
            store.edit([]),
            store.hand_back("a", 1),
            store.find(ByIds(task_ids=[])),
            store.count(),
            store.queues(),
            store.purge(PurgeExpired()),
        ):
            with pytest.raises(StoreClosed):
                await call

    async def test_what_is_kept_outlives_close_and_open(
        self, store: Store, claimer: Claimer
    ) -> None:
        row = make_row()
        await store.add([row])
        await store.close()
        await store.open()
        await store.open()
        assert ids(await claimer.claim()) == [row.task_id]
        assert await store.join("node-a") > claimer.incarnation


async def _make(move: Move, task: ClaimedTask, store: Store, claimer: Claimer) -> bool:
    """Try a move; whether it was made."""
    task_id = task.row.task_id
    match move:
        case Move.CLAIM:
            return task_id in ids(await claimer.claim())
        case Move.DONE:
            return not await claimer.settle(done(task))
        case Move.RETRY:
            return not await claimer.settle(retry(task))
        case Move.DEAD:
            return not await claimer.settle(dead(task))
        case Move.BACK:
            return not await claimer.settle(back(task))
        case Move.CANCEL:
            return (await store.edit([CancelTask(task_id=task_id)]))[0].count == 1
        case Move.PAUSE:
            return (await store.edit([PauseTask(task_id=task_id)]))[0].count == 1
        case Move.RESUME:
            return (await store.edit([ResumeTask(task_id=task_id)]))[0].count == 1
        case Move.REQUEUE:
            return (await store.edit([RequeueDead(task_id=task_id)]))[0].count == 1
