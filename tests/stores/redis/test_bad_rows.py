"""What other programs wrote, and cannot be read, never stops a queue: it is set aside."""

import pytest
from structlog.testing import capture_logs

from oncue.stores import (
    LIVE,
    AddSchedule,
    ByIds,
    ClaimedTask,
    LiveTasks,
    Reconciled,
    RemoveSchedule,
    ReplaceSchedule,
    TaskStatus,
    first_lease,
)
from oncue.testing._store_kit import Claimer, done, ids, make_row
from oncue.testing._suite_base import dead
from oncue.testing._suite_schedules import make_schedule, planned
from tests.stores.redis.kit import before, spoilable

pytestmark = pytest.mark.real_time


SPOILT: list[tuple[str, str, list[str]]] = [
    ("SET", "row", ["no json\n{}"]),
    ("SET", "row", ["[]\n{}"]),
    ("SET", "row", ['["work",0,3,1,0,null,null,"noon",null,null,null,""]\n{}']),
    ("SET", "row", ['["work",0,3,1,0,null,null,1e30,null,null,null,""]\n{}']),
    ("SET", "row", ['["work",0,3,1,0,null,null,1,null,null,null,""]\n[1]']),
    ("DEL", "row", []),
    ("SET", "task", ["no json"]),
    ("SET", "task", ["[]"]),
    ("SET", "task", ["{}"]),
    ("SET", "task", ["null"]),
    ("SET", "task", ['"\xff\x00']),
]


@pytest.mark.parametrize(("command", "kind", "words"), SPOILT)
async def test_what_cannot_be_read_is_set_aside(command: str, kind: str, words: list[str]) -> None:
    """D2.5."""
    async with spoilable() as (place, store):
        claimer = await Claimer.join(store)
        before, bad, after, held = (make_row() for _ in range(4))
        await store.add([held])
        [running] = await claimer.claim()
        await store.add([before, bad, after])
        place.do(command, kind, bad.task_id, *words)
        with capture_logs() as logs:
            exchanged = await claimer.exchange(done(running))
        assert ids(exchanged.claimed) == [before.task_id, after.task_id]
        assert exchanged.refused == []
        assert store.parked == 1
        assert [entry["log_level"] for entry in logs] == ["error"]
        assert (await store.count()).held == 1
        assert b'"error":"' in place.do("GET", "task", bad.task_id)
        assert await claimer.claim() == []
        # Whoever looks sees the others.
        unheld = LIVE - {TaskStatus.PAUSED}
        views = await store.find(LiveTasks(queue_name=None, limit=10, statuses=unheld))
        assert [view.task_id for view in views] == [before.task_id, after.task_id]


async def test_a_running_row_that_cannot_be_read_does_not_stop_a_rescue() -> None:
    async with spoilable() as (place, store):
        rows = [make_row(), make_row(), make_row()]
        await store.add(rows)
        killed = await Claimer.join(store)
        await killed.claim()
        anew = await Claimer.join(store)
        place.do("SET", "row", rows[1].task_id, "x")
        rescued = await anew.rescue()
        assert {task.row.task_id for task in rescued} == {rows[0].task_id, rows[2].task_id}
        # They are the rescuer's, so that this attempt counts; and no lease was passed over.
        first = first_lease(anew.incarnation)
        assert [task.lease for task in rescued] == [first, first + 1]
        assert await anew.claim() == []
        assert (await store.count()).held == 1
        held = [task.lease for task in rescued]
        nothing = Reconciled(void=frozenset(), returned=0)
        assert await store.reconcile("node-a", anew.incarnation, held) == nothing
        assert await anew.settle(*map(dead, rescued)) == []
        assert await anew.rescue() == []


async def test_a_rescue_goes_on_where_nothing_that_it_took_can_be_read() -> None:
    async with spoilable() as (place, store):
        rows = [make_row(), make_row(), make_row()]
        await store.add(rows)
        await (await Claimer.join(store)).claim()
        anew = await Claimer.join(store)
        for row in rows[:2]:
            place.do("SET", "row", row.task_id, "x")
        taken = [task for _ in range(3) for task in await anew.rescue(limit=1)]
        assert ids(taken) == [rows[2].task_id]
        assert store.parked == 2


async def test_what_was_handed_on_meanwhile_is_neither_set_aside_nor_put_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """D1.3. It is somebody else's by now."""
    taken: list[ClaimedTask] = []
    async with spoilable() as (place, store):
        rows = [make_row(), make_row()]
        await store.add(rows)
        killed = await Claimer.join(store)
        place.do("SET", "row", rows[0].task_id, "x")

        async def hand_on() -> None:
            anew = await Claimer.join(store)
            taken.extend([*await anew.rescue(), *await anew.claim()])

        before(monkeypatch, "park", hand_on)
        assert await killed.claim() == []
        assert ids(taken) == [rows[1].task_id]
        assert await killed.settle(*map(done, taken)) == []


async def test_a_task_whose_key_somebody_deleted_stops_nobody() -> None:
    async with spoilable() as (place, store):
        claimer = await Claimer.join(store)
        rows = [make_row(), make_row()]
        await store.add(rows)
        place.do("DEL", "task", rows[0].task_id)
        assert ids(await claimer.claim()) == [rows[1].task_id]
        assert await store.find(ByIds(task_ids=[rows[0].task_id])) == []


async def test_a_schedule_that_cannot_be_read_is_paused_and_the_others_are_fired() -> None:
    async with spoilable() as (place, store):
        bad, good = await planned(store, make_schedule(), make_schedule())
        place.do("HSET", "job", bad.row.job_id, "row", "no json")
        with capture_logs() as logs:
            due = await store.due(10)
        assert [view.row for view in due.schedules] == [good.row]
        assert [entry["log_level"] for entry in logs] == ["error"]
        assert (await store.due(10)).schedules == due.schedules
        assert store.parked == 1
        assert [view.row for view in await store.schedules()] == [good.row]
        assert len(place.do("HGET", "job", bad.row.job_id, "error")) > 10
        change = ReplaceSchedule(row=bad.row, version=bad.version)
        assert await store.plan([change]) == [True]
        assert place.do("HGET", "job", bad.row.job_id, "error") == b"$-1\r\n"
        assert {view.row.job_id for view in (await store.due(10)).schedules} == {
            bad.row.job_id,
            good.row.job_id,
        }


@pytest.mark.parametrize(
    "words",
    [
        ["HDEL", "row"],
        ["HDEL", "number"],
        ["HSET", "number", "one"],
        ["HSET", "changes", "some"],
        ["HSET", "next", "soon"],
        ["DEL"],
        ["SET", "x"],
    ],
)
async def test_a_schedule_of_which_something_is_gone_stops_no_other(words: list[str]) -> None:
    command, *fields = words
    async with spoilable() as (place, store):
        bad, good = await planned(store, make_schedule(), make_schedule())
        place.do(command, "job", bad.row.job_id, *fields)
        due = await store.due(10)
        assert [view.row for view in due.schedules] == [good.row]
        assert (await store.due(10)).schedules == due.schedules
        assert store.parked == 1
        planned_still = [view for view in await store.schedules() if view.row.next_run_at]
        assert planned_still == [good]
        await store.plan([RemoveSchedule(job_id=bad.row.job_id)])
        assert await store.plan([AddSchedule(row=bad.row)]) == [True]
        assert len((await store.due(10)).schedules) == 2
