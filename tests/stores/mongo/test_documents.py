"""What other programs write, what other versions made, and what is kept of what ended."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import structlog

from oncue import TaskData, open_queue
from oncue.stores import (
    Added,
    AddSchedule,
    ByIds,
    CancelTask,
    Done,
    LiveTasks,
    TaskStatus,
    clock,
)
from oncue.stores.mongo import SCHEMA_VERSION, SchemaTooNew
from oncue.testing._store_kit import Claimer, done, ids, make_row, view_of
from oncue.testing._suite_base import cancelled
from oncue.testing._suite_schedules import make_schedule
from tests.stores.mongo.kit import Place

pytestmark = pytest.mark.real_time

BAD: list[dict[str, Any]] = [
    {"payload": b"no json"},
    {"payload": b"[]"},
    {"tags": None},
    {"max_retries": "many"},
    {"run_us": -(2**60)},
    {"created_us": 2**62},
]


@pytest.mark.parametrize("damage", BAD, ids=lambda damage: next(iter(damage)))
async def test_a_document_that_cannot_be_read_is_set_aside_with_its_error(
    place: Place, damage: dict[str, Any]
) -> None:
    rows = [make_row() for _ in range(3)]
    async with place.opened() as store:
        await store.add(rows)
        place.raw("tasks").update_one({"_id": rows[1].task_id}, {"$set": damage})
        claimer = await Claimer.join(store)
        with structlog.testing.capture_logs() as logs:
            tasks = await claimer.claim()
        assert set(ids(tasks)) == {rows[0].task_id, rows[2].task_id}
        assert [task.lease - tasks[0].lease for task in tasks] == [0, 1]
        assert store.parked == 1
        assert [line["log_level"] for line in logs] == ["error"]
        assert (await store.count()).held == 1
        [parked] = place.raw("tasks").find({"state": 2})
        assert parked["error"].startswith("cannot be read")
        assert len(await store.find(LiveTasks(queue_name=None, limit=9))) == 2
        assert await store.edit([CancelTask(task_id=rows[1].task_id)]) != [None]


async def test_a_schedule_that_cannot_be_read_is_set_aside(place: Place) -> None:
    good, bad = make_schedule(), make_schedule()
    async with place.opened() as store:
        await store.plan([AddSchedule(row=bad), AddSchedule(row=good)])
        place.raw("schedules").update_one({"_id": bad.job_id}, {"$set": {"trigger": 7}})
        with structlog.testing.capture_logs() as logs:
            due = await store.due(10)
        assert [view.row for view in due.schedules] == [good]
        assert store.parked == len(logs) == 1
        kept = place.raw("schedules").find_one({"_id": bad.job_id})
        assert kept["error"].startswith("cannot be read")


async def test_collections_of_a_newer_version_are_refused(place: Place) -> None:
    async with place.opened():
        pass
    newer = {"$set": {"value": SCHEMA_VERSION + 1}}
    place.raw("counters").update_one({"_id": "schema"}, newer)
    with pytest.raises(SchemaTooNew, match="upgrade OnCue"):
        await place.store().open()


async def test_the_time_is_the_servers(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the clock says of the machine that asks."""
    monkeypatch.setattr(clock, "utc_now", lambda: datetime.now(UTC) + timedelta(hours=1))
    async with place.opened() as store:
        row = make_row(delay=60)
        await store.add([row])
        view = await view_of(store, row.task_id)
        assert view.run_at is not None
        moments = [view.run_at - timedelta(seconds=60), *[(await store.due(1)).now for _ in "123"]]
        assert all(abs(now - datetime.now(UTC)) < timedelta(seconds=5) for now in moments)
        assert not any(now.microsecond % 1000 for now in moments)  # it says milliseconds


@pytest.mark.parametrize("end", [done, cancelled])
async def test_without_a_time_to_live_no_result_is_kept(
    place: Place, end: Callable[..., Done]
) -> None:
    row = make_row()
    async with place.opened(result_ttl_s=0) as store:
        await store.add([row])
        claimer = await Claimer.join(store)
        [task] = await claimer.claim()
        assert await claimer.settle(end(task)) == []
        assert await store.find(ByIds(task_ids=[row.task_id])) == []
        assert await store.add([row]) == [Added()]
        await store.edit([CancelTask(task_id=row.task_id)])
        assert await store.find(ByIds(task_ids=[row.task_id])) == []


async def test_of_a_result_no_row_is_kept(place: Place) -> None:
    async with place.opened() as store:
        await store.add([make_row(payload={"a": "x" * 1000}, tags={"a": "b"}, unique_key="k")])
        claimer = await Claimer.join(store)
        await claimer.settle(*map(done, await claimer.claim()))
        [document] = place.raw("tasks").find()
        assert document.keys() == {
            "_id", "state", "status", "queue_name", "retry_count", "started_us", "ended_us",
            "execution_s", "worker_id", "result", "place", "sender", "settled",
        }  # fmt: skip


async def test_any_number_may_open_at_once(place: Place) -> None:
    async with place.opened() as one, place.opened() as two:
        assert await one.join("a") < await two.join("b")
        row = make_row()
        assert await one.add([row]) == [Added()]
        assert (await view_of(two, row.task_id)).status is TaskStatus.PENDING


async def test_a_task_is_no_part_of_somebodys_transaction(place: Place) -> None:
    mine = place.collections
    named = {"mongodb_database": mine.database, "mongodb_collection": mine.prefix}
    async with open_queue(mine.url, **named) as queue:
        with pytest.raises(ValueError, match="not on an SQL store"):
            await queue.enqueue(TaskData(task_type="work"), connection=object())
