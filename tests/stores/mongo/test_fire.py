"""Who fires when and dies where: each occurrence is enqueued once, with transactions or without."""

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import anyio
import pytest

from oncue.stores import (
    Added,
    AddSchedule,
    AlreadyKnown,
    Fire,
    Fired,
    FireOutcome,
    Overtaken,
    PurgeResults,
    RemoveSchedule,
    ReplaceSchedule,
    ScheduleView,
    Store,
)
from oncue.stores.mongo import MongoStore, _fire, _schedules
from oncue.stores.mongo._call import Call
from oncue.testing._store_kit import START, Claimer, TurnedClock, done, ids
from oncue.testing._suite_schedules import fire, make_run, make_schedule, planned, runs_of
from tests.stores.mongo.kit import Place

pytestmark = pytest.mark.real_time

Meanwhile = Callable[[Call], object]


class Killed(Exception):
    pass


def between(monkeypatch: pytest.MonkeyPatch, meanwhile: Meanwhile) -> None:
    """Do something once, after a fire has added its runs and before it moves its schedule on."""
    move_on: Any = getattr(_fire, "_move_on")  # noqa: B009 - a place to strike

    def interrupted(call: Call, *arguments: Any) -> Any:
        monkeypatch.undo()
        meanwhile(call)
        return move_on(call, *arguments)

    monkeypatch.setattr(_fire, "_move_on", interrupted)


@pytest.fixture
async def store(alone: Place) -> AsyncIterator[MongoStore]:
    async with alone.opened(clock=TurnedClock()) as store:
        yield store


@pytest.fixture
async def view(store: Store) -> ScheduleView:
    [view] = await planned(store, make_schedule())
    return view


def kill(_: Call) -> None:
    raise Killed


async def die_while_firing(store: Store, occurrence: Fire, monkeypatch: pytest.MonkeyPatch) -> None:
    between(monkeypatch, kill)
    with pytest.raises(Killed):
        await store.fire([occurrence])


@pytest.mark.parametrize("ttl_s", [0, 1000])
async def test_who_dies_in_between_has_lost_nothing_and_doubled_nothing(
    alone: Place, view: ScheduleView, monkeypatch: pytest.MonkeyPatch, ttl_s: float
) -> None:
    run = make_run(view.row.job_id)
    async with alone.opened(clock=TurnedClock(), result_ttl_s=ttl_s) as store:
        await die_while_firing(store, fire(view, run), monkeypatch)
        claimer = await Claimer.join(store)
        [task] = await claimer.claim()
        assert await claimer.settle(done(task)) == []
        assert await store.purge(PurgeResults()) == 0  # or its id would be forgotten
        assert [each.version for each in (await store.due(9)).schedules] == [view.version]
        assert await store.fire([fire(view, run)]) == [Fired(outcomes=[AlreadyKnown()])]
        assert await claimer.claim() == []
        assert (await store.due(9)).schedules == []
        assert await store.purge(PurgeResults()) == 1


async def test_what_is_owed_for_a_schedule_that_is_gone_is_purged(
    store: Store, view: ScheduleView, monkeypatch: pytest.MonkeyPatch
) -> None:
    await die_while_firing(store, fire(view, make_run(view.row.job_id)), monkeypatch)
    claimer = await Claimer.join(store)
    await claimer.settle(*map(done, await claimer.claim()))
    await store.plan([RemoveSchedule(job_id=view.row.job_id), AddSchedule(row=view.row)])
    assert await store.purge(PurgeResults()) == 1


async def test_a_run_that_was_added_before_does_not_count_as_one_too_many(
    store: Store, view: ScheduleView, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(view.row.job_id)
    await die_while_firing(store, fire(view, run, limit=1), monkeypatch)
    outcome = Fired(outcomes=[AlreadyKnown()])
    assert await store.fire([fire(view, run, limit=1)]) == [outcome]


async def test_who_is_overtaken_by_a_change_takes_its_runs_back(
    store: Store, view: ScheduleView, monkeypatch: pytest.MonkeyPatch
) -> None:
    change = ReplaceSchedule(row=view.row, version=view.version)
    between(monkeypatch, lambda call: _schedules.plan(call, [change]))
    run = make_run(view.row.job_id)
    assert await store.fire([fire(view, run)]) == [Overtaken()]
    assert (await store.count()).live == 0
    assert await store.add([run]) == [Added()]


async def test_what_was_claimed_meanwhile_is_not_taken_back(
    alone: Place, store: Store, view: ScheduleView, monkeypatch: pytest.MonkeyPatch
) -> None:
    change = ReplaceSchedule(row=view.row, version=view.version)

    def meanwhile(call: Call) -> None:
        _schedules.plan(call, [change])
        alone.raw("tasks").update_one({}, {"$set": {"state": 1, "lease": 7, "node": "n"}})

    between(monkeypatch, meanwhile)
    assert await store.fire([fire(view, make_run(view.row.job_id))]) == [Overtaken()]
    assert (await store.count()).processing == 1


async def test_who_is_overtaken_by_another_who_fires_leaves_the_runs(
    store: Store, view: ScheduleView, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(view.row.job_id)
    others: list[FireOutcome] = []
    between(monkeypatch, lambda call: others.extend(_fire.fire(call, [fire(view, run)])))
    assert await store.fire([fire(view, run)]) == [Overtaken()]
    assert others == [Fired(outcomes=[AlreadyKnown()])]
    claimer = await Claimer.join(store)
    assert ids(await claimer.claim()) == [run.task_id]


async def test_where_nothing_tells_whether_it_was_fired_the_runs_stay(
    store: Store, view: ScheduleView, monkeypatch: pytest.MonkeyPatch
) -> None:
    remove = RemoveSchedule(job_id=view.row.job_id)
    between(monkeypatch, lambda call: _schedules.plan(call, [remove]))
    assert await store.fire([fire(view, make_run(view.row.job_id))]) == [Overtaken()]
    assert (await store.count()).live == 1


async def test_of_many_who_fire_at_once_one_does(place: Place) -> None:
    clock = TurnedClock()
    outcomes: list[Sequence[FireOutcome]] = []
    async with place.opened(clock=clock) as store:
        views = await planned(store, *(make_schedule() for _ in range(5)))
        runs = [make_run(view.row.job_id) for view in views]
        fires = [fire(view, run, limit=1) for view, run in zip(views, runs, strict=True)]

        async def fire_them() -> None:
            async with place.opened(clock=clock) as other:
                outcomes.append(await other.fire(fires))

        async with anyio.create_task_group() as group:
            for _ in range(4):
                group.start_soon(fire_them)
        for number in range(5):
            fired = [each[number] for each in outcomes if isinstance(each[number], Fired)]
            assert len(fired) == 1
        assert [await runs_of(store, view) for view in await store.schedules()] == [1] * 5
        assert all(view.row.next_run_at != START for view in await store.schedules())
