"""The store suite, in part: settling, editing, and who owns what."""

from datetime import timedelta
from uuid import uuid4

import pytest

from oncue.stores import (
    Back,
    CancelTask,
    DeadLetters,
    Edited,
    Holder,
    PauseTask,
    RequeueDead,
    RequeueDeadLetters,
    ResumeTask,
    Store,
    Survey,
    TaskStatus,
)

from ._store_kit import Claimer, TurnedClock, done, ids, make_row, view_of
from ._suite_base import (
    NOT_APPLIED,
    SuiteBase,
    back,
    cancelled,
    dead,
    every_settlement,
    kill,
    retry,
)


class MoveTests(SuiteBase):
    """Settling, editing, and who owns what."""

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
        assert exchanged.survey is not None
        assert exchanged.survey.next_due_s == pytest.approx(10, abs=0.5)
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
        """D1.3."""
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
                await store.reconcile("node-a", claimer.incarnation, ())
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
        assert await store.edit([*cancels, CancelTask(task_id=uuid4())]) == [NOT_APPLIED] * 4
        await self.pass_time(store_clock, 10)
        exchanged = await claimer.exchange()
        assert (exchanged.claimed, exchanged.survey) == ([], Survey(queues=(), next_due_s=None))
        view = await view_of(store, delayed.task_id)
        assert (view.status, view.started_at) == (TaskStatus.CANCELLED, None)

    async def test_cancel_keeps_how_the_last_attempt_ended(
        self, store: Store, claimer: Claimer
    ) -> None:
        await store.add([make_row(task_id=(task_id := uuid4()))])
        [task] = await claimer.claim()
        await claimer.settle(retry(task))
        await store.edit([CancelTask(task_id=task_id)])
        view = await view_of(store, task_id)
        assert (view.status, view.retry_count) == (TaskStatus.CANCELLED, 1)
        assert (view.error, view.execution_s, view.worker_id) == ("boom", 0.5, "w-1")

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
        assert await store.edit(resumes) == [NOT_APPLIED] * 2
        assert await store.edit(pauses) == [Edited(count=1, queue_name="default")] * 2
        assert await store.edit(pauses) == [NOT_APPLIED] * 2
        assert (await view_of(store, first.task_id)).status is TaskStatus.PAUSED
        await self.pass_time(store_clock, 10)
        assert (await claimer.survey()).next_due_s is None
        counts = await store.count("default")
        assert (counts.held, counts.pending, counts.delayed) == (2, 1, 0)
        assert await store.edit(resumes) == [Edited(count=1, queue_name="default")] * 2
        expected = [first.task_id, second.task_id, delayed.task_id]
        assert ids(await claimer.claim()) == expected
        assert await store.edit(pauses) == [NOT_APPLIED] * 2

    async def test_a_requeued_dead_letter_lives_anew_under_its_id(
        self, store: Store, claimer: Claimer
    ) -> None:
        await store.add([make_row(retry_count=3, unique_key="k")])
        [task] = await claimer.claim()
        await claimer.settle(dead(task))
        change = RequeueDead(task_id=task.row.task_id)
        rival = make_row(unique_key="k", queue_name="default")
        await store.add([rival])
        assert await store.edit([change]) == [NOT_APPLIED]
        await store.edit([CancelTask(task_id=rival.task_id)])
        assert await store.edit([change, change]) == [
            Edited(count=1, queue_name="default"),
            NOT_APPLIED,
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
