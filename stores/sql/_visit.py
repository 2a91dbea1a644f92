"""The store's statements on a connection that is somebody else's.

Rules:
- They go through SQLAlchemy, so that its transaction begins, its events fire and its errors are
  what the owner expects; and there is no commit.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import Connection, CursorResult

from ._connect import KINDS
from ._dialect import Dialect, Tx

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

T = TypeVar("T")


class _Cursor:
    """A SQLAlchemy connection as a cursor."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._result: CursorResult[Any]

    @property
    def rowcount(self) -> int:
        return self._result.rowcount

    def execute(self, statement: str, parameters: Sequence[Any] = ()) -> None:
        self._result = self._connection.exec_driver_sql(statement, tuple(parameters))

    def executemany(self, statement: str, rows: Sequence[Sequence[Any]]) -> None:
        self._result = self._connection.exec_driver_sql(statement, [tuple(row) for row in rows])

    def fetchall(self) -> Sequence[Any]:
        return self._result.fetchall()


def visit(owner: "Connection | Session", dialect: Dialect, work: Callable[[Tx], T]) -> T:
    """`work` inside the owner's transaction. Raises ValueError for another kind of database."""
    connection = owner if isinstance(owner, Connection) else owner.connection()
    theirs = connection.dialect
    if (KINDS.get(theirs.name), theirs.driver) != (dialect.name, dialect.driver):
        raise ValueError(
            f"the store is {dialect.name} by {dialect.driver}, the connection is "
            f"{theirs.name} by {theirs.driver}"
        )
    cursor = _Cursor(connection)
    tx = Tx(cursor, dialect, dialect.now_us(cursor))
    dialect.enter(tx)
    return work(tx)
