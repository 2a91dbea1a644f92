"""Where a task stands is read by the scripts; one that they cannot read stops none of them."""

import json
from typing import Any
from uuid import UUID, uuid4

import pytest
from structlog.testing import capture_logs

from oncue.stores import (
    Added,
    Back,
    ByIds,
    CancelTask,
    Change,
    DeadLetters,
    LiveTasks,
    PauseTask,
    PurgeDeadLetters,
    PurgeExpired,
    PurgeWaiting,
    Reconciled,
    RequeueDead,
    RequeueDeadLetters,
    ResumeTask,
    ReviseTask,
    Store,
    TaskRow,
    TaskStatus,
)
from oncue.testing._store_kit import Claimer, done, ids, make_row, view_of
from oncue.testing._suite_base import dead, retry
from oncue.testing._suite_schedules import make_run
from tests.stores.redis.kit import Place, spoilable
from tests.stores.redis.test_keys import keys

pytestmark = pytest.mark.real_time

NEARLY_RIGHT: list[tuple[str, Any]] = [
    ("priority", "5 "),
    ("priority", "0x5"),
    ("due", " 5"),
    ("due", "1.5"),
    ("due", "9" * 400),
    ("number", f"{1:14} "),
    ("tries", 0.5),
    ("tries", -1),
    ("size", 2.5),
    ("size", -1),
    ("size", 1e300),
]
"""Lua takes them for numbers, and Redis refuses most of them."""
WRONG: list[tuple[str, Any]] = [
    *NEARLY_RIGHT,
    ("id", "0" * 32),
    ("queue", None),
    ("type", ["work"]),
    ("priority", "high"),
    ("due", "soon"),
    ("due", "nan"),
    ("due", 5),
    ("number", "7"),
    ("state", "asleep"),
    ("state", "running"),  # under no lease
    ("state", "dead"),
    ("state", [1]),
    ("tries", "many"),
    ("size", None),
    ("key", 7),
    ("last", {}),
]


def spoil(place: Place, task_id: UUID, field: str, value: object) -> tuple[dict[str, Any], str]:
    """What stood there, and what stands there now."""
    answer = place.do("GET", "task", task_id)
    found: dict[str, Any] = json.loads(answer.split(b"\r\n")[1])
    spoilt = json.dumps({**found, field: value})
    place.do("SET", "task", task_id, spoilt)
    return found, spoilt


@pytest.mark.parametrize(("field", "value"), WRONG)
async def test_a_field_that_is_none_is_told_and_what_stood_there_is_kept(
    field: str, value: object
) -> None:
    """D2.5."""
    async with spoilable() as (place, store):
        claimer = await Claimer.join(store)
        bad, good = make_row("rare", priority=20), make_row()
        await store.add([bad, good])
        found, spoilt = spoil(place, bad.task_id, field, value)
        with capture_logs() as logs:
            assert ids(await claimer.claim()) == [good.task_id]
        assert store.parked == 1
        [entry] = logs
        assert bad.task_id.hex in str(entry["rows"])
        kept = json.loads(place.do("GET", "task", bad.task_id).split(b"\r\n")[1])
        assert kept["was"] == spoilt
        assert kept["error"].startswith("its task cannot be read: ")
        unspoilt = ("id", "queue", "type", "priority", "due", "number", "size")
        assert {name: kept[name] for name in unspoilt} == {name: found[name] for name in unspoilt}


async def test_what_was_set_aside_is_looked_at_and_resumed_or_cancelled() -> None:
    async with spoilable(result_ttl_s=0) as (place, store):
        claimer = await Claimer.join(store)
        job = uuid4()
        resumed, cancelled = make_row(), make_run(job, unique_key="k")
        await store.add([resumed, cancelled])
        for row in (resumed, cancelled):
            place.do("SET", "task", row.task_id, "no json")
        assert await claimer.claim() == []
        views = await store.find(LiveTasks(queue_name=None, limit=10))
        assert [(view.row, view.status) for view in views] == [
            (resumed, TaskStatus.PAUSED),
            (cancelled, TaskStatus.PAUSED),
        ]
        assert views[0].error is not None
        assert "cannot be read" in views[0].error
        assert (await store.count()).held == 2
        [applied] = await store.edit([ResumeTask(task_id=resumed.task_id)])
        assert applied.count == 1
        [task] = await claimer.claim()
        assert task.row == resumed
        await claimer.settle(done(task))
        [applied] = await store.edit([CancelTask(task_id=cancelled.task_id)])
        assert applied.count == 1
        # Nothing is left: neither its unique key, nor its place among its job's runs.
        await store.leave("node-a", claimer.incarnation)
        assert keys(place.server, place.name) == {"counters", "hints"}
        assert store.parked == 2


async def test_one_that_waits_is_set_aside_by_whoever_means_it() -> None:
    async with spoilable() as (place, store):
        delayed, paused, gone = (make_row(delay=3600) for _ in range(3))
        await store.add([delayed, paused, gone])
        await store.edit([PauseTask(task_id=paused.task_id)])
        for row in (delayed, paused):
            place.do("SET", "task", row.task_id, "x")
        place.do("DEL", "task", gone.task_id)
        changes: list[Change] = [
            CancelTask(task_id=delayed.task_id),
            ResumeTask(task_id=paused.task_id),
            CancelTask(task_id=gone.task_id),
        ]
        edited = await store.edit(changes)
        assert [each.count for each in edited] == [1, 1, 0]
        assert store.parked == 2
        assert (await view_of(store, paused.task_id)).status is TaskStatus.PENDING


async def test_a_running_one_is_set_aside_once_its_lease_is_nobodys() -> None:
    """Its outcome is refused, as nobody can tell any more whose it is; the others' count."""
    async with spoilable() as (place, store):
        claimer = await Claimer.join(store)
        rows = [make_row() for _ in range(3)]
        await store.add(rows)
        tasks = await claimer.claim(limit=2)
        place.do("SET", "task", rows[0].task_id, "x")
        held = [task.lease for task in tasks]
        assert (await store.reconcile("node-a", claimer.incarnation, held)).void == frozenset()
        [edited] = await store.edit([CancelTask(task_id=rows[0].task_id)])
        assert edited.count == 0
        assert await store.purge(PurgeWaiting(queue_name="default")) == 1
        assert await claimer.settle(*map(done, tasks)) == [done(tasks[0])]
        assert store.parked == 0
        nothing = Reconciled(void=frozenset(), returned=0)
        assert await store.reconcile("node-a", claimer.incarnation, []) == nothing
        assert store.parked == 1
        assert (await store.count()).held == 1
        assert await store.leave("node-a", claimer.incarnation) == 0


@pytest.mark.parametrize(("field", "value"), NEARLY_RIGHT)
async def test_a_running_one_with_a_field_that_is_none_keeps_no_other_from_being_settled(
    field: str, value: object
) -> None:
    """A script that raised midway would have written a half of it."""
    async with spoilable() as (place, store):
        claimer = await Claimer.join(store)
        rows = [make_row() for _ in range(3)]
        await store.add(rows)
        first, bad, last = await claimer.claim()
        spoil(place, bad.row.task_id, field, value)
        back = Back(task_id=bad.row.task_id, lease=bad.lease)
        for outcome in (back, done(bad)):
            settlements = [done(first), outcome, retry(last, delay_s=0)]
            refused = (await store.exchange(settlements)).refused
            assert refused == (settlements if outcome is not back else [back])
        assert (await view_of(store, first.row.task_id)).status is TaskStatus.COMPLETED
        assert ids(await claimer.claim()) == [last.row.task_id]
        await store.leave("node-a", claimer.incarnation)
        assert store.parked == 1
        counts = await store.count()
        assert (counts.held, counts.live) == (1, 2)


@pytest.mark.parametrize("end", ["leave", "restart", "rescue"])
async def test_a_node_that_ends_is_followed_by_others_whatever_it_held(end: str) -> None:
    async with spoilable() as (place, store):
        claimer = await Claimer.join(store)
        rows = [make_row(), make_row()]
        await store.add(rows)
        await claimer.claim()
        place.do("SET", "task", rows[0].task_id, "x")
        if end == "leave":
            assert await store.leave("node-a", claimer.incarnation) == 1
        anew = await Claimer.join(store, restarted=end == "restart")
        taken = await (anew.rescue() if end == "rescue" else anew.claim())
        assert ids(taken) == [rows[1].task_id]
        assert await anew.settle(*map(done, taken)) == []
        assert store.parked == 1
        [edited] = await store.edit([ResumeTask(task_id=rows[0].task_id)])
        assert edited.count == 1
        assert ids(await anew.claim()) == [rows[0].task_id]


async def test_a_purge_of_what_waits_removes_it() -> None:
    async with spoilable() as (place, store):
        rows = [make_row() for _ in range(3)]
        await store.add(rows)
        place.do("SET", "task", rows[2].task_id, "x")
        assert await store.purge(PurgeWaiting(queue_name="default")) == 3
        assert keys(place.server, place.name) == {"counters", "hints"}


async def buried(store: Store, place: Place) -> Any:
    """Three dead letters, of which the second cannot be read."""
    claimer = await Claimer.join(store)
    rows = [make_row() for _ in range(3)]
    await store.add(rows)
    await claimer.settle(*map(dead, await claimer.claim()))
    place.do("SET", "task", rows[1].task_id, "x")
    await store.leave("node-a", claimer.incarnation)
    return rows


async def test_a_dead_letter_that_cannot_be_read_is_passed_over() -> None:
    async with spoilable() as (place, store):
        rows = await buried(store, place)
        views = await store.find(DeadLetters(queue_name=None, limit=10))
        assert [view.task_id for view in views] == [rows[2].task_id, rows[0].task_id]
        [edited] = await store.edit([RequeueDead(task_id=rows[1].task_id)])
        assert edited.count == 0
        [edited] = await store.edit([RequeueDeadLetters(queue_name=None, limit=10)])
        assert edited.count == 2


async def test_a_dead_letter_that_cannot_be_read_is_purged_in_its_time() -> None:
    async with spoilable(dead_letter_ttl_s=0) as (place, store):
        await buried(store, place)
        assert await store.purge(PurgeExpired()) == 3
        assert keys(place.server, place.name) == {"counters", "hints"}
        await buried(store, place)
        assert await store.purge(PurgeDeadLetters(queue_name="default")) == 3
        assert keys(place.server, place.name) == {"counters", "hints"}


async def left_behind(store: Store, place: Place) -> tuple[TaskRow, list[TaskRow]]:
    """A grave that is no more its task's, as that lives again, and two others."""
    claimer = await Claimer.join(store)
    rows = [make_row() for _ in range(3)]
    await store.add(rows)
    await claimer.settle(*map(dead, await claimer.claim()))
    place.do("DEL", "task", rows[1].task_id)
    assert await store.add([rows[1]]) == [Added()]
    return rows[1], [rows[0], rows[2]]


@pytest.mark.parametrize("is_readable", [True, False])
async def test_a_grave_that_was_left_behind_stops_no_purge(is_readable: bool) -> None:
    """Nor does it take the living with it."""
    async with spoilable(dead_letter_ttl_s=0) as (place, store):
        alive, _ = await left_behind(store, place)
        if not is_readable:
            place.do("SET", "task", alive.task_id, "x")
        assert await store.purge(PurgeExpired()) == 2
        assert (await store.count()).dead_letters == 0
        assert await store.purge(PurgeExpired()) == 0
        claimer = await Claimer.join(store)
        if not is_readable:
            await claimer.claim()
            await store.edit([ResumeTask(task_id=alive.task_id)])
        assert [task.row for task in await claimer.claim()] == [alive]


async def test_of_two_graves_the_later_is_the_tasks() -> None:
    async with spoilable(dead_letter_ttl_s=0) as (place, store):
        await left_behind(store, place)
        claimer = await Claimer.join(store)
        await claimer.settle(*map(dead, await claimer.claim()))
        assert len(await store.find(DeadLetters(queue_name=None, limit=10))) == 3
        assert await store.purge(PurgeExpired()) == 3
        assert (await store.count()).dead_letters == 0


async def test_a_grave_that_was_left_behind_is_no_dead_letter() -> None:
    async with spoilable() as (place, store):
        alive, others = await left_behind(store, place)
        letters = await store.find(DeadLetters(queue_name=None, limit=10))
        assert [view.row for view in letters] == others[::-1]
        [edited] = await store.edit([RequeueDeadLetters(queue_name=None, limit=10)])
        assert edited.count == 2
        claimer = await Claimer.join(store)
        assert [task.row for task in await claimer.claim()] == [alive, *others]


@pytest.mark.parametrize("kept", ["", "x", "\x90", "\x01", "\x97aaaaaaa"])
async def test_a_result_that_cannot_be_read_is_left_out(kept: str) -> None:
    async with spoilable() as (place, store):
        claimer = await Claimer.join(store)
        rows = [make_row(), make_row()]
        await store.add(rows)
        await claimer.settle(*map(done, await claimer.claim()))
        place.do("SET", "result", rows[0].task_id, kept)
        [view] = await store.find(ByIds(task_ids=[row.task_id for row in rows]))
        assert view.task_id == rows[1].task_id


@pytest.mark.parametrize("words", [["SET", "x"], ["SET", "[]"], ["DEL"]])
async def test_a_row_that_cannot_be_read_fails_neither_figures_nor_changes(
    words: list[str],
) -> None:
    """And what was changed in vain is still in line."""
    command, *text = words
    async with spoilable() as (place, store):
        claimer = await Claimer.join(store)
        rows = [make_row(), make_row()]
        await store.add(rows)
        place.do(command, "row", rows[0].task_id, *text)
        assert (await store.count()).live == 2
        changes = [ReviseTask(task_id=row.task_id, payload=b'{"n":1}') for row in rows]
        assert [edited.count for edited in await store.edit(changes)] == [0, 1]
        assert ids(await claimer.claim()) == [rows[1].task_id]
        assert store.parked == 1


async def test_a_key_of_another_kind_is_none() -> None:
    async with spoilable() as (place, store):
        claimer = await Claimer.join(store)
        rows = [make_row() for _ in range(4)]
        await store.add(rows)
        for row, kind in zip(rows, ("task", "row", "result"), strict=False):
            place.do("DEL", kind, row.task_id)
            place.do("LPUSH", kind, row.task_id, "x")
        found = await store.find(ByIds(task_ids=[row.task_id for row in rows]))
        assert [view.task_id for view in found] == [rows[2].task_id, rows[3].task_id]
        assert ids(await claimer.claim()) == [rows[2].task_id, rows[3].task_id]
        assert await store.add([make_row()]) == [Added()]
