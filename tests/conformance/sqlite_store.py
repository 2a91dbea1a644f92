"""The looking half of the throw-away SQLite store: find, count, queues, purge."""

import sqlite3
from collections import Counter
from uuid import UUID

from oncue.stores import (
    ByIds,
    Counts,
    DeadLetters,
    Holder,
    LiveTasks,
    Purge,
    PurgeDeadLetters,
    PurgeExpired,
    PurgeResults,
    PurgeWaiting,
    Query,
    TaskStatus,
    TaskView,
)
from tests.conformance.sqlite_moves import SqliteMoves, live_status, moment, row_of


class SqliteStore(SqliteMoves):
    """A `Store` in one SQLite database."""

    async def find(self, query: Query) -> list[TaskView]:
        return await self._transact(lambda now: self._find(query))

    def _find(self, query: Query) -> list[TaskView]:
        match query:
            case ByIds(task_ids=task_ids):
                views = [self._view(task_id) for task_id in task_ids]
                return [view for view in views if view is not None]
            case LiveTasks(queue_name=name, limit=limit, statuses=statuses):
                live = self._live_of(name)
                return [live_view(task) for task in live if live_status(task) in statuses][:limit]
            case DeadLetters(queue_name=name, limit=limit):
                return [self._dead_view(task) for task in self._dead_of(name, "DESC", limit)]

    def _live_of(self, name: str | None) -> list[sqlite3.Row]:
        return self._all(
            "SELECT * FROM live WHERE ? IS NULL OR queue = ? ORDER BY place", name, name
        )

    def _view(self, task_id: UUID) -> TaskView | None:
        if task := self._one("SELECT * FROM live WHERE id = ?", str(task_id)):
            return live_view(task)
        if task := self._one("SELECT * FROM dead WHERE id = ?", str(task_id)):
            return self._dead_view(task)
        if task := self._one("SELECT * FROM results WHERE id = ?", str(task_id)):
            return TaskView(
                task_id=task_id,
                queue_name=task["queue"],
                status=TaskStatus(task["status"]),
                retry_count=task["retry_count"],
                started_at=moment(task["started_us"]),
                completed_at=moment(task["ended_us"]),
                expires_at=moment(task["ended_us"] + self._result_ttl_us),
                execution_s=task["execution_s"],
                result=task["result"],
                error=task["error"],
                worker_id=task["worker"],
            )
        return None

    def _dead_view(self, task: sqlite3.Row) -> TaskView:
        return TaskView(
            task_id=UUID(task["id"]),
            queue_name=task["queue"],
            status=TaskStatus.DEAD_LETTER,
            retry_count=task["retry_count"],
            row=row_of(task),
            run_at=moment(task["run_us"]),
            started_at=moment(task["started_us"]),
            completed_at=moment(task["ended_us"]),
            expires_at=moment(task["ended_us"] + self._dead_ttl_us),
            execution_s=task["execution_s"],
            error=task["error"],
            worker_id=task["worker"],
        )

    async def count(self, queue_name: str | None = None) -> Counts:
        return await self._transact(lambda now: self._count(queue_name, now))

    def _count(self, name: str | None, now: int) -> Counts:
        live = self._live_of(name)
        waiting = [task for task in live if not task["lease"]]
        unpaused = [task for task in waiting if not task["paused"]]
        ready = [task for task in unpaused if task["run_us"] <= now]
        dead = self._dead_of(name, "ASC", -1)
        paused = self._one("SELECT 1 FROM paused WHERE ? IS NULL OR queue = ?", name, name)
        everything = [*self._live_of(None), *self._dead_of(None, "ASC", -1)]
        return Counts(
            queue_name=name,
            pending=len(ready),
            delayed=len(unpaused) - len(ready),
            held=len(waiting) - len(unpaused),
            processing=len(live) - len(waiting),
            dead_letters=len(dead),
            priorities=Counter(task["priority"] for task in waiting),
            ready_types=Counter(task["type"] for task in ready),
            oldest=moment(live[0]["created_us"]) if live else None,
            newest=moment(live[-1]["created_us"]) if live else None,
            paused=paused is not None,
            payload_bytes=sum(len(task["payload"]) for task in [*live, *dead]),
            store_payload_bytes=sum(len(task["payload"]) for task in everything),
        )

    async def queues(self) -> list[str]:
        return await self._transact(
            lambda now: [
                task["queue"]
                for task in self._all(
                    "SELECT queue FROM live UNION SELECT queue FROM dead"
                    " UNION SELECT queue FROM paused ORDER BY queue"
                )
            ]
        )

    async def purge(self, what: Purge) -> int:
        return await self._transact(lambda now: self._purge(what, now))

    def _purge(self, what: Purge, now: int) -> int:
        match what:
            case PurgeWaiting(queue_name=name):
                return self._do("DELETE FROM live WHERE queue = ? AND lease = 0", name)
            case PurgeDeadLetters(queue_name=name, older_than_s=older_than_s):
                return self._do(
                    "DELETE FROM dead WHERE (? IS NULL OR queue = ?) AND ended_us <= ?",
                    name, name, now - round(older_than_s * 1e6),
                )  # fmt: skip
            case PurgeResults(older_than_s=older_than_s):
                before = now - round(older_than_s * 1e6)
                return self._do("DELETE FROM results WHERE ended_us <= ?", before)
            case PurgeExpired():
                dead = self._do("DELETE FROM dead WHERE ended_us <= ?", now - self._dead_ttl_us)
                before = now - self._result_ttl_us
                return dead + self._do("DELETE FROM results WHERE ended_us <= ?", before)


def live_view(task: sqlite3.Row) -> TaskView:
    task_id = UUID(task["id"])
    holder = None
    if task["lease"]:
        holder = Holder(task_id=task_id, node=task["node"], lease=task["lease"])
    return TaskView(
        task_id=task_id,
        queue_name=task["queue"],
        status=live_status(task),
        retry_count=task["retry_count"],
        row=row_of(task),
        holder=holder,
        run_at=moment(task["run_us"]),
        started_at=moment(task["started_us"]),
        execution_s=task["execution_s"],
        error=task["error"],
        worker_id=task["worker"],
    )
