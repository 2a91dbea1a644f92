"""What other programs wrote, and cannot be read, never stops a queue: it is set aside."""

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from oncue.stores import ByIds, LiveTasks, first_lease
from oncue.testing._store_kit import Claimer, done, ids, make_row
from tests.stores.sql.kit import KINDS, Kind, place

pytestmark = pytest.mark.real_time

EVERYWHERE = {"moment": f"created_us = {2**62}", "due": f"run_us = {-(2**62)}"}
NO_JSON = {
    "sqlite": ("payload = x'7b6e6f'", "tags = x'5b315d'"),
    "postgresql": (r"payload = '\x7b6e6f'", r"tags = '\x5b315d'"),
    "mysql": ("payload = x'7b6e6f'", "tags = x'5b315d'"),
}
# SQLite keeps any type in any column.
IN_SQLITE = {
    "id": "task_id = x'00'",
    "payload": "payload = 'text'",
    "no moment": "created_us = 'noon'",
    "priority": "priority = 'high'",
    "retries": "retry_count = 'many'",
    "delay": "delay_s = 'soon'",
}
CASES: list[tuple[Kind, str]] = [
    *(("sqlite", change) for change in IN_SQLITE.values()),
    *((kind, change) for kind in KINDS for change in (*EVERYWHERE.values(), *NO_JSON[kind])),
]


@pytest.mark.parametrize(("kind", "change"), CASES)
async def test_a_row_that_cannot_be_read_is_set_aside(
    kind: Kind, change: str, tmp_path: Path
) -> None:
    """D2.5."""
    with place(kind, tmp_path) as where:
        async with where.opened() as store:
            claimer = await Claimer.join(store)
            before, bad, after, held = (make_row() for _ in range(4))
            await store.add([held])
            [running] = await claimer.claim()
            await store.add([before, bad, after])
            numbers = [row[0] for row in where.rows("SELECT place FROM {live} ORDER BY place")]
            where.do(f"UPDATE {{live}} SET {change} WHERE place = {numbers[2]}")
            with capture_logs() as logs:
                exchanged = await claimer.exchange(done(running))
            assert ids(exchanged.claimed) == [before.task_id, after.task_id]
            assert exchanged.refused == []
            assert store.parked == 1
            assert [entry["log_level"] for entry in logs] == ["error"]
            assert (await store.count()).held == 1
            [[error]] = where.rows("SELECT error FROM {live} WHERE state = 2")
            assert error.startswith("cannot be read: ")
            assert await claimer.claim() == []
            # Whoever looks sees the others.
            views = await store.find(LiveTasks(queue_name=None, limit=10))
            assert [view.task_id for view in views] == [before.task_id, after.task_id]


async def test_text_that_is_no_utf8_is_shown_as_it_can_be(tmp_path: Path) -> None:
    with place("sqlite", tmp_path) as where:
        async with where.opened() as store:
            await store.add([make_row()])
            where.do("UPDATE {live} SET trace = CAST(x'61ff' AS TEXT)")
            [task] = await (await Claimer.join(store)).claim()
            assert task.row.trace == "a\\xff"


@pytest.mark.parametrize("kind", KINDS)
async def test_a_running_row_that_cannot_be_read_does_not_stop_a_rescue(
    kind: Kind, tmp_path: Path
) -> None:
    with place(kind, tmp_path) as where:
        async with where.opened() as store:
            rows = [make_row(), make_row()]
            await store.add(rows)
            killed = await Claimer.join(store)
            await killed.claim()
            anew = await Claimer.join(store)
            lease = first_lease(killed.incarnation)
            where.do(f"UPDATE {{live}} SET created_us = {2**62} WHERE lease = {lease}")
            assert ids(await anew.rescue()) == [rows[1].task_id]
            assert (await store.count()).held == 1


@pytest.mark.parametrize("kind", KINDS)
async def test_a_result_of_an_unknown_status_is_left_out(kind: Kind, tmp_path: Path) -> None:
    with place(kind, tmp_path) as where:
        async with where.opened() as store:
            rows = [make_row(), make_row()]
            await store.add(rows)
            claimer = await Claimer.join(store)
            one, two = await claimer.claim()
            await claimer.settle(done(one))
            where.do("UPDATE {results} SET status = 'exploded'")
            await claimer.settle(done(two))
            [view] = await store.find(ByIds(task_ids=[row.task_id for row in rows]))
            assert view.task_id == two.row.task_id
