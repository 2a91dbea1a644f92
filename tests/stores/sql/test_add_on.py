"""Tasks written on the caller's own connection exist if and only if that commits."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine
from sqlalchemy.orm import Session

from oncue.stores import Added, AlreadyKnown, UniqueTaken
from oncue.testing._store_kit import make_row
from tests.stores.sql.kit import KINDS, Kind, Place, place

pytestmark = pytest.mark.real_time


async def live(where: Place) -> int:
    async with where.opened() as store:
        return (await store.count()).live


@pytest.mark.parametrize("kind", KINDS)
async def test_the_task_exists_once_the_caller_commits(kind: Kind, tmp_path: Path) -> None:
    """D1.8."""
    with place(kind, tmp_path) as where:
        async with where.opened() as store:
            row, keyed, rival = make_row(), make_row(unique_key="k"), make_row(unique_key="k")
            await store.add([keyed])
            with where.tables.engine.connect() as connection:
                assert store.add_on(connection, [row, row, keyed, rival]) == [
                    Added(),
                    AlreadyKnown(),
                    AlreadyKnown(),
                    UniqueTaken(live_task_id=keyed.task_id),
                ]
                assert await live(where) == 1
                connection.commit()
            assert await live(where) == 2


@pytest.mark.parametrize("kind", KINDS)
async def test_the_task_never_was_when_the_caller_rolls_back(kind: Kind, tmp_path: Path) -> None:
    """D1.8."""
    with place(kind, tmp_path) as where:
        async with where.opened() as store:
            row = make_row()
            with Session(where.tables.engine) as session:
                assert store.add_on(session, [row]) == [Added()]
                session.rollback()
                assert await live(where) == 0
                assert store.add_on(session, [row]) == [Added()]
                session.commit()
            assert await live(where) == 1


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "sqlite"])
@pytest.mark.parametrize(
    "isolation", ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE", "AUTOCOMMIT"]
)
async def test_any_isolation_will_do(kind: Kind, isolation: Any, tmp_path: Path) -> None:
    with place(kind, tmp_path) as where:
        async with where.opened() as store:
            known = make_row()
            await store.add([known])
            engine = where.tables.engine.execution_options(isolation_level=isolation)
            with engine.begin() as connection:
                rows = [make_row(), known]
                assert store.add_on(connection, rows) == [Added(), AlreadyKnown()]
            assert await live(where) == 2


async def test_another_kind_of_database_is_refused(tmp_path: Path) -> None:
    elsewhere = create_engine(f"sqlite:///{tmp_path / 'other.db'}")
    with (
        place("postgresql", tmp_path) as where,
        elsewhere.connect() as connection,
        pytest.raises(ValueError, match="postgresql by psycopg, the connection is sqlite"),
    ):
        where.store().add_on(connection, [make_row()])
    elsewhere.dispose()
