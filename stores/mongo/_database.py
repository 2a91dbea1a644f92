"""One database: its client, its time, its transactions, and what the driver's errors mean.

Rules:
- This is the one seam where a driver's error becomes ours. The world's fault (no server, no
  primary, no majority in time) is StoreUnavailable; what is wrong with a statement is a bug and
  stays what it is.
- A transaction that met another one is tried anew, so often and no more.
- All is read from the primary, whatever the URL says of reads: a secondary that lags behind would
  not know what was claimed a moment ago, and a transaction may read nowhere else.
- All of this runs in worker threads.
"""

from collections.abc import Callable
from typing import Any, Final, TypeVar

from bson.errors import BSONError
from pymongo import MongoClient
from pymongo.client_session import ClientSession
from pymongo.database import Database as Mongo
from pymongo.errors import (
    ConfigurationError,
    DocumentTooLarge,
    InvalidOperation,
    OperationFailure,
    PyMongoError,
)
from pymongo.read_concern import ReadConcern
from pymongo.read_preferences import ReadPreference

from .._moments import microseconds
from ..clock import StoreClock
from ..errors import StoreBusy, StoreUnavailable
from ._call import Call, Places
from ._connect import CODEC
from ._schema import Document, migrate

T = TypeVar("T")

_TRIES_MAX: Final = 10
# WriteConflict, and what a transaction is told that was ended for one.
_CONFLICTS: Final = frozenset({112, 251})
# BadValue, FailedToParse, TypeMismatch, InvalidLength, InvalidOptions, InvalidNamespace,
# CommandNotFound, IndexNotFound by hint, BSONObjectTooLarge, DuplicateKey: ours, whoever answers.
_BUGS: Final = frozenset({2, 9, 14, 16, 72, 73, 59, 10334, 11000})


class Conflict(Exception):
    """What a transaction looked at has changed since: it is to be tried anew."""


class Database:
    """One database, and what its collections' names begin with."""

    def __init__(
        self,
        connect: Callable[[], MongoClient[Document]],
        name: str,
        prefix: str,
        sender: int,
        clock: StoreClock | None,
    ) -> None:
        self._connect = connect
        self._client: MongoClient[Document] | None = None
        self._name = name
        self._clock = clock
        self._places = Places()
        self.prefix = prefix
        self.sender = sender
        self.is_replicated = False
        self.parked = 0

    # --- life --------------------------------------------------------------------------------

    def open(self) -> None:
        """Connect, and make or migrate the collections. Raises StoreUnavailable, SchemaTooNew."""
        try:
            self._mapped("open", self._open)
        except BaseException:
            self.close()
            raise

    def _open(self) -> None:
        if self._client is None:
            self._client = self._connect()
        hello = self._client.admin.command("hello")
        # A sharded cluster has transactions and change streams as well.
        self.is_replicated = "setName" in hello or hello.get("msg") == "isdbgrid"
        migrate(self.on_primary("local"), self.prefix)

    def close(self) -> None:
        """Let go of all connections."""
        client, self._client = self._client, None
        if client is not None:
            client.close()

    @property
    def client(self) -> MongoClient[Document]:
        """Of an open database."""
        assert self._client is not None
        return self._client

    def on_primary(self, concern: str) -> Mongo[Document]:
        """The database, reading what its primary has: `local`, also what could still be lost with
        it; `majority`, what could not."""
        return self.client.get_database(
            self._name,
            codec_options=CODEC,
            read_preference=ReadPreference.PRIMARY,
            read_concern=ReadConcern(concern),
        )

    # --- calls -------------------------------------------------------------------------------

    def write(self, doing: str, work: Callable[[Call], T]) -> T:
        """`work`, each of whose statements stands for itself. `doing` is what an error says.

        It reads back what it has written, which with a `w` of 1 no majority need have yet.
        """
        return self._mapped(doing, lambda: work(self.call()))

    def look(self, doing: str, work: Callable[[Call], T]) -> T:
        """`work`, which only reads, and only what a majority has: what is told stays true."""
        return self._mapped(doing, lambda: work(self.call(read="majority")))

    def transact(self, doing: str, work: Callable[[Call], T]) -> T:
        """`work` in a transaction, where there are any."""
        if not self.is_replicated:
            return self.write(doing, work)
        return self._mapped(doing, lambda: self._in_transaction(work), _TRIES_MAX)

    def _in_transaction(self, work: Callable[[Call], T]) -> T:
        snapshot = ReadConcern("snapshot")
        with (
            self.client.start_session() as session,
            session.start_transaction(snapshot, read_preference=ReadPreference.PRIMARY),
        ):
            return work(self.call(session))

    def call(self, session: ClientSession | None = None, read: str = "local") -> Call:
        """The beginning of a call: it asks for the time."""
        return Call(
            self.on_primary(read),
            self.prefix,
            now_us=self._now_us(),
            places=self._places,
            sender=self.sender,
            note_parked=self._note_parked,
            session=session,
        )

    def _note_parked(self) -> None:
        self.parked += 1

    def _now_us(self) -> int:
        if self._clock is not None:
            return microseconds(self._clock.now())
        hello = self.client.admin.command("hello", codec_options=CODEC)
        return microseconds(hello["localTime"])

    # --- errors ------------------------------------------------------------------------------

    def _mapped(self, doing: str, attempt: Callable[[], T], tries: int = 1) -> T:
        for tries_left in reversed(range(tries)):
            try:
                return attempt()
            except Conflict as error:
                if not tries_left:
                    raise _given_up(tries)("mongodb", doing) from error
            except (PyMongoError, BSONError) as error:
                if tries_left and _ended_in_conflict(error):
                    continue
                if _is_bug(error):
                    raise
                kind = _given_up(tries) if _code_of(error) in _CONFLICTS else StoreUnavailable
                raise kind("mongodb", doing) from error
        raise AssertionError("the last try returns or raises")


def _given_up(tries: int) -> type[StoreUnavailable]:
    """Of what was not in a transaction, and so not tried anew, a part may have been done."""
    return StoreBusy if tries > 1 else StoreUnavailable


def _code_of(error: Exception) -> Any:
    return error.code if isinstance(error, OperationFailure) else None


def _ended_in_conflict(error: Exception) -> bool:
    """Whether a transaction ended, and did nothing, because of another one."""
    return isinstance(error, PyMongoError) and error.has_error_label("TransientTransactionError")


def _is_bug(error: Exception) -> bool:
    if isinstance(error, ConfigurationError):
        return False  # of a name that a name server does not know
    ours = (InvalidOperation, DocumentTooLarge, BSONError)
    return isinstance(error, ours) or _code_of(error) in _BUGS
