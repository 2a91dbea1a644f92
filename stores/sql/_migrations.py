"""The schema's version, and the way from each to the next.

Rules:
- A migration that was released never changes; a new one is added at the end.
- One transaction with all others shut out, so any number of processes may start at once. (MySQL
  commits each DDL by itself: there a migration that was broken off is to be finished by hand.)
- Whoever finds the schema as it should be changes nothing, and needs no right to.
"""

from collections.abc import Sequence
from typing import Final

from ._dialect import Cursor, Dialect
from ._schema import FIRST, SECOND

MIGRATIONS: Final[Sequence[Sequence[str]]] = (FIRST, SECOND)
"""`MIGRATIONS[n]` leads from version n to n + 1."""

VERSION: Final = len(MIGRATIONS)


class SchemaTooNew(RuntimeError):
    """The tables were made by a newer OnCue than this one: the caller's fault.

    `found` is their version, `known` the newest that this one knows.
    """

    def __init__(self, prefix: str, found: int, known: int) -> None:
        super().__init__(
            f"the tables {prefix!r} have schema version {found}, and this OnCue knows none newer "
            f"than {known}: upgrade OnCue, or name other tables"
        )
        self.prefix = prefix
        self.found = found
        self.known = known


def migrate(cursor: Cursor, dialect: Dialect) -> None:
    """Bring the tables to `VERSION`. Raises SchemaTooNew. Commits."""
    if _version(cursor, dialect) == VERSION:
        return
    dialect.begin_migration(cursor)
    try:
        cursor.execute(
            dialect.statement("CREATE TABLE IF NOT EXISTS {schema} (version {int} NOT NULL)")
        )
        version = _version(cursor, dialect)
        for number, statements in enumerate(MIGRATIONS[version:], version + 1):
            for template in statements:
                if statement := dialect.statement(template):
                    cursor.execute(statement)
            cursor.execute(dialect.statement("DELETE FROM {schema}"))
            cursor.execute(dialect.statement("INSERT INTO {schema} (version) VALUES (?)"), [number])
        cursor.execute("COMMIT")
    finally:
        dialect.end_migration(cursor)


def _version(cursor: Cursor, dialect: Dialect) -> int:
    """What the tables say, 0 without any. Raises SchemaTooNew."""
    if not dialect.has_table(cursor, f"{dialect.prefix}_schema"):
        return 0
    cursor.execute(dialect.statement("SELECT version FROM {schema}"))
    found = cursor.fetchall()
    version: int = found[0][0] if found else 0
    if version > VERSION:
        raise SchemaTooNew(dialect.prefix, version, VERSION)
    return version
