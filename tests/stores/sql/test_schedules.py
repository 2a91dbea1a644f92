"""Schedules in SQL: who meets whom, what cannot be read, and how much a call looks at."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from threading import Thread
from typing import Any
from uuid import UUID

import anyio
import pytest
from structlog.testing import capture_logs

from oncue.stores import (
    Added,
    AddSchedule,
    Edited,
    Fired,
    FireOutcome,
    Overtaken,
    RemoveSchedule,
    ReplaceSchedule,
    ReviseTask,
    ScheduleView,
)
from oncue.stores.sql import _schedules
from oncue.stores.sql._add import add
from oncue.stores.sql._dialect import Tx
from oncue.stores.sql._edit import edit
from oncue.testing._store_kit import START, make_row
from oncue.testing._suite_schedules import fire, make_run, make_schedule, planned, runs_of
from tests.stores.sql.kit import KINDS, Kind, Place, place, work_of

pytestmark = pytest.mark.real_time

# --- who meets whom ------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
async def test_of_all_who_fire_a_version_at_once_one_does(kind: Kind, tmp_path: Path) -> None:
    outcomes: dict[UUID, list[FireOutcome]] = {}

    async def node(number: int) -> None:
        async with where.opened() as store:
            ready.add(number)
            if len(ready) == 4:
                go.set()
            await go.wait()
            for start in range(0, len(views), 10):
                fires = [
                    fire(view, make_run(view.row.job_id)) for view in views[start : start + 10]
                ]
                fires = fires[number:] + fires[:number]  # each in an order of its own
                for each, outcome in zip(fires, await store.fire(fires), strict=True):
                    outcomes.setdefault(each.job_id, []).append(outcome)

    with place(kind, tmp_path) as where:
        async with where.opened() as store:
            views = await planned(store, *(make_schedule() for _ in range(100)))
            ready, go = set[int](), anyio.Event()
            async with anyio.create_task_group() as tg:
                for number in range(4):
                    tg.start_soon(node, number)
            for view in await store.schedules():
                mine = outcomes[view.row.job_id]
                assert sorted(map(str, mine)) == sorted(
                    map(str, [Fired(outcomes=[Added()]), *[Overtaken()] * 3])
                )
                assert await runs_of(store, view) == 1


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("met", ["fired", "ended", "replaced", "removed", "removed and added"])
def test_who_meets_another_at_the_row_does_not_wait(kind: Kind, met: str, tmp_path: Path) -> None:
    if kind == "sqlite":
        pytest.skip("one writer at a time: they cannot meet")
    row = make_schedule()
    outcomes: list[FireOutcome] = []

    def first(tx: Tx, view: ScheduleView) -> None:
        remove, again = RemoveSchedule(job_id=row.job_id), AddSchedule(row=row)
        match met:
            case "fired":
                _schedules.fire(tx, [fire(view)])
            case "ended":
                _schedules.fire(tx, [replace(fire(view), next_run_at=None)])
            case "replaced":
                _schedules.plan(tx, [ReplaceSchedule(row=row, version=view.version)])
            case "removed":
                _schedules.plan(tx, [remove])
            case _:
                _schedules.plan(tx, [remove, again])

    with place(kind, tmp_path) as where, where.database() as database:
        database.write("plan", lambda tx: _schedules.plan(tx, [AddSchedule(row=row)]))
        [view] = database.look("look", lambda tx: _schedules.find(tx, None, 9, 0))
        fires = [fire(view, make_run(row.job_id))]
        other = Thread(
            target=lambda: outcomes.extend(
                database.write("fire", lambda tx: _schedules.fire(tx, fires))
            )
        )

        def meanwhile(tx: Tx) -> None:
            first(tx, view)
            other.start()
            other.join(1)
            assert outcomes == [Overtaken()]

        database.write("first", meanwhile)
        other.join(10)
        assert where.rows("SELECT count(*) FROM {live}")[0][0] == 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_task_revised_into_a_queue_meets_who_takes_its_key_there(
    kind: Kind, tmp_path: Path
) -> None:
    if kind == "sqlite":
        pytest.skip("one writer at a time: they cannot meet")
    row, rival = make_row(unique_key="k"), make_row(unique_key="k", queue_name="b")
    change = ReviseTask(task_id=row.task_id, queue_name="b")
    edited: list[Edited] = []
    with place(kind, tmp_path) as where, where.database() as database:
        database.write("add", lambda tx: add(tx, [row]))
        other = Thread(
            target=lambda: edited.append(
                database.write("edit", lambda tx: edit(tx, change, keep_results=True))
            )
        )

        def meanwhile(tx: Tx) -> None:
            assert add(tx, [rival]) == [Added()]
            other.start()
            other.join(0.3)
            assert other.is_alive(), "it waits for the key"

        database.write("add", meanwhile)
        other.join(10)
    assert edited == [Edited(count=0)]


# --- what cannot be read -------------------------------------------------------------------

EVERYWHERE = (f"created_us = {2**62}", f"next_run_us = {-(2**62)}", f"next_run_us = {2**62}")
# SQLite keeps any type in any column.
IN_SQLITE = (
    "job_id = x'00'",
    "task = 'text'",
    "trigger_json = x'00'",
    "instances_max = 'many'",
    "next_run_us = 'noon'",
    "version = 'last'",
)
CASES: list[tuple[Kind, str]] = [
    *(("sqlite", change) for change in IN_SQLITE),
    *((kind, change) for kind in KINDS for change in EVERYWHERE),
]


@pytest.mark.parametrize(("kind", "change"), CASES)
async def test_a_schedule_that_cannot_be_read_is_set_aside_and_stops_no_other(
    kind: Kind, change: str, tmp_path: Path
) -> None:
    with place(kind, tmp_path) as where:
        async with where.opened() as store:
            rows = [make_schedule(in_s=-n) for n in (3, 2, 1)]
            before, bad, after = await planned(store, *rows)
            where.do(f"UPDATE {{schedules}} SET {change} WHERE number = {bad.number}")
            with capture_logs() as logs:
                due = await store.due(2)
            assert due.schedules == [before, after]
            assert due.next_due_s is None
            assert store.parked == 1
            assert [entry["log_level"] for entry in logs] == ["error"]
            [[error, next_us]] = where.rows(
                f"SELECT error, next_run_us FROM {{schedules}} WHERE number = {bad.number}"
            )
            assert error.startswith("cannot be read: ")
            assert next_us is None
            assert (await store.due(2)).schedules == [before, after]
            assert {before.row.job_id, after.row.job_id} <= {
                view.row.job_id for view in await store.schedules()
            }


@pytest.mark.parametrize("kind", KINDS)
async def test_a_schedule_set_aside_can_be_replaced_and_removed(kind: Kind, tmp_path: Path) -> None:
    with place(kind, tmp_path) as where:
        async with where.opened() as store:
            row = make_schedule()
            [view] = await planned(store, row)
            where.do(f"UPDATE {{schedules}} SET created_us = {2**62}")
            assert (await store.due(9)).schedules == []
            change = ReplaceSchedule(row=row, version=view.version)
            assert await store.plan([change]) == [True]
            assert where.rows("SELECT error FROM {schedules}")[0][0] is None
            assert [each.row for each in (await store.due(9)).schedules] == [row]
            where.do(f"UPDATE {{schedules}} SET created_us = {2**62}")
            assert await store.plan([RemoveSchedule(job_id=row.job_id)]) == [True]


# --- what a call looks at ------------------------------------------------------------------

BATCH = 50


def many(place: Place, schedules: int, runs: int) -> None:
    """So many schedules, one in ten due, and so many runs of each of the first 50, and others."""
    rows = [make_schedule(in_s=-9 if n % 10 == 0 else 10**9) for n in range(schedules)]
    tasks = [make_run(row.job_id, delay=10**6) for row in rows[:BATCH] for _ in range(runs)]
    with place.database() as database:
        changes = [AddSchedule(row=row) for row in rows]
        database.write("plan", lambda tx: _schedules.plan(tx, changes))
        database.write("add", lambda tx: add(tx, [*tasks, *(make_row() for _ in tasks)]))


def calls(place: Place) -> dict[str, int]:
    """What each call visits now."""

    def firing(tx: Tx) -> object:
        views = _schedules.due(tx, BATCH, None).schedules
        fires = [fire(view, make_run(view.row.job_id), limit=99) for view in views]
        return _schedules.fire(tx, fires)

    some = make_schedule()
    named: dict[str, Callable[[Tx], Any]] = {
        "due": lambda tx: _schedules.due(tx, BATCH, None),
        "list": lambda tx: _schedules.find(tx, None, BATCH, 7),
        "find": lambda tx: _schedules.find(tx, [some.job_id] * BATCH, 1, 0),
        "fire": firing,
        "plan": lambda tx: _schedules.plan(tx, [AddSchedule(row=some)]),
    }
    with place.database() as database:
        return {name: work_of(database, call)[1] for name, call in named.items()}


@pytest.mark.slow
def test_no_call_visits_schedules_that_it_does_not_mean(place: Place) -> None:
    many(place, 10 * BATCH, 1)
    few = calls(place)
    many(place, 10_000, 20)
    lots = calls(place)
    for name, visited in lots.items():
        assert visited < 1.5 * few[name] + 100, (name, few, lots)


def test_postgresql_looks_by_its_indexes(tmp_path: Path) -> None:
    with place("postgresql", tmp_path) as where:
        many(where, 10_000, 2)
        where.do("ANALYZE {schedules}", "ANALYZE {live}")

        def explain(tx: Tx) -> str:
            cursor: Any = _Explaining(tx)
            spied = Tx(cursor, tx.dialect, tx.now_us)
            views = _schedules.due(spied, BATCH, (START - timedelta(days=1), UUID(int=0))).schedules
            assert len(views) == BATCH
            _schedules.find(spied, [view.row.job_id for view in views], 1, 0)
            fires = [fire(view, make_run(view.row.job_id), limit=3) for view in views]
            assert len(_schedules.fire(spied, fires)) == BATCH
            return "\n".join(cursor.plans)

        with where.database() as database:
            plans = database.write("explain", explain)
        assert "Seq Scan" not in plans
        for index in ("schedules_due", "schedules_id", "live_job"):
            assert f"Index Scan using {where.tables.prefix}_{index}" in plans.replace("Only ", "")


class _Explaining:
    """A cursor that notes the plan of each statement before it runs it."""

    def __init__(self, tx: Tx) -> None:
        self._cursor: Any = tx._cursor  # pyright: ignore[reportPrivateUsage]
        self.plans: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cursor, name)

    def execute(self, statement: str, parameters: Sequence[Any] = ()) -> None:
        self._cursor.execute(f"EXPLAIN {statement}", parameters)
        self.plans += [row[0] for row in self._cursor.fetchall()]
        self._cursor.execute(statement, parameters)
