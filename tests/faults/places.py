"""Where a store can fail: each statement, each commit, each commit's answer, counted."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from enum import Enum
from typing import Any

import anyio
import pytest
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool.base import _ConnectionFairy  # pyright: ignore[reportPrivateUsage]

from oncue import StoreUnavailable


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


@contextmanager
def planted(faults: Faults, monkeypatch: pytest.MonkeyPatch) -> Generator[None]:
    """Between us and every driver."""
    cursor = _ConnectionFairy.cursor

    def faulty_cursor(self: Any, *args: Any, **kwargs: Any) -> Any:
        return FaultyCursor(cursor(self, *args, **kwargs), lambda: faults.strike(At.STATEMENT))

    def faulty_commit(self: Any) -> None:
        faults.strike(At.COMMIT)
        self.dbapi_connection.commit()
        faults.strike(At.ANSWER)

    with monkeypatch.context() as patch:
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
