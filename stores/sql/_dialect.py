"""What the databases say differently, as one small interface, and its plain answer.

Rules:
- A `Dialect` knows words and a few moves; what is done, and in which order, is written once, in
  the modules that use it.
- The plain moves need nothing but SELECT ... FOR UPDATE, so they serve MySQL and, with no locks to
  take, SQLite. PostgreSQL fuses several of them into one statement each.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Final, Protocol
from uuid import UUID

from ..base import Durability
from ._heads import Heads
from ._rows import CLAIMED_COLUMNS, Columns
from ._schema import INDEXES, RUNNING, TABLES, TASK_COLUMNS

NEW_COLUMNS: Final = (*TASK_COLUMNS, "retry_count", "run_us")
"""What a task is added with."""


class Cursor(Protocol):
    """What is used of a driver's cursor."""

    @property
    def rowcount(self) -> int: ...
    def execute(self, statement: str, parameters: Sequence[Any] = ..., /) -> object: ...
    def executemany(self, statement: str, rows: Sequence[Sequence[Any]], /) -> object: ...
    def fetchall(self) -> Sequence[Any]: ...


class Tx:
    """One transaction, as the modules see it: statements, and the store's time.

    `now_us` was read when it began. `hints` names the queues that others should look at, once
    it is committed; `""` stands for all. Not `is_atomic` is only who entered a connection that
    commits each statement. `afresh` are the queues whose lanes were looked for from the beginning.
    """

    __slots__ = ("_cursor", "afresh", "dialect", "hints", "is_atomic", "now_us")

    def __init__(self, cursor: Cursor, dialect: "Dialect", now_us: int) -> None:
        self._cursor = cursor
        self.dialect = dialect
        self.now_us = now_us
        self.hints: set[str] = set()
        self.is_atomic = True
        self.afresh: set[str] = set()

    def read_now_us(self) -> int:
        """The store's time once more, for what must be judged after a lock was taken."""
        self.now_us = self.dialect.now_us(self._cursor)
        return self.now_us

    def rows(self, template: str, *parameters: Any) -> Sequence[Columns]:
        """What a query finds."""
        self._cursor.execute(self.dialect.statement(template), parameters)
        return self._cursor.fetchall()

    def row(self, template: str, *parameters: Any) -> Columns | None:
        """The first row that a query finds."""
        found = self.rows(template, *parameters)
        return found[0] if found else None

    def do(self, template: str, *parameters: Any) -> int:
        """How many rows a statement changed."""
        self._cursor.execute(self.dialect.statement(template), parameters)
        return self._cursor.rowcount

    def many(self, template: str, rows: Sequence[Sequence[Any]]) -> int:
        """How many rows a statement changed, done once for each of `rows`."""
        if not rows:
            return 0
        self._cursor.executemany(self.dialect.statement(template), rows)
        return self._cursor.rowcount

    def rows_among(self, template: str, values: Sequence[Any], *parameters: Any) -> list[Columns]:
        """What a query finds with `column {among}`, once or more, for these ids or numbers.

        `parameters` are of the placeholders before it. Without any value it is not asked.
        """
        found: list[Columns] = []
        times = template.count("{among}")
        for word, more in self.dialect.among(values) if values else ():
            statement = self.dialect.statement(template, word)
            self._cursor.execute(statement, (*parameters, *(tuple(more) * times)))
            found += self._cursor.fetchall()
        return found

    def do_among(self, template: str, values: Sequence[Any], *parameters: Any) -> int:
        """How many rows a statement with `column {among}` changed."""
        count = 0
        for word, more in self.dialect.among(values) if values else ():
            self._cursor.execute(self.dialect.statement(template, word), (*parameters, *more))
            count += self._cursor.rowcount
        return count


class Dialect(ABC):
    """SQL as SQLite and MySQL take it; subclasses say what differs."""

    name: ClassVar[str]
    driver: ClassVar[str]
    isolation: ClassVar[str] = "AUTOCOMMIT"  # the statements here say BEGIN themselves
    jumps: ClassVar[bool] = True  # whether a recursive query can; see `_lanes`
    quote: ClassVar[str] = '"'
    words: ClassVar[dict[str, str]]

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.heads: Heads | None = None
        q = self.quote
        names = {each: f"{q}{prefix}_{each}{q}" for each in (*TABLES, *INDEXES)}
        names["live"] = f"{q}{prefix}{q}"
        self._names = {**names, **{key: word.format_map(names) for key, word in self.words.items()}}
        self._statements: dict[tuple[str, str], str] = {}

    def statement(self, template: str, among: str = "") -> str:
        """The template in this database's words."""
        statement = self._statements.get((template, among))
        if statement is None:
            statement = self.marked(template.format_map({**self._names, "among": among}))
            self._statements[template, among] = statement
        return statement

    def marked(self, statement: str) -> str:
        """The driver's placeholders for ours."""
        return statement

    # --- values -----------------------------------------------------------------------------

    def id_of(self, task_id: UUID) -> Any:
        """An id as the driver takes it."""
        return task_id.bytes

    @abstractmethod
    def among(self, values: Sequence[Any]) -> Iterable[tuple[str, Sequence[Any]]]:
        """`column {among}` for ids or numbers: the word and its parameters, in pieces."""

    @abstractmethod
    def names(self, names: Sequence[str]) -> Any:
        """The parameter of `{names}`."""

    def enter(self, tx: "Tx") -> None:  # noqa: B027 - most need nothing
        """What is to be done first in a transaction that somebody else began."""

    # --- transactions -----------------------------------------------------------------------

    @abstractmethod
    def begin(self, cursor: Any) -> int:
        """Begin to write. The database's present instant."""

    @abstractmethod
    def begin_look(self, cursor: Any) -> int:
        """Begin to read one instant's view. The database's present instant."""

    @abstractmethod
    def durability(self, tx: Tx) -> Durability:
        """What a commit outlives, by the database's settings for this connection."""

    @abstractmethod
    def now_us(self, cursor: Cursor) -> int:
        """The database's present instant."""

    def beyond(self, queue_name: str, task_type: str, priority: int) -> tuple[str, Sequence[int]]:
        """A condition to begin a lane by, and its parameters."""
        return "", ()

    def look_afresh(self) -> None:
        """Something was put back to where claims may have passed."""
        if self.heads is not None:
            self.heads.forget()

    def merge(
        self, arms: Sequence[tuple[str, Sequence[Any]]], limit: int
    ) -> tuple[str, Sequence[Any]]:
        """One query for the first `limit` of several, each by run_us and place."""
        # Each arm ends for itself: a server may read it to its end to sort it, and does.
        order = " ORDER BY run_us, place LIMIT ?"
        statement = " UNION ALL ".join(f"({arm}{order})" for arm, _ in arms)
        return statement + order, [
            *(value for _, values in arms for value in (*values, limit)),
            limit,
        ]

    # --- moves ------------------------------------------------------------------------------

    def insert(self, tx: Tx, table: str, columns: Sequence[str], rows: Sequence[Columns]) -> int:
        """Write rows, but for those whose key is taken; how many were written."""
        marks = ", ".join("?" * len(columns))
        return tx.many(
            f"{{insert}} INTO {{{table}}} ({', '.join(columns)}) VALUES ({marks}) {{or_not}}", rows
        )

    @abstractmethod
    def add(self, tx: Tx, rows: Sequence[Columns]) -> set[UUID]:
        """Write tasks, but for those whose id or key is taken; the ids of those written.

        Their columns are `NEW_COLUMNS`.
        """

    def take_out(self, tx: Tx, fences: Sequence[tuple[int, UUID]]) -> Sequence[Columns]:
        """Delete running tasks by lease and id.

        Of each: lease, task_id, queue_name, retry_count, started_us.
        """
        wanted = set(fences)
        found = [
            row
            for row in tx.rows_among(
                "SELECT lease, task_id, queue_name, retry_count, started_us, place FROM {live}"
                " WHERE lease {among} ORDER BY lease {for_update}",
                [lease for lease, _ in fences],
            )
            if (row[0], UUID(bytes=row[1])) in wanted
        ]
        tx.do_among("DELETE FROM {live} WHERE place {among}", [row[-1] for row in found])
        return [row[:-1] for row in found]

    def claim(
        self,
        tx: Tx,
        lane: tuple[str, int],
        shares: Sequence[tuple[str, int]],
        node: str,
        first_lease: int,
    ) -> list[Columns]:
        """Claim from the lanes of one (queue, priority), from each type its share.

        In order; columns as `CLAIMED_COLUMNS`. Tasks that another claim has locked are passed
        over.
        """
        found = [
            row
            for task_type, share in shares
            for row in tx.rows(
                f"SELECT {CLAIMED_COLUMNS} FROM {{live}} {{by_ready}} WHERE state = 0"
                " AND queue_name = ? AND task_type = ? AND priority = ? AND run_us <= ?"
                " ORDER BY run_us, place LIMIT ? {for_update_unlocked}",
                lane[0], task_type, lane[1], tx.now_us, share,
            )
        ]  # fmt: skip
        if len(shares) > 1:
            found.sort(key=lambda row: (row[-1], row[0]))
        self.assign(tx, [row[0] for row in found], node, first_lease, tx.now_us)
        return found

    def assign(
        self, tx: Tx, places: Sequence[int], node: str, first_lease: int, started_us: int | None
    ) -> None:
        """Give the node these tasks, leases counting from `first_lease` in their order."""
        tx.many(
            f"UPDATE {{live}} SET state = {RUNNING}, lease = ?, node = ?,"
            " started_us = coalesce(?, started_us) WHERE place = ?",
            [(first_lease + n, node, started_us, place) for n, place in enumerate(places)],
        )

    def notify(self, cursor: Cursor, sender: str, hints: set[str]) -> None:  # noqa: B027 - most need nothing
        """Tell other processes where to look. Outside of any transaction."""

    # --- schema -----------------------------------------------------------------------------

    @abstractmethod
    def has_table(self, cursor: Cursor, name: str) -> bool:
        """Whether there is a table of that name."""

    @abstractmethod
    def begin_migration(self, cursor: Cursor) -> None:
        """Begin, with every other migration of these tables shut out until the end."""

    def end_migration(self, cursor: Cursor) -> None:  # noqa: B027 - most need nothing
        """Let others in, once it is committed."""
