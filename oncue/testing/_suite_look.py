"""The store suite, in part: looking, counting and purging."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid4

from oncue.stores import (
    Added,
    ByIds,
    DeadLetters,
    LiveTasks,
    PauseQueue,
    PauseTask,
    PurgeDeadLetters,
    PurgeExpired,
    PurgeResults,
    PurgeWaiting,
    ResumeQueue,
    Store,
    TaskStatus,
)

from ._store_kit import START, Claimer, TurnedClock, done, make_row, view_of
from ._suite_base import (
    DEAD_LETTER_TTL_S,
    RESULT_TTL_S,
    SuiteBase,
    kill,
    retry,
)

DAY = timedelta(days=1)


class LookTests(SuiteBase):
    """Looking, counting and purging."""

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

    async def test_live_tasks_are_found_by_status(self, store: Store, claimer: Claimer) -> None:
        rows = [make_row() for _ in range(4)]
        await store.add(rows)
        _, again = await claimer.claim(limit=2)
        await claimer.settle(retry(again))
        await store.edit([PauseTask(task_id=rows[2].task_id)])

        async def found(*statuses: TaskStatus) -> list[UUID]:
            query = LiveTasks(queue_name=None, limit=9, statuses=frozenset(statuses))
            return [view.task_id for view in await store.find(query)]

        statuses = "PROCESSING", "RETRYING", "PAUSED", "PENDING"
        for row, status in zip(rows, statuses, strict=True):
            assert await found(TaskStatus[status]) == [row.task_id]
        both = await found(TaskStatus.PENDING, TaskStatus.RETRYING)
        assert both == [rows[1].task_id, rows[3].task_id]

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

    async def test_counts_of_all_are_those_of_each_queue_together(self, store: Store) -> None:
        rows = [
            replace(make_row(queue_name=name, priority=priority), created_at=START + number * DAY)
            for number, (name, priority) in enumerate([("a", 5), ("b", 5), ("b", 20), ("a", 10)])
        ]
        await store.add(rows)
        await store.edit([PauseTask(task_id=row.task_id) for row in rows])
        total, b = await store.count(), await store.count("b")
        assert (total.held, total.live, b.held, b.live) == (4, 4, 2, 2)
        assert (total.priorities, b.priorities) == ({5: 2, 10: 1, 20: 1}, {5: 1, 20: 1})
        assert (total.oldest, total.newest) == (rows[0].created_at, rows[3].created_at)
        assert (b.oldest, b.newest) == (rows[1].created_at, rows[2].created_at)

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
