"""One transaction, in the words of this store: tables, tasks and their entries, queues, numbers.

Rules:
- A scan reads as it is asked. Whoever writes meanwhile makes a list of it first.
- Queues and numbers are read once and written once, by `flush`.
"""

from collections.abc import Iterator
from typing import Final

import lmdb

from oncue.stores import TaskRow

from ._records import (
    Queue,
    Task,
    digest,
    entries_of,
    pack_queue,
    pack_task,
    unpack_queue,
    unpack_row,
    unpack_task,
)

TABLES: Final = {
    "tasks": "task_id -> Task, without its body",
    "bodies": "task_id -> a live task's or dead letter's row, or a result",
    "live": "queue, number -> task_id",
    "waiting": "queue, type, priority downwards, run_us, number -> task_id",
    "running": "node, lease -> task_id",
    "unique": "queue and unique_key -> task_id",
    "runs": "job_id, task_id ->",
    "dead": "queue, ended_us, number -> task_id",
    "ended": "ended_us, task_id ->",
    "queues": "queue -> Queue",
    "nodes": "node -> its record",
    "schedules": "job_id -> schedule",
    "planned": "next_run_us, job_id ->",
    "numbered": "number -> job_id",
    "meta": "format, and the numbers last given",
}
"""The tables, and what is in each. Names are digests there, numbers eight bytes."""

_BEHIND: Final = b"\xff" * 64


class Tx:
    """A transaction under way. `now_us` is the store's time, the same for all of it."""

    def __init__(
        self, txn: "lmdb.Transaction[bytes]", tables: "dict[str, lmdb._Database]", now_us: int
    ) -> None:
        self.now_us = now_us
        self.wrote = False
        self._txn = txn
        self._tables = tables
        self._queues: dict[bytes, tuple[Queue, bytes | None]] = {}
        self._numbers: dict[bytes, int] = {}

    # --- tables ----------------------------------------------------------------------------

    def get(self, table: str, key: bytes) -> bytes | None:
        return self._txn.get(key, db=self._tables[table])

    def put(self, table: str, key: bytes, value: bytes) -> None:
        self.wrote = True
        self._txn.put(key, value, db=self._tables[table])

    def delete(self, table: str, key: bytes) -> bool:
        """Whether it was there."""
        found = self._txn.delete(key, db=self._tables[table])
        self.wrote = self.wrote or found
        return found

    def scan(
        self, table: str, prefix: bytes = b"", start: bytes = b"", *, newest: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        """Keys, without their `prefix`, and values, from `start` on; or all, the last first."""
        cursor = self._txn.cursor(self._tables[table])
        if newest:
            found = cursor.prev() if cursor.set_range(prefix + _BEHIND) else cursor.last()
        else:
            found = cursor.set_range(prefix + start)
        while found and (key := cursor.key()).startswith(prefix):
            yield key[len(prefix) :], cursor.value()
            found = cursor.prev() if newest else cursor.next()

    def used_bytes(self) -> int:
        """What the tables take up in the map."""
        stats = [self._txn.stat(table) for table in self._tables.values()]
        pages = sum(s["branch_pages"] + s["leaf_pages"] + s["overflow_pages"] for s in stats)
        return pages * stats[0]["psize"]

    # --- tasks -----------------------------------------------------------------------------

    def task(self, task_id: bytes) -> Task | None:
        """The task, wherever it is."""
        packed = self.get("tasks", task_id)
        return None if packed is None else unpack_task(task_id, packed)

    def there(self, task_id: bytes) -> Task:
        """The task that an entry leads to."""
        task = self.task(task_id)
        assert task is not None, "who has an entry is there"
        return task

    def row(self, task: Task) -> TaskRow:
        """The row of a live task or dead letter."""
        return unpack_row(task, self.get("bodies", task.task_id) or b"")

    def move(self, old: Task | None, new: Task | None) -> None:
        """Put `new` in the place of `old`, in whatever has an entry of them."""
        before, after = entries_of(old), entries_of(new)
        for table, key in before.keys() - after.keys():
            self.delete(table, key)
        for table, key in after.keys() - before.keys():
            self.put(table, key, after[table, key])
        if old is not None:
            self.queue(old.queue).tally(old, -1)
        if new is not None:
            self.queue(new.queue).tally(new, 1)
            self.put("tasks", new.task_id, pack_task(new))
        elif old is not None:
            self.delete("tasks", old.task_id)
            self.delete("bodies", old.task_id)

    # --- queues and numbers ----------------------------------------------------------------

    def queue(self, name: str) -> Queue:
        """The queue of this name, empty where it was never heard of."""
        key = digest(name)
        known = self._queues.get(key)
        if known is None:
            packed = self.get("queues", key)
            queue = Queue(name) if packed is None else unpack_queue(packed)
            known = self._queues[key] = queue, packed
        return known[0]

    def queues(self) -> list[Queue]:
        """All that hold live tasks or dead letters or are paused, sorted by name."""
        self.flush()
        found = [unpack_queue(packed) for _, packed in self.scan("queues")]
        return sorted(found, key=lambda queue: queue.name)

    def next(self, name: str) -> int:
        """A number that this store has not given under this name: 1, 2, ..."""
        key = name.encode()
        if key not in self._numbers:
            self._numbers[key] = int(self.get("meta", key) or 0)
        self._numbers[key] += 1
        return self._numbers[key]

    def flush(self) -> None:
        """Write what has changed of queues and numbers."""
        for key, (queue, packed) in self._queues.items():
            now = pack_queue(queue)
            if now is None and packed is not None:
                self.delete("queues", key)
            elif now is not None and now != packed:
                self.put("queues", key, now)
            self._queues[key] = queue, now
        for key, number in self._numbers.items():
            self.put("meta", key, str(number).encode())
        self._numbers.clear()
