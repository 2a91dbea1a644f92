"""The store suite, in part: adding, the order of claims, and claiming."""

from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

import pytest

from oncue.stores import (
    Added,
    AlreadyKnown,
    ClaimedTask,
    Edited,
    Holder,
    PauseQueue,
    ResumeQueue,
    Settlement,
    Store,
    TaskPriority,
    TaskStatus,
    UniqueTaken,
)

from ._store_kit import START, Claimer, TurnedClock, done, ids, make_row, view_of
from ._suite_base import (
    NOT_APPLIED,
    SuiteBase,
    cancelled,
    dead,
    kill,
    retry,
)


class ClaimTests(SuiteBase):
    """Adding, the order of claims, and claiming."""

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
            job_id=uuid4(),
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
        """D2.2."""
        await store.add([make_row(unique_key="k")])
        [task] = await claimer.claim()
        await claimer.settle(retry(task))
        outcomes = await store.add([make_row(unique_key="k")])
        assert outcomes == [UniqueTaken(live_task_id=task.row.task_id)]

    # --- order -----------------------------------------------------------------------------

    async def test_higher_priority_goes_first_and_equals_in_the_order_added(
        self, store: Store, claimer: Claimer
    ) -> None:
        """D2.1."""
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
        assert await claimer.claim() == []
        assert (await claimer.survey()).next_due_s == pytest.approx(10, abs=0.5)
        await self.pass_time(store_clock, 9)
        assert await claimer.claim() == []
        await self.pass_time(store_clock, 2)
        assert len(await claimer.claim()) == 1
        assert (await claimer.survey()).next_due_s == pytest.approx(19, abs=0.5)
        await self.pass_time(store_clock, 20)
        assert len(await claimer.claim()) == 1
        assert (await claimer.survey()).next_due_s is None

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
        """D2.1."""
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
        assert exchanged.survey is not None  # "c" came back short
        assert sorted(exchanged.survey.queues) == ["a", "b", "c"]
        exchanged = await claimer.exchange(queues=["a"], limit=0)
        assert (exchanged.claimed, exchanged.more) == ([], frozenset())

    async def test_the_queues_are_told_when_asked_for_and_when_a_claim_comes_back_short(
        self, store: Store, claimer: Claimer
    ) -> None:
        await store.add([make_row(queue_name=name) for name in "aab"])
        exchanged = await claimer.exchange(queues=["a"], limit=2)
        assert len(exchanged.claimed) == 2
        assert sorted((await claimer.survey()).queues) == ["a", "b"]
        exchanged = await claimer.exchange(queues=["b"], limit=2)
        assert exchanged.survey is not None
        assert sorted(exchanged.survey.queues) == ["a", "b"]

    async def test_a_negative_limit_is_refused_before_anything_changes(
        self, store: Store, claimer: Claimer
    ) -> None:
        await store.add([make_row()])
        [task] = await claimer.claim()
        with pytest.raises(ValueError, match="limit"):
            await claimer.exchange(done(task), limit=-1)
        assert (await view_of(store, task.row.task_id)).status is TaskStatus.PROCESSING

    async def test_a_type_not_handled_blocks_nobody(self, store: Store, claimer: Claimer) -> None:
        """D2.5."""
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
            NOT_APPLIED,
        ]
        assert await store.queues() == ["new"]
        assert (await store.count("new")).paused
        await store.add([make_row(queue_name="new"), make_row()])
        claimed = await claimer.claim("new", "default")
        assert [task.row.queue_name for task in claimed] == ["default"]
        assert await store.edit([ResumeQueue(queue_name="new"), ResumeQueue(queue_name="x")]) == [
            Edited(count=1, queue_name="new"),
            NOT_APPLIED,
        ]
        assert len(await claimer.claim("new")) == 1
