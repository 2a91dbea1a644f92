"""What PostgreSQL's claims remember: it spares them the dead, and hides nothing."""

from collections.abc import Generator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from oncue.stores import PauseTask, ResumeTask, ReviseTask
from oncue.stores.sql._add import add
from oncue.stores.sql._dialect import Tx
from oncue.testing._store_kit import Claimer, ids, make_row
from tests.stores.sql.kit import Place, place
from tests.stores.sql.test_plans import Worker, multiply


@pytest.fixture(autouse=True)
def long_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is remembered serves for a second, however quickly it was found."""
    monkeypatch.setattr("oncue.stores.sql._heads._SERVES_US_MIN", 10**6)


@pytest.fixture
def where(tmp_path: Path) -> Generator[Place]:
    with place("postgresql", tmp_path) as mine:
        yield mine


@pytest.mark.real_time
async def test_what_others_add_is_seen_at_once_whatever_its_lane(where: Place) -> None:
    async with where.opened() as store, where.opened() as other:
        claimer = await Claimer.join(store)
        await other.add([make_row("b") for _ in range(9)])
        for task_type, priority in (("b", 20), ("a", 10), ("c", 10), ("b", 10), ("b", 5)):
            [first] = await claimer.claim(limit=1)
            assert (first.row.task_type, first.row.priority) == ("b", 5)
            row = make_row(task_type, priority=priority)
            await other.add([row])
            [task] = await claimer.claim(limit=1)
            assert (task.row == row) is (priority > 5)


@pytest.mark.real_time
async def test_what_is_put_back_here_is_taken_in_its_old_place(where: Place) -> None:
    async with where.opened() as store:
        claimer = await Claimer.join(store)
        rows = [make_row() for _ in range(9)]
        await store.add(rows)
        await store.edit([PauseTask(task_id=rows[0].task_id)])
        lost = await claimer.claim(limit=2)
        await claimer.claim(limit=1)
        await store.reconcile("node-a", claimer.incarnation, ())
        await store.edit([ResumeTask(task_id=rows[0].task_id)])
        assert ids(await claimer.claim(limit=3)) == [rows[0].task_id, *ids(lost)]


@pytest.mark.real_time
async def test_what_is_revised_here_is_taken_in_its_new_place(where: Place) -> None:
    async with where.opened() as store:
        claimer = await Claimer.join(store)
        rows = [make_row(priority=priority) for priority in (1, 20, 20, 20, 20)]
        await store.add(rows)
        for _ in range(2):
            await claimer.claim(limit=1)
        await store.edit([ReviseTask(task_id=rows[0].task_id, priority=20)])
        assert ids(await claimer.claim(limit=1)) == [rows[0].task_id]


@pytest.mark.real_time
async def test_what_is_put_back_elsewhere_is_never_missed(where: Place) -> None:
    async with where.opened() as store, where.opened() as other:
        claimer, theirs = await Claimer.join(store), await Claimer.join(other, "node-b")
        rows = [make_row() for _ in range(6)]
        await store.add(rows)
        await theirs.claim(limit=2)
        await claimer.claim(limit=2)
        await other.leave("node-b", theirs.incarnation)
        # The claim comes short of what is remembered, and so looks from the beginning.
        assert sorted(ids(await claimer.claim())) == sorted(
            row.task_id for row in (*rows[:2], *rows[4:])
        )


@pytest.mark.slow
def test_a_claim_does_not_walk_over_what_an_old_snapshot_keeps(where: Place) -> None:
    with where.database() as database:
        worker = Worker(database)
        database.write("add", lambda tx: add(tx, [make_row("mine"), make_row("other")]))
        multiply(where, "mine", 14)

        def returned(tx: Tx) -> int:
            [[entries]] = tx.rows(
                "SELECT sum(pg_stat_get_xact_tuples_returned(oid)) FROM pg_class"
                " WHERE relname LIKE ?",
                f"{where.tables.prefix}%",
            )
            return int(entries)

        def exchange(tx: Tx) -> int:
            before = returned(tx)
            worker.step(tx)
            return returned(tx) - before

        def entries() -> int:
            return database.write("measure", exchange)

        url: Any = where.tables.engine.url.set(drivername="postgresql")
        with psycopg.connect(url.render_as_string(hide_password=False)) as snapshot:
            snapshot.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            snapshot.execute("SELECT 1")
            first = [entries() for _ in range(4)][-1]
            for _ in range(100):
                entries()
            assert entries() < 1.5 * first + 50
