"""The store suite, in part: waiting tasks revised."""

from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest

from oncue.stores import (
    Added,
    Edited,
    LiveTasks,
    PauseQueue,
    PauseTask,
    ResumeTask,
    ReviseTask,
    Store,
    TaskStatus,
    UniqueTaken,
)

from ._store_kit import START, Claimer, TurnedClock, ids, make_row, view_of
from ._suite_base import NOT_APPLIED, SuiteBase, dead


class ReviseTests(SuiteBase):
    """Waiting tasks revised."""

    async def test_a_waiting_task_is_revised_in_what_is_given(
        self, store: Store, claimer: Claimer, store_clock: TurnedClock
    ) -> None:
        row, other = make_row(payload={"a": 1}, delay=60), make_row(queue_name="b")
        await store.add([row, other])
        change = ReviseTask(
            task_id=row.task_id, queue_name="b", payload=b'{"b":22}', priority=20, run_at=START
        )
        assert await store.edit([change]) == [Edited(count=1, queue_name="b")]
        revised = replace(row, queue_name="b", payload=b'{"b":22}', priority=20)
        assert (await view_of(store, row.task_id)).row == revised
        assert [view.task_id for view in await store.find(LiveTasks(queue_name="b", limit=9))] == [
            row.task_id,
            other.task_id,
        ]
        assert await store.queues() == ["b"]
        counts = await store.count("b")
        assert (counts.pending, counts.priorities) == (2, {5: 1, 20: 1})
        assert counts.payload_bytes == counts.store_payload_bytes == len(b'{"b":22}{}')
        assert counts.oldest == row.created_at
        assert [task.row for task in await claimer.claim("default", "b")] == [revised, other]

    async def test_what_is_not_given_stays(self, store: Store) -> None:
        row = make_row(payload={"a": 1}, priority=10, delay=60)
        await store.add([row])
        before = await view_of(store, row.task_id)
        change = ReviseTask(task_id=row.task_id)
        assert await store.edit([change]) == [Edited(count=1, queue_name="default")]
        assert await view_of(store, row.task_id) == before

    async def test_a_revised_time_is_when_the_task_is_due_and_the_past_is_now(
        self, store: Store, claimer: Claimer, store_clock: TurnedClock
    ) -> None:
        ready, delayed = make_row(), make_row(delay=60)
        await store.add([ready, delayed])
        await self.pass_time(store_clock, 5)
        changes = [
            ReviseTask(task_id=ready.task_id, run_at=START + timedelta(seconds=30)),
            ReviseTask(task_id=delayed.task_id, run_at=START - timedelta(days=1)),
        ]
        await store.edit(changes)
        view = await view_of(store, ready.task_id)
        assert (view.status, view.run_at) == (TaskStatus.PENDING, START + timedelta(seconds=30))
        assert (await claimer.survey()).next_due_s == pytest.approx(25, abs=0.5)
        [task] = await claimer.claim()
        assert task.row.task_id == delayed.task_id
        assert task.run_at >= START + timedelta(seconds=5)
        await self.pass_time(store_clock, 26)
        assert ids(await claimer.claim()) == [ready.task_id]

    async def test_what_is_revised_to_where_claims_have_passed_is_not_missed(
        self, store: Store, claimer: Claimer
    ) -> None:
        rows = [make_row("x", priority=priority) for priority in (1, 20, 20, 20)]
        await store.add(rows)
        await claimer.claim(limit=2)
        await store.edit([ReviseTask(task_id=rows[0].task_id, priority=20)])
        assert ids(await claimer.claim(limit=1)) == [rows[0].task_id]

    async def test_a_paused_task_is_revised_and_stays_paused(
        self, store: Store, claimer: Claimer
    ) -> None:
        row = make_row()
        await store.add([row])
        await store.edit([PauseTask(task_id=row.task_id)])
        change = ReviseTask(task_id=row.task_id, queue_name="b", run_at=START)
        assert await store.edit([change]) == [Edited(count=1, queue_name="b")]
        counts = await store.count("b")
        assert (counts.held, counts.pending) == (1, 0)
        assert await claimer.claim("default", "b") == []
        await store.edit([ResumeTask(task_id=row.task_id)])
        assert ids(await claimer.claim("b")) == [row.task_id]

    async def test_what_runs_or_is_unknown_is_not_revised(
        self, store: Store, claimer: Claimer
    ) -> None:
        await store.add([make_row()])
        [task] = await claimer.claim()
        changes = [ReviseTask(task_id=key, priority=1) for key in (task.row.task_id, uuid4())]
        assert await store.edit(changes) == [NOT_APPLIED] * 2
        await claimer.settle(dead(task))
        assert await store.edit(changes) == [NOT_APPLIED] * 2
        assert (await view_of(store, task.row.task_id)).row == task.row

    async def test_a_task_takes_its_unique_key_along_where_it_is_free(
        self, store: Store, claimer: Claimer
    ) -> None:
        mine, theirs = make_row(unique_key="k"), make_row(unique_key="k", queue_name="b")
        await store.add([mine, theirs])
        to_b = ReviseTask(task_id=mine.task_id, queue_name="b", priority=20)
        to_c = ReviseTask(task_id=mine.task_id, queue_name="c", priority=20)
        assert await store.edit([to_b]) == [NOT_APPLIED]
        assert (await view_of(store, mine.task_id)).row == mine
        await store.edit([PauseQueue(queue_name="c")])
        assert await store.edit([to_c]) == [Edited(count=1, queue_name="c")]
        assert await store.edit([to_c]) == [Edited(count=1, queue_name="c")]
        rivals = [make_row(unique_key="k"), make_row(unique_key="k", queue_name="c")]
        assert await store.add(rivals) == [Added(), UniqueTaken(live_task_id=mine.task_id)]
        assert await claimer.claim("c") == []
