"""The schema has a version: old tables are brought up, newer ones refused, any number at once."""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import UUID, uuid4

import anyio
import pytest

import oncue.stores.sql._migrations as _migrations
from oncue.stores import Added, AddSchedule, DeadLetters
from oncue.stores.sql import SchemaTooNew
from oncue.stores.sql._schema import FIRST
from oncue.testing._store_kit import Claimer, make_row
from oncue.testing._suite_base import dead
from oncue.testing._suite_schedules import make_schedule, runs_of
from tests.stores.sql.kit import KINDS, Kind, Place, place

pytestmark = pytest.mark.real_time


def version(where: Place) -> Sequence[object]:
    with where.tables.engine.begin() as connection:
        found = connection.exec_driver_sql(f"SELECT version FROM {where.tables.prefix}_schema")
        return [row[0] for row in found]


@pytest.mark.parametrize("kind", KINDS)
async def test_any_number_may_open_new_tables_at_once(kind: Kind, tmp_path: Path) -> None:
    async def work() -> None:
        async with where.opened() as store:
            assert await store.add([make_row()]) == [Added()]

    with place(kind, tmp_path) as where:
        async with anyio.create_task_group() as tg:
            for _ in range(6):
                tg.start_soon(work)
        assert version(where) == [_migrations.VERSION]
        async with where.opened() as store:
            assert (await store.count()).live == 6


def test_any_number_of_threads_may_make_a_new_file_at_once(tmp_path: Path) -> None:
    """SQLite refuses some of those who change a file's mode at once, whatever their timeout."""
    for n in range(20):
        folder = tmp_path / str(n)
        folder.mkdir()
        with place("sqlite", folder) as where, ThreadPoolExecutor(6) as threads:
            at_once = threading.Barrier(6)

            def connect(where: Place = where, at_once: threading.Barrier = at_once) -> None:
                at_once.wait()
                with where.database():
                    pass

            for each in [threads.submit(connect) for _ in range(6)]:
                each.result()


@pytest.mark.parametrize("kind", KINDS)
async def test_newer_tables_are_refused_by_both_versions(kind: Kind, tmp_path: Path) -> None:
    with place(kind, tmp_path) as where:
        async with where.opened():
            pass
        where.tables.do(f"UPDATE {where.tables.prefix}_schema SET version = 77")
        with pytest.raises(SchemaTooNew, match=f"77.*{_migrations.VERSION}") as caught:
            await where.store().open()
        assert (caught.value.found, caught.value.known) == (77, _migrations.VERSION)
        where.tables.do(f"UPDATE {where.tables.prefix}_schema SET version = {_migrations.VERSION}")


@pytest.mark.parametrize("kind", KINDS)
async def test_tables_of_version_1_keep_their_tasks_and_take_schedules(
    kind: Kind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Made by that version's statements, and filled by its columns."""
    with place(kind, tmp_path) as where:
        with monkeypatch.context() as then:
            then.setattr(_migrations, "MIGRATIONS", (FIRST,))
            then.setattr(_migrations, "VERSION", 1)
            with where.database() as database:
                key = {"postgresql": f"'{UUID(int=7)}'"}.get(kind, f"x'{UUID(int=7).hex}'")
                body = {"postgresql": r"'\x7b7d'"}.get(kind, "x'7b7d'")
                values = f"({key}, 'old', 'work', 5, 0, 3, 1.0, 0.0, 9, {body}, {body}, 0, 8)"
                names = (
                    "task_id, queue_name, task_type, priority, first_retry_count, max_retries,"
                    " retry_delay_s, delay_s, created_us, payload, tags, retry_count, run_us"
                )
                insert = database.dialect.statement(f"INSERT INTO {{live}} ({names}) VALUES")
                where.tables.do(f"{insert} {values}")
        assert version(where) == [1]
        async with where.opened() as store:
            assert version(where) == [_migrations.VERSION]
            job_id = uuid4()
            await store.add([make_row(job_id=job_id)])
            await store.plan([AddSchedule(row=make_schedule(job_id))])
            [planned] = await store.schedules()
            assert await runs_of(store, planned) == 1
            claimer = await Claimer.join(store)
            [old] = await claimer.claim("old")
            assert (old.row.task_id, old.row.job_id) == (UUID(int=7), None)
            [new] = await claimer.claim()
            assert new.row.job_id == job_id
            await claimer.settle(dead(old), dead(new))
            letters = await store.find(DeadLetters(queue_name=None, limit=9))
            assert {view.row and view.row.job_id for view in letters} == {None, job_id}


@pytest.mark.parametrize("kind", KINDS)
async def test_older_tables_are_brought_up_and_keep_their_tasks(
    kind: Kind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with place(kind, tmp_path) as where:
        async with where.opened() as store:
            await store.add([make_row()])
        more = (*_migrations.MIGRATIONS, ("ALTER TABLE {live} ADD COLUMN extra {int}",))
        monkeypatch.setattr(_migrations, "MIGRATIONS", more)
        monkeypatch.setattr(_migrations, "VERSION", len(more))
        async with where.opened() as store:
            assert (await store.count()).live == 1
        assert version(where) == [len(more)]
        assert where.rows("SELECT extra FROM {live}")[0][0] is None
