"""From a URL to an engine: which database, which driver, and how its connections are set up."""

import sqlite3
from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import URL, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError

from ..clock import StoreClock, SystemStoreClock
from ._dialect import Dialect
from ._mysql import MysqlDialect
from ._postgres import PostgresDialect
from ._sqlite import SqliteDialect

BUSY_TIMEOUT_S: Final = 30.0
"""How long SQLite waits for another process's write: a frozen writer blocks all."""
_TRIES_MAX: Final = 100
CONNECT_TIMEOUT_S: Final = 10
SILENCE_S_MAX: Final = 60
"""A server that says nothing for so long in the middle of a statement is given up, so that a stop
that waits for the call has an end. A machine that is gone is found out sooner, by keepalives."""
LOCK_WAIT_S: Final = 2
"""How long a server's row may be locked by somebody else's transaction before a call fails: all
calls of a node, heartbeats too, wait behind it."""
CONNECTIONS: Final = 5

KINDS: Final = {
    "sqlite": "sqlite",
    "postgresql": "postgresql",
    "postgres": "postgresql",
    "mysql": "mysql",
    "mariadb": "mysql",
}
"""The names in URLs, and whose dialect they mean."""
_EXTRAS: Final = {"sqlite": "sql", "postgresql": "postgres", "mysql": "mysql"}


def read_url(text: str) -> URL:
    """An address of a database that is known, and of our driver.

    Raises ValueError, whose text has nothing of a password.
    """
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise ValueError(
            "no database's address; one looks like postgresql://user:password@host/name"
        ) from None
    dialect = dialect_for(url, "", None)
    _, _, driver = url.drivername.partition("+")
    if driver not in ("", dialect.driver):
        raise ValueError(f"the driver for {dialect.name} is {dialect.driver}, not {driver}")
    return url


def dialect_for(url: URL, prefix: str, clock: StoreClock | None) -> Dialect:
    """Which database a URL names. Raises ValueError."""
    kind = KINDS.get(url.get_backend_name())
    if kind is None:
        names = ", ".join(KINDS)
        raise ValueError(f"{url.get_backend_name()!r} is no SQL store; there are {names}")
    if kind == "sqlite":
        if url.database in (None, "", ":memory:"):
            raise ValueError("a SQLite store needs a file: sqlite:///path")
        return SqliteDialect(prefix, clock or SystemStoreClock())
    if clock is not None:
        raise ValueError(f"a {kind} server has a clock of its own; `clock` is for SQLite")
    return PostgresDialect(prefix) if kind == "postgresql" else MysqlDialect(prefix)


def make_engine(url: URL, dialect: Dialect, options: Mapping[str, Any], synchronous: str) -> Engine:
    """An engine with our driver, not connected yet.

    The URL's own options win over ours, and `connect_args` over both. Raises ValueError for options
    that will not do, and ModuleNotFoundError that names the extra when the driver is missing.
    """
    given = dict(options)
    if "isolation_level" in given:
        raise ValueError("isolation_level is the store's own, and no option of its engine")
    ours = {key: value for key, value in _arguments(dialect).items() if key not in url.query}
    arguments = {**ours, **given.pop("connect_args", {})}
    pool = {} if "poolclass" in given else {"pool_size": CONNECTIONS, "max_overflow": 0}
    try:
        engine = create_engine(
            url.set(drivername=f"{dialect.name}+{dialect.driver}"),
            connect_args=arguments,
            isolation_level=dialect.isolation,
            **{**pool, "pool_reset_on_return": None, "hide_parameters": True, **given},
        )
    except TypeError as error:
        raise ValueError(f"the engine's options will not do: {error}") from error
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"{error.name} is not installed; pip install 'oncue[{_EXTRAS[dialect.name]}]'",
            name=error.name,
        ) from error
    statements = _statements(dialect, synchronous)

    def prepare(connection: Any, _: object) -> None:
        if dialect.name == "sqlite":  # other programs may write what is no UTF-8
            connection.text_factory = _readable
            _keep_a_log(connection)
        cursor = connection.cursor()
        for statement in statements:
            cursor.execute(statement)
        cursor.close()

    event.listen(engine, "connect", prepare)
    if dialect.name == "postgresql":
        event.listen(engine, "do_connect", _connect_patiently)
    return engine


def _keep_a_log(connection: sqlite3.Connection) -> None:
    """Into WAL mode. Of those who change it at once in a new file SQLite refuses some at once,
    whatever their timeout (they could wait for each other): they wait as writers, and try again."""
    for tries_left in reversed(range(_TRIES_MAX)):
        try:
            connection.execute("PRAGMA journal_mode = WAL").close()
        except sqlite3.OperationalError as error:
            if not tries_left or error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                raise
            connection.execute("BEGIN IMMEDIATE").close()
            connection.execute("COMMIT").close()
        else:
            return


def _connect_patiently(_: object, __: object, given: list[Any], options: dict[str, Any]) -> Any:
    from ._psycopg import make_patient

    return make_patient(SILENCE_S_MAX).connect(*given, **options)


def _readable(raw: bytes) -> str:
    return raw.decode(errors="backslashreplace")


def _arguments(dialect: Dialect) -> dict[str, Any]:
    if dialect.name == "sqlite":
        return {"timeout": BUSY_TIMEOUT_S, "check_same_thread": False}
    if dialect.name == "postgresql":
        return {
            "application_name": "oncue",
            "connect_timeout": CONNECT_TIMEOUT_S,
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "tcp_user_timeout": SILENCE_S_MAX * 1000,  # of what is not acknowledged
        }
    return {
        "charset": "utf8mb4",
        "connect_timeout": CONNECT_TIMEOUT_S,
        "read_timeout": SILENCE_S_MAX,
        "write_timeout": SILENCE_S_MAX,
    }


def _statements(dialect: Dialect, synchronous: str) -> tuple[str, ...]:
    if dialect.name == "sqlite":
        return (f"PRAGMA synchronous = {synchronous}",)
    if dialect.name == "postgresql":
        # A queue's statistics are old as soon as they are made, and a planner that believes them
        # reads a million rows to join a hundred. Each question here has its index, so nested
        # index scans are always right. (With hash joins left on, a claim took 370 ms.)
        ways = ("seqscan", "bitmapscan", "hashjoin", "mergejoin")
        return (
            f"SET lock_timeout = '{LOCK_WAIT_S}s'",
            *(f"SET enable_{way} = off" for way in ways),
        )
    return (f"SET innodb_lock_wait_timeout = {LOCK_WAIT_S}",)
