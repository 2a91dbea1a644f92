"""MySQL 8 and MariaDB 10.6 or newer: SKIP LOCKED, no RETURNING, READ COMMITTED."""

from collections.abc import Iterator, Sequence
from json import dumps
from typing import Any, ClassVar, Final
from uuid import UUID

from ..base import Durability
from ._dialect import NEW_COLUMNS, Cursor, Dialect, Tx
from ._rows import Columns
from ._schema import RUNNING

_NAME: Final = "VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
_MIGRATION_WAIT_S: Final = 60
_FLUSHES: Final = {
    0: "a crash of the server loses up to a second of acknowledged tasks"
    " (innodb_flush_log_at_trx_commit=0)",
    1: None,
    2: "a crash of the server's machine loses up to a second of acknowledged tasks"
    " (innodb_flush_log_at_trx_commit=2)",
    3: None,  # MariaDB's: 1, and one sync more
}


class MysqlDialect(Dialect):
    """Times are UTC_TIMESTAMP(6). No partial indexes: `state` leads instead."""

    name = "mysql"
    driver = "pymysql"
    quote = "`"
    jumps = False
    isolation = "READ COMMITTED"
    words: ClassVar[dict[str, str]] = {
        "id": "BINARY(16)",
        "name": _NAME,
        "text": "MEDIUMTEXT CHARACTER SET utf8mb4",
        "bytes": "LONGBLOB",
        "int": "BIGINT",
        "float": "DOUBLE",
        "serial": "BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY",
        "options": " ENGINE = InnoDB",
        "state_first": "state, ",
        "where_key": "",
        "where_lease": "",
        "where_ready": "",
        "where_job": "",
        "where_due": "",
        "held_index": "",  # the ready one does
        "by_ready": "FORCE INDEX ({live_ready})",
        "by_held": "FORCE INDEX ({live_ready})",
        "by_lease": "FORCE INDEX ({live_lease})",
        "by_job": "FORCE INDEX ({live_job})",
        "by_due": "FORCE INDEX ({schedules_due})",
        "for_update": "FOR UPDATE",
        "for_update_unlocked": "FOR UPDATE SKIP LOCKED",
        "insert": "INSERT IGNORE",
        "or_not": "",
        "names": "JSON_TABLE(?, '$[*]' COLUMNS (value " + _NAME + " PATH '$')) AS q",
    }

    def marked(self, statement: str) -> str:
        return statement.replace("?", "%s")

    def among(self, values: Sequence[Any]) -> Iterator[tuple[str, Sequence[Any]]]:
        yield "IN ?", (tuple(v.bytes if isinstance(v, UUID) else v for v in values),)

    def names(self, names: Sequence[str]) -> str:
        return dumps(names)

    def begin(self, cursor: Cursor) -> int:
        return self.now_us(cursor)  # the driver's connection is always in a transaction

    def begin_look(self, cursor: Cursor) -> int:
        cursor.execute("ROLLBACK")
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        cursor.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
        return self.now_us(cursor)

    def durability(self, tx: Tx) -> Durability:
        [[level]] = tx.rows("SELECT @@innodb_flush_log_at_trx_commit")
        warning = _FLUSHES[level]
        return Durability(
            summary=f"innodb_flush_log_at_trx_commit={level}",
            warnings=(warning,) if warning else (),
        )

    def now_us(self, cursor: Cursor) -> int:
        cursor.execute("SELECT TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6))")
        return int(cursor.fetchall()[0][0])

    def enter(self, tx: Tx) -> None:
        [[commits_by_itself]] = tx.rows("SELECT @@autocommit")
        tx.is_atomic = not commits_by_itself

    def add(self, tx: Tx, rows: Sequence[Columns]) -> set[UUID]:
        if tx.is_atomic:
            tx.do("SAVEPOINT oncue_add")
            if self.insert(tx, "live", NEW_COLUMNS, rows) == len(rows):
                return {UUID(bytes=row[0]) for row in rows}
            tx.do("ROLLBACK TO SAVEPOINT oncue_add")
        # It does not say which of many it has ignored.
        return {UUID(bytes=row[0]) for row in rows if self.insert(tx, "live", NEW_COLUMNS, [row])}

    def assign(
        self, tx: Tx, places: Sequence[int], node: str, first_lease: int, started_us: int | None
    ) -> None:
        # One statement for all, where the driver would send one for each; and one text for any
        # places, for the texts are kept.
        if places:
            tx.do_among(
                f"UPDATE {{live}} SET state = {RUNNING}, lease = ? + FIND_IN_SET(place, ?),"
                " node = ?, started_us = coalesce(?, started_us) WHERE place {among}",
                places, first_lease - 1, ",".join(map(str, places)), node, started_us,
            )  # fmt: skip

    def has_table(self, cursor: Cursor, name: str) -> bool:
        cursor.execute(
            "SELECT 1 FROM information_schema.tables"
            " WHERE table_schema = database() AND table_name = %s",
            (name,),
        )
        return bool(cursor.fetchall())

    def begin_migration(self, cursor: Cursor) -> None:
        # Its DDL commits by itself, so a named lock of the server stands in for the transaction.
        cursor.execute("SELECT GET_LOCK(%s, %s)", (self._migration_lock, _MIGRATION_WAIT_S))
        if cursor.fetchall()[0][0] != 1:
            raise TimeoutError("another process has been migrating for too long")

    def end_migration(self, cursor: Cursor) -> None:
        cursor.execute("SELECT RELEASE_LOCK(%s)", (self._migration_lock,))
        cursor.fetchall()

    @property
    def _migration_lock(self) -> str:
        return f"oncue {self.prefix}"
