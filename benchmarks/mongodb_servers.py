"""SecantusDB, which speaks MongoDB's protocol, for the benchmarks: a server for each database.

    with mongodb() as databases:
        loaded = databases.new()        # an address, "mongodb://127.0.0.1:..."
        same = databases.copy(loaded)   # the first is stopped for it, and its files are copied

It stands in for MongoDB, of which there is no wheel, and is slow by itself: figures on it compare
one commit of OnCue with another, and say little of a MongoDB. As shipped: transactions, as of a
replica set of one, and no flush for each commit.
"""

import socket
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from servers import FolderDatabases, seconds_of

LOOK_S = 1.0


class MongodbDatabases(FolderDatabases):
    def command(self, folder: Path) -> tuple[str, Sequence[str | Path]]:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        program = Path(sys.executable).with_name("secantusd-py")
        options = ["--port", str(port), "--storage-path", folder / "data"]
        return f"mongodb://127.0.0.1:{port}/", [program, *options]

    def answers(self, address: str) -> bool:
        from pymongo import MongoClient
        from pymongo.errors import PyMongoError

        try:
            with MongoClient[dict[str, object]](
                address, serverSelectionTimeoutMS=int(LOOK_S * 1e3)
            ) as client:
                client.admin.command("hello")
        except PyMongoError:
            return False
        return True


def mongodb_seconds(address: str) -> float:
    """Processor time that the server at `address` has used: of whoever was started with its port,
    as it does not tell its own number."""
    port = str(urlsplit(address).port).encode()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"--port" in words and words[words.index(b"--port") + 1] == port:
            return seconds_of(int(folder.name))
    raise LookupError(f"no server on port {port.decode()}")


@contextmanager
def mongodb() -> Iterator[MongodbDatabases]:
    with tempfile.TemporaryDirectory(prefix="oncue-") as folder:
        databases = MongodbDatabases(Path(folder))
        try:
            yield databases
        finally:
            databases.close()
