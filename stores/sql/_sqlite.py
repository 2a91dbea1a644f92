"""SQLite: a file, one writer at a time."""

from collections.abc import Iterator, Sequence
from json import dumps
from typing import Any, ClassVar, Final
from uuid import UUID

from .._moments import microseconds
from ..base import Durability
from ..clock import StoreClock
from ._dialect import NEW_COLUMNS, Cursor, Dialect, Tx
from ._rows import Columns

_PIECE: Final = 480  # twice that in a statement, and its older builds take 999 parameters
_SYNCHRONOUS: Final = ("OFF", "NORMAL", "FULL", "EXTRA")  # as PRAGMA synchronous numbers them
_FULL: Final = 2
_LAST_MOMENTS: Final = (
    "a power failure can lose the tasks acknowledged in the last moments (synchronous={})"
)


class SqliteDialect(Dialect):
    """Times are the `StoreClock`'s. Nothing is locked: whoever writes is alone."""

    name = "sqlite"
    driver = "pysqlite"
    words: ClassVar[dict[str, str]] = {
        "id": "BLOB",
        "name": "TEXT",
        "text": "TEXT",
        "bytes": "BLOB",
        "int": "INTEGER",
        "float": "REAL",
        "serial": "INTEGER PRIMARY KEY",
        "options": "",
        "state_first": "",
        "where_key": " WHERE unique_key IS NOT NULL",
        "where_lease": " WHERE lease IS NOT NULL",
        "where_ready": " WHERE state = 0",
        "where_job": " WHERE job_id IS NOT NULL",
        "where_due": " WHERE next_run_us IS NOT NULL",
        "held_index": "CREATE INDEX {live_held} ON {live} (queue_name) WHERE state = 2",
        "by_ready": "INDEXED BY {live_ready}",
        "by_held": "INDEXED BY {live_held}",
        "by_lease": "INDEXED BY {live_lease}",
        "by_job": "INDEXED BY {live_job}",
        "by_due": "INDEXED BY {schedules_due}",
        "for_update": "",
        "for_update_unlocked": "",
        "insert": "INSERT",
        "or_not": "ON CONFLICT DO NOTHING",
        "took_us": "0",
        "names": "json_each(?) AS q",
    }

    def __init__(self, prefix: str, clock: StoreClock) -> None:
        super().__init__(prefix)
        self._clock = clock

    def among(self, values: Sequence[Any]) -> Iterator[tuple[str, Sequence[Any]]]:
        for start in range(0, len(values), _PIECE):
            piece = values[start : start + _PIECE]
            yield (
                f"IN ({','.join('?' * len(piece))})",
                [value.bytes if isinstance(value, UUID) else value for value in piece],
            )

    def names(self, names: Sequence[str]) -> str:
        return dumps(names)

    def merge(
        self, arms: Sequence[tuple[str, Sequence[Any]]], limit: int
    ) -> tuple[str, Sequence[Any]]:
        # It knows no parentheses here, and reads each arm only as far as it must.
        statement = " UNION ALL ".join(arm for arm, _ in arms) + " ORDER BY run_us, place LIMIT ?"
        return statement, [*(value for _, values in arms for value in values), limit]

    def enter(self, tx: Tx) -> None:
        # To write after having read fails when another process wrote in between; so write first.
        tx.do("DELETE FROM {paused} WHERE 1 = 0")

    def begin(self, cursor: Cursor) -> int:
        cursor.execute("BEGIN IMMEDIATE")
        return self.now_us(cursor)

    def begin_look(self, cursor: Cursor) -> int:
        cursor.execute("BEGIN")
        return self.now_us(cursor)

    def durability(self, tx: Tx) -> Durability:
        [[level]] = tx.rows("PRAGMA synchronous")
        name = _SYNCHRONOUS[level]
        warnings = (_LAST_MOMENTS.format(name),) if level < _FULL else ()
        return Durability(summary=f"synchronous={name}", warnings=warnings)

    def now_us(self, cursor: Cursor) -> int:
        return microseconds(self._clock.now())

    def add(self, tx: Tx, rows: Sequence[Columns]) -> set[UUID]:
        # No savepoint: released, it would commit the transaction of an owner who had not begun
        # one. Whoever writes is alone, so what has a later place is what was written here.
        last = tx.row("SELECT coalesce(max(place), 0) FROM {live}")
        assert last is not None
        if self.insert(tx, "live", NEW_COLUMNS, rows) == len(rows):
            return {UUID(bytes=row[0]) for row in rows}
        return {
            UUID(bytes=row[0])
            for row in tx.rows("SELECT task_id FROM {live} WHERE place > ?", *last)
        }

    def has_table(self, cursor: Cursor, name: str) -> bool:
        cursor.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (name,))
        return bool(cursor.fetchall())

    def begin_migration(self, cursor: Cursor) -> None:
        cursor.execute("BEGIN IMMEDIATE")
