"""The directory: opened once in a process, shared by its stores; and what LMDB's errors mean.

Rules:
- Two openings of one directory in one process would undo each other's locks. So a process has one
  `Environment` for each; the stores on it are counted, and the last one closes it.
- An environment is its process's: a fork's child that inherits one is refused.
- This is the one seam where a driver's error becomes ours. The world's fault (a full map or disk,
  no permission) is StoreUnavailable; what only a bug of ours can cause stays what it is.
- All of this runs in worker threads.
"""

import os
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import Final, Generic, TypeVar

import lmdb

from oncue.stores import StoreUnavailable

from ._tx import TABLES, Tx

T = TypeVar("T")

STORE: Final = "lmdb"
FORMAT: Final = b"1"
# Of the map: settling, cancelling and purging write before they make room.
_SHARE_FOR_ADDING: Final = 7 / 8
_FILE_MODE: Final = 0o666  # less the umask; LMDB's own default makes them executable
_BUGS: Final = (lmdb.BadValsizeError, lmdb.BadDbiError, lmdb.BadTxnError)


class FormatUnknown(RuntimeError):
    """The directory was written by another version of this package: the caller's fault."""

    def __init__(self, path: str, found: bytes) -> None:
        super().__init__(
            f"{path} has format {found.decode()}, and this oncue-lmdb knows {FORMAT.decode()} only"
        )
        self.path = path
        self.found = found


class _NoRoom(Exception):
    """More was added than may be."""


@dataclass(slots=True, frozen=True)
class Done(Generic[T]):
    """What a transaction brought; the number of the last one before it; and whether it wrote."""

    result: T
    last_txn: int
    wrote: bool


class Environment:
    """One directory, open in this process: see `acquire`."""

    def __init__(self, path: str, map_size: int, sync: bool) -> None:
        self.map_size = map_size
        self.sync = sync
        self.users = 0
        self._pid = os.getpid()
        os.makedirs(path, exist_ok=True)
        self._env = lmdb.open(
            path, map_size=map_size, sync=sync, max_dbs=len(TABLES), mode=_FILE_MODE
        )
        try:
            self._env.reader_check()  # who was killed while it read would keep old pages for ever
            self._tables = self._open_tables(path)
        except BaseException:
            self._env.close()
            raise

    def _open_tables(self, path: str) -> "dict[str, lmdb._Database]":
        with self._env.begin(write=True) as txn:
            tables = {name: self._env.open_db(name.encode(), txn=txn) for name in TABLES}
            found = txn.get(b"format", FORMAT, db=tables["meta"])
            if found != FORMAT:
                raise FormatUnknown(path, found)
            txn.put(b"format", FORMAT, db=tables["meta"], overwrite=False)
        return tables

    @property
    def is_ours(self) -> bool:
        """Whether this process opened it, and not the one that it was forked from."""
        return self._pid == os.getpid()

    @property
    def last_txn(self) -> int:
        """The number of the last transaction that wrote, of any process. Takes microseconds."""
        return self._env.info()["last_txnid"]

    def close(self) -> None:
        self._env.close()

    def write(
        self, doing: str, work: Callable[[Tx], T], now_us: Callable[[], int], *, adds: bool
    ) -> Done[T]:
        """`work` in a transaction of its own: all of it is on disk, or nothing.

        It waits until no other process writes, for as long as that takes. Raises StoreUnavailable,
        saying `doing`; with `adds`, also where too little of the map would be left.
        """

        def attempt() -> Done[T]:
            with self._env.begin(write=True) as txn:
                tx = Tx(txn, self._tables, now_us())
                result = work(tx)
                tx.flush()
                if adds and tx.used_bytes() > _SHARE_FOR_ADDING * self.map_size:
                    raise _NoRoom
                return Done(result, txn.id() - 1, tx.wrote)

        with _told(doing, self.map_size):
            try:
                return attempt()
            except lmdb.MapFullError:
                if not self._env.reader_check():
                    raise
                return attempt()  # without the pages that the killed had kept

    def look(self, doing: str, work: Callable[[Tx], T], now_us: Callable[[], int]) -> T:
        """`work`, which only reads, on one instant's view. Raises StoreUnavailable."""
        with _told(doing, self.map_size), self._env.begin() as txn:
            return work(Tx(txn, self._tables, now_us()))


@contextmanager
def _told(doing: str, map_size: int) -> Generator[None]:
    try:
        yield
    except _BUGS:
        raise
    except (lmdb.MapFullError, _NoRoom) as error:
        why = (
            f"{doing}: map_size={map_size} is full; purge, or start all processes with a larger one"
        )
        raise StoreUnavailable(STORE, why) from error
    except lmdb.MapResizedError as error:
        why = f"{doing}: another process has a larger map_size than {map_size}; set the same here"
        raise StoreUnavailable(STORE, why) from error
    except (lmdb.Error, OSError) as error:
        raise StoreUnavailable(STORE, f"{doing}: {error}") from error


# --- one for each directory in a process ---------------------------------------------------------

_open: Final[dict[str, Environment]] = {}
"""By real path. LMDB's rule is a process's, so this is, too."""
_lock: Final = Lock()


def acquire(path: str, map_size: int, sync: bool) -> Environment:
    """The environment of a directory, to be released once.

    Raises StoreUnavailable: also where it is open with other options, or was when we were forked.
    """
    with _lock:
        found = _open.get(os.path.realpath(path))
        if found is None:
            with _told("open", map_size):
                found = Environment(path, map_size, sync)
            _open[os.path.realpath(path)] = found
        elif not found.is_ours:
            why = f"open: {path} was open when this process was forked; open it in the child only"
            raise StoreUnavailable(STORE, why)
        elif (found.map_size, found.sync) != (map_size, sync):
            why = (
                f"open: this process has {path} open with map_size={found.map_size} and "
                f"sync={found.sync}; open it with the same"
            )
            raise StoreUnavailable(STORE, why)
        found.users += 1
        return found


def release(environment: Environment) -> None:
    """Done with it. One that was inherited is left alone."""
    with _lock:
        environment.users -= 1
        if environment.users == 0 and environment.is_ours:
            for path in [path for path, each in _open.items() if each is environment]:
                del _open[path]
            environment.close()
