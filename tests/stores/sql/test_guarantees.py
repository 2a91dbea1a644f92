"""What docs/stores.md says of each database, where no other test says it."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import anyio
import pytest

from oncue.stores import clock
from oncue.testing._store_kit import make_row, view_of
from tests.stores.sql.kit import KINDS, Kind, database_of, place

pytestmark = pytest.mark.real_time


@pytest.mark.parametrize("kind", KINDS)
async def test_what_is_due_says_the_server_and_of_a_file_its_host(
    kind: Kind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ahead = timedelta(hours=1)
    monkeypatch.setattr(clock, "utc_now", lambda: datetime.now(UTC) + ahead)
    with place(kind, tmp_path) as where:
        async with where.opened() as store:
            row = make_row(delay=60)
            await store.add([row])
            run_at = (await view_of(store, row.task_id)).run_at
            assert run_at is not None
            right = datetime.now(UTC) + (ahead if kind == "sqlite" else timedelta(0))
            for now in (run_at - timedelta(seconds=60), (await store.due(1)).now):
                assert abs(now - right) < timedelta(seconds=5)


@pytest.mark.parametrize("kind", KINDS)
async def test_times_are_exact_to_a_microsecond(kind: Kind, tmp_path: Path) -> None:
    with place(kind, tmp_path) as where:
        async with where.opened() as store:
            moments = [(await store.due(1)).now for _ in range(10)]
    assert any(moment.microsecond % 1000 for moment in moments)


@pytest.mark.parametrize(("synchronous", "number"), [("FULL", 2), ("NORMAL", 1)])
async def test_sqlite_waits_for_the_disk_as_it_is_told(
    synchronous: Literal["FULL", "NORMAL"], number: int, tmp_path: Path
) -> None:
    with place("sqlite", tmp_path) as where:
        async with where.opened(synchronous=synchronous) as store:
            found = database_of(store).look("test", lambda tx: tx.rows("PRAGMA synchronous"))
    assert [list(row) for row in found] == [[number]]


async def test_sqlite_waits_for_the_disk_unless_told_otherwise(tmp_path: Path) -> None:
    with place("sqlite", tmp_path) as where:
        async with where.opened() as store:
            found = database_of(store).look("test", lambda tx: tx.rows("PRAGMA synchronous"))
    assert [list(row) for row in found] == [[2]]


async def test_mysql_tells_nobody(tmp_path: Path) -> None:
    with place("mysql", tmp_path) as where:
        async with where.opened() as store, where.opened() as other:
            with anyio.move_on_after(0.3) as scope:
                async with anyio.create_task_group() as group:
                    group.start_soon(store.next_hint)
                    await other.add([make_row()])
            assert scope.cancelled_caught
