"""Transactions, and what the driver's errors mean.

Rules:
- This is the one seam where a driver's error becomes ours. The world's fault (no connection, a
  lock not had in time, a full disk) is StoreUnavailable; a deadlock is tried anew; anything else
  is a bug and stays what it is.
- After an error the connection is dropped, and when it was lost all others are too, so that the
  next call connects anew.
- All of this runs in worker threads.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, TypeVar

from sqlalchemy import Engine, exc

from .._log import logger
from ..errors import StoreBusy, StoreUnavailable
from ._add import Unsettled
from ._claim import Unreadable
from ._dialect import Dialect, Tx
from ._migrations import migrate
from ._watch import Watch

T = TypeVar("T")

_TRIES_MAX: Final = 5
# serialization_failure and deadlock_detected; ER_LOCK_DEADLOCK and ER_CHECKREAD. And, as somebody
# may take a key after it was looked for, unique_violation and ER_DUP_ENTRY.
_TRY_ANEW: Final = frozenset({"40001", "40P01", 1213, 1020, "23505", 1062})
# lock_not_available; ER_LOCK_WAIT_TIMEOUT.
_LOCKED: Final = frozenset({"55P03", 1205})
_PARK: Final = {
    "live": "UPDATE {live} SET state = 2, lease = NULL, node = NULL, error = ? WHERE place = ?",
    "schedules": "UPDATE {schedules} SET next_run_us = NULL, error = ? WHERE number = ?",
}


class Database:
    """One database: its connections and its words."""

    def __init__(self, engine: Engine, dialect: Dialect, sender: str) -> None:
        self.engine = engine
        self.dialect = dialect
        self.sender = sender
        self.parked = 0
        self.watch: Watch | None = None
        driver: Any = engine.dialect.loaded_dbapi
        self.errors: tuple[type[Exception], ...] = (driver.Error, exc.DBAPIError, exc.TimeoutError)
        self._bugs: tuple[type[Exception], ...] = (
            driver.DataError,
            driver.IntegrityError,
            driver.NotSupportedError,
            driver.ProgrammingError,
        )

    def open(self) -> None:
        """Make or migrate the tables. Raises StoreUnavailable, SchemaTooNew."""
        try:
            self._mapped("open", lambda: self._with_cursor(self._migrate))
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let go of all connections."""
        self.engine.dispose()

    def _migrate(self, connection: Any, cursor: Any) -> None:
        migrate(cursor, self.dialect)

    def write(self, doing: str, work: Callable[[Tx], T]) -> T:
        """`work` in a transaction, committed. `doing` is what an error says.

        Rows that it cannot read are parked, and it is done anew without them.
        """
        while True:
            try:
                return self._mapped(doing, lambda: self._transact(work, self.dialect.begin))
            except Unreadable as error:
                self.park(error)

    def park(self, unreadable: Unreadable) -> None:
        """Set rows aside: they stay where they are, with their error, and are told of."""
        written = [(f"cannot be read: {why}", key) for key, why in unreadable.rows.items()]
        self.write("park", lambda tx: tx.many(_PARK[unreadable.table], written))
        self.parked += len(written)
        logger("sql").error(
            "rows that cannot be read were set aside", table=unreadable.table, rows=written
        )

    def look(self, doing: str, work: Callable[[Tx], T]) -> T:
        """`work`, which only reads, on one instant's view."""
        return self._mapped(doing, lambda: self._transact(work, self.dialect.begin_look))

    def _mapped(self, doing: str, attempt: Callable[[], T]) -> T:
        for tries_left in reversed(range(_TRIES_MAX)):
            try:
                return attempt()
            except Unsettled as error:
                if not tries_left:
                    raise StoreUnavailable(self.dialect.name, doing) from error
            except self.errors as error:
                cause = (error.orig if isinstance(error, exc.DBAPIError) else None) or error
                if tries_left and _code_of(cause) in _TRY_ANEW:
                    continue
                if isinstance(cause, self._bugs):
                    raise
                kind = StoreBusy if _code_of(cause) in _LOCKED else StoreUnavailable
                raise kind(self.dialect.name, doing) from cause
        raise AssertionError("the last try returns or raises")

    def _transact(self, work: Callable[[Tx], T], begin: Callable[[Any], int]) -> T:
        def transact(connection: Any, cursor: Any) -> T:
            tx = Tx(cursor, self.dialect, begin(cursor))
            watch = self.watch if begin == self.dialect.begin else None
            if watch is not None:
                watch.begun()
            result = work(tx)
            connection.commit()
            if watch is not None:
                watch.ended()
            if tx.hints:
                self._hint(connection, cursor, tx.hints)
            return result

        return self._with_cursor(transact)

    def _hint(self, connection: Any, cursor: Any, hints: set[str]) -> None:
        try:
            self.dialect.notify(cursor, self.sender, hints)
        except self.errors as error:
            # What was to be done is committed, and others look by themselves in a while.
            self._abandon(connection, error)

    def _with_cursor(self, work: Callable[[Any, Any], T]) -> T:
        connection = self.engine.raw_connection()
        try:
            cursor = connection.cursor()
            result = work(connection, cursor)
            cursor.close()
        except BaseException as error:
            self._abandon(connection, error)
            raise
        finally:
            connection.close()
        return result

    def _abandon(self, connection: Any, error: BaseException) -> None:
        """Undo, and never use this connection again, nor any other when the server is gone."""
        if not isinstance(error, self.errors):
            connection.rollback()
            return
        dialect: Any = self.engine.dialect
        if dialect.is_disconnect(error, connection.dbapi_connection, None):
            self.engine.dispose()
        else:
            # To close is not enough in SQLite: it keeps its locks while the error is looked at.
            with suppress(*self.errors):
                connection.rollback()
        connection.invalidate(error)


def _code_of(error: BaseException) -> object:
    """The driver's code: SQLSTATE in PostgreSQL, an error number in MySQL."""
    # PyMySQL's errors have a SQLSTATE, too, but often one that only says "general error".
    first = next(iter(error.args), None)
    return first if isinstance(first, int) else getattr(error, "sqlstate", None)
