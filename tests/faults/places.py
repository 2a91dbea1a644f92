"""Where a store can fail: each statement, each commit, each commit's answer, counted.

In MongoDB each write is a commit, and only what reads is a statement.
"""

import threading
from collections.abc import Callable, Container, Generator
from contextlib import contextmanager
from enum import Enum
from typing import Any, Final

import anyio
import pytest
from pymongo.client_session import ClientSession
from pymongo.collection import Collection
from pymongo.errors import AutoReconnect
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool.base import _ConnectionFairy  # pyright: ignore[reportPrivateUsage]

from oncue import StoreUnavailable
from oncue.stores.mongo._database import Database as MongoDatabase
from oncue.stores.redis._server import Server
from oncue.stores.sql._engine import Database


class At(Enum):
    """Where a fault strikes."""

    STATEMENT = "a statement fails"
    COMMIT = "a commit fails"
    ANSWER = "a commit succeeds, and its answer is lost"


def sql_error(why: str) -> Exception:
    return OperationalError("planted", None, ConnectionError(why))


class Faults:
    """Counts the places where one could strike, and strikes at the Nth."""

    def __init__(self, at: At, number: int) -> None:
        self.at = at
        self.left = number

    @property
    def struck(self) -> bool:
        return self.left <= 0

    def strike(self, at: At, error: Callable[[str], Exception] = sql_error) -> None:
        if at is self.at:
            self.left -= 1
            if self.left == 0:
                raise error(at.value)


class FaultyCursor:
    """A driver's cursor; before each statement comes `strike`."""

    def __init__(self, cursor: Any, strike: Callable[[], None]) -> None:
        self._cursor = cursor
        self._strike = strike

    def execute(self, *arguments: Any, **options: Any) -> Any:
        self._strike()
        return self._cursor.execute(*arguments, **options)

    def executemany(self, *arguments: Any) -> Any:
        self._strike()
        return self._cursor.executemany(*arguments)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cursor, name)


CALLS: Final = (
    (Database, "look"),
    (Database, "write"),
    (MongoDatabase, "look"),
    (MongoDatabase, "transact"),
    (MongoDatabase, "write"),
)
READS: Final = ("find", "find_one", "aggregate", "distinct")
WRITES: Final[tuple[tuple[type, str], ...]] = (
    (Collection, "insert_one"),
    (Collection, "insert_many"),
    (Collection, "update_one"),
    (Collection, "update_many"),
    (Collection, "bulk_write"),
    (Collection, "find_one_and_update"),
    (Collection, "delete_one"),
    (Collection, "delete_many"),
    (ClientSession, "commit_transaction"),
)


def faulty_call(faults: Faults, during: Container[str] | None) -> Callable[..., Any]:
    """Redis's: a script is a statement and its own commit."""
    call = Server.call

    async def calling(self: Server, name: str, doing: str, arguments: Any) -> Any:
        def strike(at: At) -> None:
            if during is None or doing in during:
                try:
                    faults.strike(at, ConnectionError)
                except ConnectionError as error:
                    raise StoreUnavailable("redis", doing) from error

        strike(At.STATEMENT)
        strike(At.COMMIT)
        answer = await call(self, name, doing, arguments)
        strike(At.ANSWER)
        return answer

    return calling


@contextmanager
def planted(
    faults: Faults, monkeypatch: pytest.MonkeyPatch, *, during: Container[str] | None = None
) -> Generator[None]:
    """Between us and every driver; `during` these calls of the store alone, or (None) all."""
    cursor = _ConnectionFairy.cursor
    thread = threading.local()

    def strike(at: At, error: Callable[[str], Exception] = sql_error) -> None:
        if during is None or getattr(thread, "doing", "") in during:
            faults.strike(at, error)

    def faulty_cursor(self: Any, *args: Any, **kwargs: Any) -> Any:
        return FaultyCursor(cursor(self, *args, **kwargs), lambda: strike(At.STATEMENT))

    def faulty_commit(self: Any) -> None:
        strike(At.COMMIT)
        self.dbapi_connection.commit()
        strike(At.ANSWER)

    def noted(call: Callable[..., Any]) -> Callable[..., Any]:
        def calling(self: object, doing: str, *arguments: Any) -> Any:
            thread.doing = doing
            try:
                return call(self, doing, *arguments)
            finally:
                thread.doing = ""

        return calling

    def faulty_read(read: Callable[..., Any]) -> Callable[..., Any]:
        def fail_or_read(*arguments: Any, **options: Any) -> Any:
            strike(At.STATEMENT, AutoReconnect)
            return read(*arguments, **options)

        return fail_or_read

    def faulty_write(write: Callable[..., Any]) -> Callable[..., Any]:
        def fail_or_write(*arguments: Any, **options: Any) -> Any:
            strike(At.COMMIT, AutoReconnect)
            written = write(*arguments, **options)
            strike(At.ANSWER, AutoReconnect)
            return written

        return fail_or_write

    with monkeypatch.context() as patch:
        patch.setattr(Server, "call", faulty_call(faults, during))
        for database, name in CALLS:
            patch.setattr(database, name, noted(getattr(database, name)))
        for name in READS:
            patch.setattr(Collection, name, faulty_read(getattr(Collection, name)))
        for owner, name in WRITES:
            patch.setattr(owner, name, faulty_write(getattr(owner, name)))
        patch.setattr(_ConnectionFairy, "cursor", faulty_cursor)
        patch.setattr(_ConnectionFairy, "commit", faulty_commit, raising=False)
        yield


async def persistently(call: Callable[[], Any]) -> Any:
    """What a caller does who wants it done: again, until the store is there."""
    while True:
        try:
            return await call()
        except StoreUnavailable:
            await anyio.sleep(0.05)
