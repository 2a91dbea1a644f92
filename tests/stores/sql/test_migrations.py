"""The schema has a version: old tables are brought up, newer ones refused, any number at once."""

from collections.abc import Sequence
from pathlib import Path

import anyio
import pytest

import oncue.stores.sql._migrations as _migrations
from oncue.stores import Added
from oncue.stores.sql import SchemaTooNew
from oncue.testing._store_kit import make_row
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
