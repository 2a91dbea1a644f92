"""Where a store can fail: each statement, each commit, each commit's answer, counted."""

import threading
from collections.abc import Callable, Collection, Generator
from contextlib import contextmanager
from enum import Enum
from typing import Any

import anyio
import pytest
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool.base import _ConnectionFairy  # pyright: ignore[reportPrivateUsage]

from oncue import StoreUnavailable
from oncue.stores.redis._server import Server
from oncue.stores.sql._engine import Database


class At(Enum):
    """Where a fault strikes."""

    STATEMENT = "a statement fails"
    COMMIT = "a commit fails"
    ANSWER = "a commit succeeds, and its answer is lost"


class Faults:
    """Counts the places where one could strike, and strikes at the Nth."""

    def __init__(self, at: At, number: int) -> None:
        self.at = at
        self.left = number

    @property
    def struck(self) -> bool:
        return self.left <= 0

    def strike(self, at: At) -> None:
        if at is self.at:
            self.left -= 1
            if self.left == 0:
                raise OperationalError("planted", None, ConnectionError(at.value))


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


def faulty_call(faults: Faults, during: Collection[str] | None) -> Callable[..., Any]:
    """A script is a statement and its own commit."""
    call = Server.call

    async def calling(self: Server, name: str, doing: str, arguments: Any) -> Any:
        def strike(at: At) -> None:
            if during is None or doing in during:
                try:
                    faults.strike(at)
                except OperationalError as error:
                    raise StoreUnavailable("redis", doing) from error

        strike(At.STATEMENT)
        strike(At.COMMIT)
        answer = await call(self, name, doing, arguments)
        strike(At.ANSWER)
        return answer

    return calling


@contextmanager
def planted(
    faults: Faults, monkeypatch: pytest.MonkeyPatch, *, during: Collection[str] | None = None
) -> Generator[None]:
    """Between us and every driver; `during` these calls of the store alone, or (None) all."""
    cursor = _ConnectionFairy.cursor
    thread = threading.local()

    def strike(at: At) -> None:
        if during is None or getattr(thread, "doing", "") in during:
            faults.strike(at)

    def faulty_cursor(self: Any, *args: Any, **kwargs: Any) -> Any:
        return FaultyCursor(cursor(self, *args, **kwargs), lambda: strike(At.STATEMENT))

    def faulty_commit(self: Any) -> None:
        strike(At.COMMIT)
        self.dbapi_connection.commit()
        strike(At.ANSWER)

    def noted(call: Callable[..., Any]) -> Callable[..., Any]:
        def calling(self: Database, doing: str, *arguments: Any) -> Any:
            thread.doing = doing
            try:
                return call(self, doing, *arguments)
            finally:
                thread.doing = ""

        return calling

    with monkeypatch.context() as patch:
        patch.setattr(Server, "call", faulty_call(faults, during))
        for name in ("look", "write"):
            patch.setattr(Database, name, noted(getattr(Database, name)))
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
