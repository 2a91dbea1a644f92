"""What the tests of the SQL store share: where its tasks are, and how much work a call is."""

from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Literal, TypeVar

from oncue.stores.sql import SqlStore
from oncue.stores.sql._dialect import Tx
from oncue.stores.sql._engine import Database
from tests import servers

T = TypeVar("T")

Kind = Literal["sqlite", "postgresql", "mysql"]
KINDS: tuple[Kind, ...] = ("sqlite", "postgresql", *servers.WITH_MYSQL)


class Place:
    """Where a test keeps its tasks."""

    def __init__(self, kind: Kind, tables: servers.Tables) -> None:
        self.kind = kind
        self.tables = tables

    def store(self, **options: Any) -> SqlStore:
        """One more store on the same tables, as another process would have it."""
        return SqlStore(self.tables.url, table_name=self.tables.prefix, **options)

    @asynccontextmanager
    async def opened(self, **options: Any) -> AsyncGenerator[SqlStore]:
        store = self.store(**options)
        await store.open()
        try:
            yield store
        finally:
            await store.close()

    @contextmanager
    def database(self, **options: Any) -> Generator[Database]:
        """What is below a store, without a loop."""
        database = database_of(self.store(**options))
        database.open()
        try:
            yield database
        finally:
            database.close()

    def do(self, *templates: str) -> None:
        """Statements with `{live}` and so on, as another program would make them."""
        with self.database() as database:
            self.tables.do(*map(database.dialect.statement, templates))

    def rows(self, template: str) -> list[Any]:
        with self.database() as database, self.tables.engine.begin() as connection:
            return list(connection.exec_driver_sql(database.dialect.statement(template)))


@contextmanager
def place(kind: Kind, folder: Path) -> Generator[Place]:
    urls: dict[Kind, Callable[[], str]] = {
        "sqlite": lambda: f"sqlite:///{folder / 'tasks.db'}",
        "postgresql": servers.postgres_url,
        "mysql": servers.mysql_url,
    }
    with servers.tables(urls[kind]()) as tables:
        yield Place(kind, tables)


def database_of(store: SqlStore) -> Database:
    return store._database  # pyright: ignore[reportPrivateUsage]


def work_of(database: Database, call: Callable[[Tx], T]) -> tuple[T, int]:
    """What a call gave, and how many rows it visited (in SQLite: instructions, a tenth of it)."""
    steps = 0

    def tick() -> None:
        nonlocal steps
        steps += 1

    def measured(tx: Tx) -> tuple[T, int]:
        if database.dialect.name == "sqlite":
            cursor: Any = tx._cursor  # pyright: ignore[reportPrivateUsage]
            connection = cursor.connection
            connection.set_progress_handler(tick, 10)
            result = call(tx)
            connection.set_progress_handler(None, 10)
            return result, steps
        before = _rows_visited(tx)
        result = call(tx)
        return result, _rows_visited(tx) - before

    return database.write("measure", measured)


def _rows_visited(tx: Tx) -> int:
    if tx.dialect.name == "mysql":
        return sum(int(row[1]) for row in tx.rows("SHOW SESSION STATUS LIKE ?", "Handler_read%"))
    [[found]] = tx.rows(
        "SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0)) FROM pg_stat_xact_user_tables"
    )
    return int(found)
