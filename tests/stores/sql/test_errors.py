"""Whose fault it was, and that work goes on by itself once a database is back."""

import signal
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import anyio
import psycopg
import pytest

from oncue.stores import Added, StoreBusy, StoreUnavailable
from oncue.stores.sql import SqlStore
from oncue.stores.sql._dialect import Tx
from oncue.testing._store_kit import Claimer, done, ids, make_row
from tests import servers
from tests.faults.proxy import Proxy
from tests.stores.sql.kit import Kind, database_of, place

pytestmark = pytest.mark.real_time


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT])
async def test_work_goes_on_when_the_server_is_back(how: signal.Signals) -> None:
    with servers.own_postgres() as server:
        store = SqlStore(server.url)
        await store.open()
        claimer = await Claimer.join(store)
        rows = [make_row() for _ in range(3)]
        await store.add(rows)
        [held] = await claimer.claim(limit=1)
        server.stop(how)
        for _ in range(3):
            with pytest.raises(StoreUnavailable) as caught:
                await store.add([make_row()])
            assert caught.value.__cause__ is not None
        server.start()
        assert await claimer.settle(done(held)) == []
        assert ids(await claimer.claim()) == [row.task_id for row in rows[1:]]
        await store.close()


async def test_a_server_that_is_not_there_is_unavailable_at_open() -> None:
    store = SqlStore("postgresql://ada:secret@127.0.0.1:1/nowhere")
    with pytest.raises(StoreUnavailable) as caught:
        await store.open()
    assert "secret" not in f"{caught.value} {caught.value.__cause__} {store!r}"


async def test_a_lock_that_is_not_had_in_time_is_the_worlds_fault(tmp_path: Path) -> None:
    with place("sqlite", tmp_path) as where:
        options = {"connect_args": {"timeout": 0.05}}
        async with where.opened(engine_options=options) as store:
            other = sqlite3.connect(tmp_path / "tasks.db", isolation_level=None)
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreUnavailable) as caught:
                await store.add([make_row()])
            assert isinstance(caught.value.__cause__, sqlite3.OperationalError)
            assert (await store.count()).live == 0  # who only looks waits for nobody
            other.execute("ROLLBACK")
            other.close()
            assert await store.add([make_row()]) == [Added()]


SERVERS: tuple[Kind, ...] = ("postgresql", *servers.WITH_MYSQL)


@pytest.mark.parametrize("kind", SERVERS)
async def test_a_server_that_hangs_is_given_up_also_by_who_was_cancelled(
    kind: Kind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oncue.stores.sql._connect.SILENCE_S_MAX", 1)
    with place(kind, tmp_path) as where, closing(Proxy(where.tables.url)) as proxy:
        store = SqlStore(proxy.url, table_name=where.tables.prefix)
        await store.open()
        proxy.cut()
        with anyio.fail_after(10):
            with pytest.raises(StoreUnavailable), anyio.move_on_after(0.1):
                await store.count()
            await store.close()
        proxy.mend()


@pytest.mark.parametrize("kind", SERVERS)
async def test_a_row_that_somebody_else_has_locked_makes_a_call_fail_soon(
    kind: Kind, tmp_path: Path
) -> None:
    with place(kind, tmp_path) as where:
        async with where.opened() as store:
            row = make_row(unique_key="k")
            with where.tables.engine.begin() as connection:
                store.add_on(connection, [row])
                with anyio.fail_after(10), pytest.raises(StoreBusy):
                    await store.add([make_row(unique_key="k")])
            assert await store.add([make_row(unique_key="k")]) != [Added()]


def test_a_deadlock_is_tried_anew(tmp_path: Path) -> None:
    tries: list[int] = []

    def deadlocked(tx: Tx) -> int:
        tries.append(tx.now_us)
        if len(tries) < 3:
            raise psycopg.errors.DeadlockDetected
        return len(tries)

    with place("postgresql", tmp_path) as where, where.database() as database:
        assert database.write("test", deadlocked) == 3


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("oracle://db", "'oracle' is no SQL store"),
        ("sqlite://", "needs a file"),
        ("sqlite:///:memory:", "needs a file"),
        ("postgresql+asyncpg://db/x", "psycopg, not asyncpg"),
    ],
)
def test_a_url_that_will_not_do_is_refused(url: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        SqlStore(url)


def test_a_table_name_is_a_plain_identifier() -> None:
    with pytest.raises(ValueError, match="plain identifier"):
        SqlStore("sqlite:///x.db", table_name='x"; DROP TABLE y; --')


@pytest.mark.parametrize(
    ("module", "url", "extra"),
    [
        ("psycopg", "postgresql://db/x", "postgres"),
        ("pymysql", "mysql://db/x", "mysql"),
        ("pymysql", "mariadb://db/x", "mysql"),
    ],
)
def test_a_missing_driver_is_named_with_its_extra(
    module: str, url: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ModuleNotFoundError, match=rf"pip install 'oncue\[{extra}\]'"):
        SqlStore(url)


def test_a_password_is_never_shown() -> None:
    store = SqlStore("postgresql://ada:secret@db/app")
    assert repr(store) == "<SqlStore closed postgresql://ada:***@db/app tables=apscheduler_jobs>"


def test_what_a_url_says_of_its_connections_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, Any] = {}

    def connect(*_: Any, **options: Any) -> Any:
        given.update(options)
        raise psycopg.OperationalError

    monkeypatch.setattr(psycopg.Connection, "connect", connect)
    store = SqlStore("postgresql://db/x?connect_timeout=3&application_name=mine")
    with pytest.raises(StoreUnavailable):
        database_of(store).open()
    wanted = {"connect_timeout": "3", "application_name": "mine", "keepalives_idle": 10}
    assert wanted.items() <= given.items()


def test_engine_options_that_will_not_do_are_the_callers_fault() -> None:
    for options in ({"isolation_level": "SERIALIZABLE"}, {"nonsense": 1}):
        with pytest.raises(ValueError, match=r"isolation_level|nonsense"):
            SqlStore("sqlite:///x.db", engine_options=options)
