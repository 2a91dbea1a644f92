"""A throw-away store on SQLite: proof that the contract of a store is not memory-shaped.

One connection, one transaction a call, in a worker thread; rows and nothing else. It is not
shipped and not fast: no policy about locks, several processes, migrations or disk trouble.
"""

import sqlite3
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar, assert_never
from uuid import UUID

from anyio import to_thread

from oncue.stores import (
    Added,
    AddOutcome,
    AlreadyKnown,
    Back,
    Cancelled,
    CancelTask,
    Change,
    Claim,
    ClaimedTask,
    Claims,
    Dead,
    Done,
    Edited,
    Exchanged,
    Holder,
    PauseQueue,
    PauseTask,
    RequeueDead,
    RequeueDeadLetters,
    ResumeQueue,
    ResumeTask,
    RetryAt,
    Settlement,
    StoreClock,
    StoreClosed,
    TaskRow,
    TaskStatus,
    UniqueTaken,
    first_lease,
)

T = TypeVar("T")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NOT_APPLIED = Edited(count=0)

TASK = """
    id TEXT PRIMARY KEY, type TEXT, queue TEXT, payload BLOB, priority INT, max_retries INT,
    first_retry_count INT, retry_delay_s REAL, delay_s REAL, scheduled_us INT, timeout_s REAL,
    created_us INT, tags BLOB, unique_key TEXT, trace TEXT,
    retry_count INT, run_us INT, started_us INT, execution_s REAL, error TEXT, worker TEXT
"""
SCHEMA = f"""
CREATE TABLE live ({TASK}, place INTEGER, lease INT, node TEXT, paused INT);
CREATE UNIQUE INDEX live_key ON live (queue, unique_key);
CREATE INDEX live_ready ON live (queue, priority DESC, run_us, place) WHERE lease = 0;
CREATE TABLE dead ({TASK}, place INTEGER, ended_us INT);
CREATE TABLE results (id TEXT PRIMARY KEY, queue TEXT, status TEXT, retry_count INT,
    started_us INT, ended_us INT, execution_s REAL, error TEXT, worker TEXT, result BLOB);
CREATE TABLE paused (queue TEXT PRIMARY KEY);
CREATE TABLE numbers (incarnation INT, place INT);
INSERT INTO numbers VALUES (0, 0);
"""
COLUMNS = [line.split()[0] for line in TASK.replace("\n", " ").split(",")]


def us(moment: datetime | None) -> int | None:
    return None if moment is None else round((moment - EPOCH) / timedelta(microseconds=1))


def moment(value: int | None) -> datetime | None:
    return None if value is None else EPOCH + timedelta(microseconds=value)


def row_of(record: sqlite3.Row) -> TaskRow:
    created = moment(record["created_us"])
    assert created is not None
    return TaskRow(
        task_id=UUID(record["id"]),
        task_type=record["type"],
        queue_name=record["queue"],
        payload=record["payload"],
        priority=record["priority"],
        max_retries=record["max_retries"],
        retry_count=record["first_retry_count"],
        retry_delay_s=record["retry_delay_s"],
        delay_s=record["delay_s"],
        scheduled_at=moment(record["scheduled_us"]),
        timeout_s=record["timeout_s"],
        created_at=created,
        tags=record["tags"],
        unique_key=record["unique_key"],
        trace=record["trace"],
    )


def live_status(record: sqlite3.Row) -> TaskStatus:
    if record["lease"]:
        return TaskStatus.PROCESSING
    if record["paused"]:
        return TaskStatus.PAUSED
    return TaskStatus.RETRYING if record["retry_count"] else TaskStatus.PENDING


class SqliteMoves:
    """What changes rows."""

    def __init__(
        self, path: str, *, clock: StoreClock, result_ttl_s: float, dead_letter_ttl_s: float
    ) -> None:
        self._clock = clock
        self._result_ttl_us = round(result_ttl_s * 1e6)
        self._dead_ttl_us = round(dead_letter_ttl_s * 1e6)
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.row_factory = sqlite3.Row
        self._db.executescript("PRAGMA synchronous = OFF; PRAGMA journal_mode = MEMORY;" + SCHEMA)
        self._open = False

    async def open(self) -> None:
        self._open = True

    async def close(self) -> None:
        self._open = False

    def shut(self) -> None:
        self._db.close()

    async def _transact(self, body: Callable[[int], T]) -> T:
        """`body(now)` in one transaction, in a thread."""
        if not self._open:
            raise StoreClosed("sqlite")

        def run() -> T:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                now = us(self._clock.now())
                assert now is not None
                answer = body(now)
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")
            return answer

        return await to_thread.run_sync(run)

    def _all(self, sql: str, *values: Any) -> list[sqlite3.Row]:
        return self._db.execute(sql, values).fetchall()

    def _one(self, sql: str, *values: Any) -> sqlite3.Row | None:
        found: sqlite3.Row | None = self._db.execute(sql, values).fetchone()
        return found

    def _do(self, sql: str, *values: Any) -> int:
        return self._db.execute(sql, values).rowcount

    def _next(self, column: str) -> int:
        found = self._one(f"UPDATE numbers SET {column} = {column} + 1 RETURNING {column}")
        assert found is not None
        number: int = found[0]
        return number

    # -- add, exchange ------------------------------------------------------------------

    async def join(self, node: str) -> int:
        return await self._transact(lambda now: self._next("incarnation"))

    async def add(self, rows: Sequence[TaskRow]) -> list[AddOutcome]:
        return await self._transact(lambda now: [self._add(row, now) for row in rows])

    def _add(self, row: TaskRow, now: int) -> AddOutcome:
        task_id = str(row.task_id)
        for table in ("live", "dead", "results"):
            if self._one(f"SELECT 1 FROM {table} WHERE id = ?", task_id):
                return AlreadyKnown()
        if row.unique_key is not None:
            holder = self._one(
                "SELECT id FROM live WHERE queue = ? AND unique_key = ?",
                row.queue_name,
                row.unique_key,
            )
            if holder:
                return UniqueTaken(live_task_id=UUID(holder["id"]))
        run_us = max(now + round(row.delay_s * 1e6), us(row.scheduled_at) or 0)
        values = [
            task_id, row.task_type, row.queue_name, row.payload, row.priority, row.max_retries,
            row.retry_count, row.retry_delay_s, row.delay_s, us(row.scheduled_at), row.timeout_s,
            us(row.created_at), row.tags, row.unique_key, row.trace,
            row.retry_count, run_us, None, None, None, None,
        ]  # fmt: skip
        self._insert_live(values)
        return Added()

    def _insert_live(self, values: Sequence[Any]) -> None:
        marks = ", ".join("?" * (len(COLUMNS) + 4))
        self._do(f"INSERT INTO live VALUES ({marks})", *values, self._next("place"), 0, None, 0)

    async def exchange(
        self, settlements: Sequence[Settlement], claims: Claims | None = None
    ) -> Exchanged:
        if claims is not None and any(claim.limit < 0 for claim in claims.queues):
            raise ValueError(f"a claim's limit must be 0 or more, got {claims.queues!r}")

        def body(now: int) -> Exchanged:
            refused = [each for each in settlements if not self._settle(each, now)]
            claimed: list[ClaimedTask] = []
            more: list[str] = []
            for claim in () if claims is None else claims.queues:
                assert claims is not None
                taken = self._claim(claim, claims, claims.first_lease + len(claimed), now)
                claimed += taken
                if claim.limit and len(taken) == claim.limit:
                    more.append(claim.queue_name)
            due = self._one(
                "SELECT min(run_us) FROM live WHERE lease = 0 AND NOT paused AND run_us > ?", now
            )
            assert due is not None
            names = self._all("SELECT DISTINCT queue FROM live")
            return Exchanged(
                claimed=claimed,
                refused=refused,
                more=frozenset(more),
                queues=tuple(name["queue"] for name in names),
                next_due_s=None if due[0] is None else (due[0] - now) / 1e6,
            )

        return await self._transact(body)

    def _settle(self, each: Settlement, now: int) -> bool:
        task = self._one(
            "SELECT * FROM live WHERE id = ? AND lease = ?", str(each.task_id), each.lease
        )
        if task is None:
            return False
        match each:
            case Done(result=result):
                self._end(task, TaskStatus.COMPLETED, now, each, result)
            case Cancelled():
                self._end(task, TaskStatus.CANCELLED, now, each, None)
            case Back():
                self._do("UPDATE live SET lease = 0, node = NULL WHERE id = ?", task["id"])
            case RetryAt():
                self._do(
                    "UPDATE live SET lease = 0, node = NULL, retry_count = retry_count + 1,"
                    " run_us = ?, execution_s = ?, error = ?, worker = ? WHERE id = ?",
                    now + round(each.delay_s * 1e6), each.execution_s, each.error,
                    each.worker_id, task["id"],
                )  # fmt: skip
            case Dead():
                kept = ", ".join(COLUMNS)
                self._do(
                    f"INSERT INTO dead SELECT {kept}, ?, ? FROM live WHERE id = ?",
                    self._next("place"), now, task["id"],
                )  # fmt: skip
                self._do(
                    "UPDATE dead SET execution_s = ?, error = ?, worker = ? WHERE id = ?",
                    each.execution_s, each.error, each.worker_id, task["id"],
                )  # fmt: skip
                self._do("DELETE FROM live WHERE id = ?", task["id"])
            case _:
                assert_never(each)
        return True

    def _end(
        self, task: sqlite3.Row, status: TaskStatus, now: int,
        last: Done | Cancelled | None, result: bytes | None,
    ) -> None:  # fmt: skip
        figures = (task["execution_s"], task["error"], task["worker"])
        if isinstance(last, Done):
            figures = (last.execution_s, None, last.worker_id)
        elif last is not None:
            figures = (last.execution_s, last.error, last.worker_id)
        self._do(
            "INSERT INTO results VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            task["id"], task["queue"], str(status), task["retry_count"], task["started_us"], now,
            *figures, result,
        )  # fmt: skip
        self._do("DELETE FROM live WHERE id = ?", task["id"])

    def _claim(self, claim: Claim, claims: Claims, lease: int, now: int) -> list[ClaimedTask]:
        if self._one("SELECT 1 FROM paused WHERE queue = ?", claim.queue_name):
            return []
        types = claims.task_types
        only = "" if types is None else f" AND type IN ({', '.join('?' * len(types))})"
        ready = self._all(
            "SELECT * FROM live WHERE queue = ? AND lease = 0 AND NOT paused AND run_us <= ?"
            f"{only} ORDER BY priority DESC, run_us, place LIMIT ?",
            claim.queue_name, now, *(types or ()), claim.limit,
        )  # fmt: skip
        claimed: list[ClaimedTask] = []
        for number, task in enumerate(ready):
            self._do(
                "UPDATE live SET lease = ?, node = ?, started_us = ? WHERE id = ?",
                lease + number, claims.node, now, task["id"],
            )  # fmt: skip
            run_at, started_at = moment(task["run_us"]), moment(now)
            assert run_at is not None
            assert started_at is not None
            claimed.append(
                ClaimedTask(
                    row=row_of(task),
                    lease=lease + number,
                    retry_count=task["retry_count"],
                    run_at=run_at,
                    started_at=started_at,
                )
            )
        return claimed

    async def hand_back(self, node: str, before: int) -> int:
        return await self._transact(
            lambda now: self._do(
                "UPDATE live SET lease = 0, node = NULL WHERE node = ? AND lease < ? AND lease > 0",
                node, first_lease(before),
            )
        )  # fmt: skip

    # -- edit ---------------------------------------------------------------------------

    async def edit(self, changes: Sequence[Change]) -> list[Edited]:
        return await self._transact(lambda now: [self._edit(change, now) for change in changes])

    def _edit(self, change: Change, now: int) -> Edited:
        match change:
            case CancelTask(task_id=task_id):
                task = self._one("SELECT * FROM live WHERE id = ?", str(task_id))
                if task is None:
                    return NOT_APPLIED
                holder = None
                if task["lease"]:
                    holder = Holder(task_id=task_id, node=task["node"], lease=task["lease"])
                self._end(task, TaskStatus.CANCELLED, now, None, None)
                return Edited(count=1, queue_name=task["queue"], holder=holder)
            case PauseTask(task_id=task_id):
                return self._set_paused(task_id, 1)
            case ResumeTask(task_id=task_id):
                return self._set_paused(task_id, 0)
            case RequeueDead(task_id=task_id):
                task = self._one("SELECT * FROM dead WHERE id = ?", str(task_id))
                return NOT_APPLIED if task is None else self._requeue(task, now)
            case RequeueDeadLetters(queue_name=name, limit=limit):
                count = 0
                for task in self._dead_of(name, "ASC", -1):
                    if count < limit:
                        count += self._requeue(task, now).count
                return Edited(count=count, queue_name=name)
            case PauseQueue(queue_name=name):
                done = self._do("INSERT OR IGNORE INTO paused VALUES (?)", name)
                return Edited(count=1, queue_name=name) if done else NOT_APPLIED
            case ResumeQueue(queue_name=name):
                done = self._do("DELETE FROM paused WHERE queue = ?", name)
                return Edited(count=1, queue_name=name) if done else NOT_APPLIED
            case _:
                assert_never(change)

    def _set_paused(self, task_id: UUID, paused: int) -> Edited:
        found = self._one(
            "UPDATE live SET paused = ? WHERE id = ? AND lease = 0 AND paused != ? RETURNING queue",
            paused, str(task_id), paused,
        )  # fmt: skip
        return NOT_APPLIED if found is None else Edited(count=1, queue_name=found["queue"])

    def _requeue(self, task: sqlite3.Row, now: int) -> Edited:
        taken = task["unique_key"] is not None and self._one(
            "SELECT 1 FROM live WHERE queue = ? AND unique_key = ?",
            task["queue"], task["unique_key"],
        )  # fmt: skip
        if taken:
            return NOT_APPLIED
        fresh = {"retry_count": 0, "run_us": now, "started_us": None, "execution_s": None}
        fresh |= {"error": None, "worker": None}
        self._insert_live([fresh.get(name, task[name]) for name in COLUMNS])
        self._do("DELETE FROM dead WHERE id = ?", task["id"])
        return Edited(count=1, queue_name=task["queue"])

    def _dead_of(self, name: str | None, order: str, limit: int) -> list[sqlite3.Row]:
        return self._all(
            f"SELECT * FROM dead WHERE ? IS NULL OR queue = ? ORDER BY place {order} LIMIT ?",
            name, name, limit,
        )  # fmt: skip
