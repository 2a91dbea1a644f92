"""The store suite, in part: schedules planned, looked at and fired."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from oncue.stores import (
    Added,
    AddSchedule,
    AlreadyKnown,
    Fire,
    Fired,
    InstancesFull,
    LiveTasks,
    Overtaken,
    PauseTask,
    RemoveSchedule,
    ReplaceSchedule,
    RequeueDead,
    ScheduleRow,
    ScheduleView,
    Store,
    TaskRow,
    UniqueTaken,
    decode_claimed,
)

from ._store_kit import START, Claimer, TurnedClock, done, ids, make_row
from ._suite_base import SuiteBase, dead, retry


def make_schedule(
    job_id: UUID | None = None, in_s: float | None = 0, name: str = "each minute"
) -> ScheduleRow:
    """A schedule that is due `in_s` after `START`; None: paused."""
    return ScheduleRow(
        job_id=job_id or uuid4(),
        name=name,
        queue_name="default",
        task=b'{"task_type":"work"}',
        trigger='{"é":1}',
        next_run_at=None if in_s is None else START + timedelta(seconds=in_s),
        misfire_grace_s=1.5,
        coalesce=True,
        instances_max=1,
        created_at=datetime(2025, 2, 3, 4, 5, 6, 7, tzinfo=UTC),
    )


def make_run(job_id: UUID, **fields: Any) -> TaskRow:
    """A run of a schedule."""
    return make_row(job_id=job_id, **fields)


async def runs_of(store: Store, view: ScheduleView) -> int:
    """How many live tasks are runs of the schedule."""
    found = await store.find(LiveTasks(queue_name=None, limit=10_000))
    return sum(each.row is not None and each.row.job_id == view.row.job_id for each in found)


def fire(view: ScheduleView, *rows: TaskRow, limit: int | None = None) -> Fire:
    """To be fired, and due again in a minute."""
    return Fire(
        job_id=view.row.job_id,
        version=view.version,
        next_run_at=START + timedelta(minutes=1),
        rows=rows,
        instances_max=limit,
    )


async def planned(store: Store, *rows: ScheduleRow) -> list[ScheduleView]:
    """The views of schedules just added."""
    assert await store.plan([AddSchedule(row=row) for row in rows]) == [True] * len(rows)
    return await store.schedules([row.job_id for row in rows])


class ScheduleTests(SuiteBase):
    """Schedules planned, looked at and fired."""

    # --- plan ------------------------------------------------------------------------------

    async def test_a_schedule_is_kept_as_it_was_planned(self, store: Store) -> None:
        bare = replace(make_schedule(in_s=None), misfire_grace_s=None, coalesce=False)
        rows = [make_schedule(), bare]
        assert await store.plan([AddSchedule(row=row) for row in rows]) == [True, True]
        assert [view.row for view in await store.schedules()] == rows

    async def test_a_schedule_is_added_once(self, store: Store) -> None:
        [view] = await planned(store, make_schedule())
        again = make_schedule(view.row.job_id, name="another")
        assert await store.plan([AddSchedule(row=again)]) == [False]
        assert await store.schedules() == [view]

    async def test_a_schedule_is_replaced_by_who_knows_its_version(self, store: Store) -> None:
        [view] = await planned(store, make_schedule())
        row = replace(
            make_schedule(view.row.job_id, in_s=None, name="noon"),
            queue_name="b",
            task=b"{}",
            trigger="{}",
            misfire_grace_s=None,
            coalesce=False,
            instances_max=9,
        )
        change = ReplaceSchedule(row=row, version=view.version)
        unknown = ReplaceSchedule(row=make_schedule(), version=view.version)
        assert await store.plan([change, change, unknown]) == [True, False, False]
        assert await store.schedules() == [replace(view, row=row, version=view.version + 1)]

    async def test_changes_are_applied_in_order(self, store: Store) -> None:
        row = make_schedule()
        add, remove = AddSchedule(row=row), RemoveSchedule(job_id=row.job_id)
        assert await store.plan([remove, add, remove, add, add]) == [False, True, True, True, False]
        assert [view.row for view in await store.schedules()] == [row]
        assert await store.plan([remove]) == [True]
        assert await store.schedules() == []
        assert await store.plan([]) == []

    async def test_a_removed_schedule_leaves_its_runs(self, store: Store, claimer: Claimer) -> None:
        [view] = await planned(store, make_schedule())
        run = make_run(view.row.job_id)
        await store.fire([fire(view, run)])
        await store.plan([RemoveSchedule(job_id=view.row.job_id)])
        assert ids(await claimer.claim()) == [run.task_id]

    async def test_a_version_never_comes_back(self, store: Store) -> None:
        """Not even when the schedule is removed and added again: an old `Fire` would match."""
        job_id, versions = uuid4(), list[int]()
        for _ in range(3):
            for in_s in (0, 60):
                [view] = await planned(store, make_schedule(job_id, in_s))
                versions.append(view.version)
                for _ in range(3):
                    await store.plan([ReplaceSchedule(row=view.row, version=versions[-1])])
                    versions.append((await store.schedules())[0].version)
                await store.plan([RemoveSchedule(job_id=job_id)])
        assert versions == sorted(set(versions))

    # --- look ------------------------------------------------------------------------------

    async def test_what_is_due_comes_in_the_order_of_time_and_id(
        self, store: Store, store_clock: TurnedClock
    ) -> None:
        twins = sorted((make_schedule(in_s=5) for _ in range(5)), key=lambda row: row.job_id)
        first, later, paused = (make_schedule(in_s=in_s) for in_s in (-3, 60, None))
        await planned(store, later, *reversed(twins), paused, first)
        nothing_yet = await store.due(10)
        assert [view.row for view in nothing_yet.schedules] == [first]
        assert nothing_yet.now == START
        assert nothing_yet.next_due_s == pytest.approx(5, abs=0.5)
        await self.pass_time(store_clock, 5)
        due = await store.due(10)
        assert [view.row for view in due.schedules] == [first, *twins]
        assert due.now == START + timedelta(seconds=5)
        assert due.next_due_s == pytest.approx(55, abs=0.5)
        assert await store.due(10) == due
        await self.pass_time(store_clock, 60)
        due = await store.due(10)
        assert [view.row for view in due.schedules] == [first, *twins, later]
        assert due.next_due_s is None

    async def test_what_is_due_can_be_looked_through_page_by_page(self, store: Store) -> None:
        rows = [make_schedule(in_s=-(n // 4)) for n in range(14)]
        await planned(store, *rows)
        seen: list[ScheduleView] = []
        after: tuple[datetime, UUID] | None = None
        while page := (await store.due(3, after)).schedules:
            assert len(page) <= 3
            seen += page
            assert len(seen) <= len(rows), "it goes on"
            last = page[-1].row
            assert last.next_run_at is not None
            after = last.next_run_at, last.job_id
        assert [view.row for view in seen] == sorted(
            rows, key=lambda row: (row.next_run_at, row.job_id)
        )
        assert (await store.due(0)).schedules == []

    async def test_schedules_are_listed_in_the_order_added(self, store: Store) -> None:
        rows = [make_schedule(in_s=-n) for n in range(5)]
        await planned(store, *rows[:3])
        views = [*await store.schedules(), *await planned(store, *rows[3:])]
        await store.plan([ReplaceSchedule(row=rows[0], version=views[0].version)])
        await store.plan([RemoveSchedule(job_id=rows[1].job_id)])

        async def listed(*, limit: int = 1000, after: int = 0) -> Sequence[ScheduleRow]:
            return [view.row for view in await store.schedules(limit=limit, after=after)]

        assert await listed() == [rows[0], *rows[2:]]
        assert await listed(limit=2) == [rows[0], rows[2]]
        assert await listed(limit=2, after=views[1].number) == rows[2:4]
        assert await listed(after=views[4].number) == []

    async def test_schedules_are_found_by_id_in_the_order_asked(self, store: Store) -> None:
        rows = [make_schedule(in_s=None) for _ in range(3)]
        await planned(store, *rows)
        asked = [rows[2].job_id, uuid4(), rows[0].job_id]
        assert [view.row for view in await store.schedules(asked)] == [rows[2], rows[0]]
        assert await store.schedules([]) == []

    async def test_live_runs_are_counted_whatever_their_status(
        self, store: Store, claimer: Claimer
    ) -> None:
        views = await planned(store, make_schedule(), make_schedule())
        job_id, other_id = (view.row.job_id for view in views)
        runs = [make_run(job_id, delay=delay) for delay in (0, 0, 0, 0, 50)]
        await store.add([*runs, make_row(), make_run(other_id, delay=50)])
        ended, retried, died, *_ = await claimer.claim(limit=4)
        await claimer.settle(done(ended), retry(retried), dead(died))
        await store.edit([PauseTask(task_id=runs[4].task_id)])
        full = await store.fire([fire(view, make_run(view.row.job_id), limit=1) for view in views])
        assert full == [InstancesFull(live=3), InstancesFull(live=1)]  # running, retrying, paused
        await store.edit([RequeueDead(task_id=died.row.task_id)])
        [mine, _] = await store.schedules()
        assert await store.fire([fire(mine, make_run(job_id), limit=1)]) == [InstancesFull(live=4)]

    # --- fire ------------------------------------------------------------------------------

    async def test_a_fire_moves_the_schedule_on_and_adds_its_runs(
        self, store: Store, claimer: Claimer
    ) -> None:
        [view] = await planned(store, make_schedule())
        runs = [make_run(view.row.job_id) for _ in range(2)]
        assert await store.fire([fire(view, *runs)]) == [Fired(outcomes=[Added(), Added()])]
        assert await store.schedules() == [
            replace(
                view,
                row=replace(view.row, next_run_at=START + timedelta(minutes=1)),
                version=view.version + 1,
            )
        ]
        due = await store.due(10)
        assert due.schedules == []
        assert due.next_due_s == pytest.approx(60, abs=0.5)
        claimed = await claimer.claim()
        assert [task.row for task in claimed] == runs
        assert [decode_claimed(task).job_id for task in claimed] == [view.row.job_id] * 2

    async def test_a_version_is_fired_once(self, store: Store, claimer: Claimer) -> None:
        [view] = await planned(store, make_schedule())
        job_id = view.row.job_id
        first = await store.fire([fire(view, make_run(job_id)), fire(view, make_run(job_id))])
        assert first == [Fired(outcomes=[Added()]), Overtaken()]
        assert await store.fire([fire(view, make_run(job_id))]) == [Overtaken()]
        [now] = await store.schedules()
        assert now.version == view.version + 1
        replaced = ReplaceSchedule(row=view.row, version=now.version)
        assert await store.plan([replaced]) == [True]
        assert await store.fire([fire(now, make_run(job_id))]) == [Overtaken()]
        assert len(await claimer.claim()) == 1

    async def test_one_call_may_fire_a_schedule_again_and_again(self, store: Store) -> None:
        one, two = await planned(store, make_schedule(), make_schedule())
        again = replace(one, version=one.version + 1)
        rows = [make_run(each.row.job_id) for each in (one, two, again)]
        fires = [
            fire(each, row, limit=1) for each, row in zip((one, two, again), rows, strict=True)
        ]
        assert await store.fire(fires) == [
            Fired(outcomes=[Added()]),
            Fired(outcomes=[Added()]),
            InstancesFull(live=1),
        ]
        assert [view.version for view in await store.schedules()] == [
            one.version + 2,
            two.version + 1,
        ]

    async def test_a_schedule_that_is_gone_is_not_fired(
        self, store: Store, claimer: Claimer
    ) -> None:
        [view] = await planned(store, make_schedule())
        run = make_run(view.row.job_id)
        await store.plan([RemoveSchedule(job_id=view.row.job_id)])
        assert await store.fire([fire(view, run)]) == [Overtaken()]
        await store.plan([AddSchedule(row=view.row)])
        assert await store.fire([fire(view, run)]) == [Overtaken()]
        assert await claimer.claim() == []

    async def test_a_schedule_that_has_ended_is_removed_with_its_last_run(
        self, store: Store, claimer: Claimer
    ) -> None:
        ended, other = await planned(store, make_schedule(), make_schedule(in_s=9))
        run = make_run(ended.row.job_id)
        last = replace(fire(ended, run), next_run_at=None)
        assert await store.fire([last, last]) == [Fired(outcomes=[Added()]), Overtaken()]
        assert await store.schedules() == [other]
        assert (await store.due(10)).schedules == []
        assert ids(await claimer.claim()) == [run.task_id]

    async def test_runs_are_added_by_the_rules_of_add(self, store: Store) -> None:
        one, two = await planned(store, make_schedule(), make_schedule())
        known = make_run(one.row.job_id, unique_key="k")
        rival, fresh = make_run(two.row.job_id, unique_key="k"), make_run(two.row.job_id)
        assert await store.add([known]) == [Added()]
        assert await store.fire([fire(one, known), fire(two, rival, fresh, fresh)]) == [
            Fired(outcomes=[AlreadyKnown()]),
            Fired(outcomes=[UniqueTaken(live_task_id=known.task_id), Added(), AlreadyKnown()]),
        ]
        assert [await runs_of(store, view) for view in (one, two)] == [1, 1]

    async def test_instances_are_counted_over_live_runs_and_the_schedule_moves_on_all_the_same(
        self, store: Store, claimer: Claimer
    ) -> None:
        job_id = make_schedule().job_id
        [view] = await planned(store, make_schedule(job_id))
        await store.add([make_row() for _ in range(5)])
        runs = [make_run(job_id) for _ in range(3)]
        assert await store.fire([fire(view, *runs, limit=1)]) == [Fired(outcomes=[Added()] * 3)]
        [view] = await store.schedules()
        for limit, expected in ((3, InstancesFull(live=3)), (4, Fired(outcomes=[Added()]))):
            assert await store.fire([fire(view, make_run(job_id), limit=limit)]) == [expected]
            [moved] = await store.schedules()
            assert moved.version == view.version + 1
            view = moved
        await claimer.settle(*map(done, await claimer.claim()))
        assert await store.fire([fire(view, make_run(job_id), limit=1)]) == [
            Fired(outcomes=[Added()])
        ]

    async def test_what_a_fire_could_not_take_is_told_from_what_comes_due_later(
        self, store: Store
    ) -> None:
        [view] = await planned(store, make_schedule())
        job_id = view.row.job_id

        async def goes_on_after(**fields: Any) -> bool:
            [now] = await store.schedules()
            fired = replace(fire(now, make_run(job_id)), next_run_at=then, **fields)
            assert await store.fire([fired]) != [Overtaken()]
            [now] = (await store.due(1)).schedules
            assert [now] == await store.schedules()
            return now.goes_on

        async def goes_on_as(**fields: Any) -> bool:
            [now] = await store.schedules()
            row = replace(now.row, **fields)
            assert await store.plan([ReplaceSchedule(row=row, version=now.version)]) == [True]
            return (await store.schedules())[0].goes_on

        then = START - timedelta(seconds=1)
        assert not view.goes_on
        assert await goes_on_after(goes_on=True)
        assert await goes_on_as(name="renamed")
        assert not await goes_on_as(next_run_at=START)
        assert await goes_on_after(goes_on=True)
        assert not await goes_on_after(goes_on=False)
        assert await goes_on_after(goes_on=True)
        assert not await goes_on_after(goes_on=True, instances_max=1)

    async def test_without_runs_there_is_nothing_to_be_too_many(self, store: Store) -> None:
        [view] = await planned(store, make_schedule())
        assert await store.fire([fire(view, make_run(view.row.job_id))]) != [Overtaken()]
        [view] = await store.schedules()
        assert await store.fire([fire(view, limit=1)]) == [Fired(outcomes=[])]
        assert (await store.schedules())[0].version == view.version + 1
        assert await store.fire([]) == []

    async def test_a_thousand_schedules_are_fired_at_once(
        self, store: Store, claimer: Claimer
    ) -> None:
        views = await planned(store, *(make_schedule() for _ in range(1000)))
        fires = [fire(view, make_run(view.row.job_id), limit=1) for view in views]
        stale = [replace(each, version=each.version - 1) for each in fires]
        mixed = [each for pair in zip(fires, stale, strict=True) for each in pair]
        outcomes = await store.fire(mixed[::-1])
        assert outcomes == [Overtaken(), Fired(outcomes=[Added()])] * 1000
        assert (await store.due(1)).schedules == []
        assert len(await claimer.claim(limit=2000)) == 1000
