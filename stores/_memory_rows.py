"""What the memory store keeps per task and per queue: plain mutable objects, private to it.

Rules:
- An `Entry` is in exactly one place, told from two fields: `lease` set is running; else
  `line` set is waiting in that line (ready or delayed); else it is paused.
- `order` is the whole order of claims in one integer, so that a heap compares one number:

      -priority  |  run_at, microseconds since 1970 (56 bits)  |  number of adding (48 bits)

  `due`, the same without the priority, is the order in which delayed tasks become due.
"""

from collections import OrderedDict
from collections.abc import Container, Iterator
from datetime import datetime, timedelta
from heapq import heapify, heappop, heapreplace
from typing import Final
from uuid import UUID

from ._line import Line
from .records import TaskRow
from .requests import Cancelled, Dead, Done, RetryAt
from .task import SECONDS_MAX, TaskStatus
from .transitions import waiting_status

_NUMBER_BITS: Final = 48  # at 60,000 a second, 148 years
_PRIORITY_SHIFT: Final = _NUMBER_BITS + 56  # microseconds up to the year 4253


def later(moment: datetime, seconds: float) -> datetime:
    """`seconds` after `moment`; what is negative or no number counts as 0, never an error.

    A settlement must not fail half-way through a batch, so it is clamped and not refused.
    """
    return moment + timedelta(seconds=max(0.0, min(seconds, SECONDS_MAX)))


def due_at_us(due: int) -> int:
    """The `run_at` in an entry's `due`."""
    return due >> _NUMBER_BITS


def earlier(moment: datetime, seconds: float) -> datetime:
    """`seconds` before `moment`, clamped likewise."""
    return moment - timedelta(seconds=max(0.0, min(seconds, SECONDS_MAX)))


class Entry:
    """One live task or dead letter."""

    __slots__ = (
        "due",
        "ended_at",
        "last",
        "lease",
        "line",
        "node",
        "number",
        "order",
        "queue",
        "retry_count",
        "row",
        "run_at",
        "started_at",
    )

    def __init__(self, row: TaskRow, queue: "Queue") -> None:
        self.row = row
        self.queue = queue
        self.retry_count = row.retry_count
        self.number: int
        self.run_at: datetime
        self.due: int
        self.order: int
        self.line: Line[Entry] | None = None
        self.lease = 0
        self.node = ""
        self.started_at: datetime | None = None
        self.last: RetryAt | Dead | None = None
        self.ended_at: datetime | None = None

    def schedule(self, run_at: datetime, run_at_us: int) -> None:
        """Become due at `run_at`; `number` must be set."""
        self.run_at = run_at
        self.due = run_at_us << _NUMBER_BITS | self.number
        self.order = self.due - (self.row.priority << _PRIORITY_SHIFT)

    @property
    def is_key_taken(self) -> bool:
        """Whether a live task of its queue holds its unique key."""
        return self.row.unique_key is not None and self.row.unique_key in self.queue.unique

    @property
    def status(self) -> TaskStatus:
        """Of a live task."""
        if self.lease:
            return TaskStatus.PROCESSING
        if self.line is None:
            return TaskStatus.PAUSED
        return waiting_status(self.retry_count)


class Ended:
    """A result: what is left of a task that completed or was cancelled."""

    __slots__ = ("ended_at", "last", "queue_name", "retry_count", "started_at", "status")

    def __init__(
        self,
        entry: Entry,
        status: TaskStatus,
        ended_at: datetime,
        last: Done | Cancelled | RetryAt | Dead | None,
    ) -> None:
        self.queue_name = entry.row.queue_name
        self.status = status
        self.retry_count = entry.retry_count
        self.started_at = entry.started_at
        self.ended_at = ended_at
        self.last = last


class Queue:
    """The tasks of one name: who is ready, by task type, and figures kept as tasks move."""

    __slots__ = (
        "dead_letters",
        "delayed",
        "held",
        "lanes",
        "live",
        "name",
        "paused",
        "payload_bytes",
        "priorities",
        "processing",
        "unique",
    )

    def __init__(self, name: str) -> None:
        self.name = name
        self.paused = False
        # By number of adding; ordered, since popping the front of a plain dict again and
        # again leaves a hole in front that each look at its first item walks over.
        self.live: OrderedDict[int, Entry] = OrderedDict()
        self.lanes: dict[str, Line[Entry]] = {}
        self.unique: dict[str, UUID] = {}
        self.priorities: dict[int, int] = {}
        self.delayed = 0
        self.held = 0
        self.processing = 0
        self.dead_letters = 0
        self.payload_bytes = 0

    def __repr__(self) -> str:
        return f"<Queue {self.name!r} live={len(self.live)} processing={self.processing}>"

    @property
    def is_idle(self) -> bool:
        """Whether nothing would be lost with it."""
        return not (self.live or self.dead_letters or self.paused)

    def count_waiting(self, priority: int, change: int) -> None:
        """One task more or fewer that is live and does not run."""
        priorities = self.priorities
        count = priorities.get(priority, 0) + change
        if count:
            priorities[priority] = count
        else:
            del priorities[priority]

    def stand(self, entry: Entry) -> None:
        """Put a due entry into the lane of its task type."""
        lane = self.lanes.get(entry.row.task_type)
        if lane is None:
            lane = self.lanes[entry.row.task_type] = Line()
        entry.line = lane
        lane.put(entry.order, entry)

    def take(self, limit: int, task_types: Container[str] | None) -> list[Entry]:
        """Up to `limit` ready entries of these types, out of their lanes, in order."""
        lanes = self.lanes
        if len(lanes) == 1:
            [(task_type, lane)] = lanes.items()
            if task_types is not None and task_type not in task_types:
                return []
            taken = lane.pop(limit)
            if not lane:
                del lanes[task_type]
            return taken
        return self._merge(limit, task_types)

    def _merge(self, limit: int, task_types: Container[str] | None) -> list[Entry]:
        heads: list[tuple[int, str]] = []
        for task_type, lane in self.lanes.items():
            if task_types is None or task_type in task_types:
                order = lane.first()
                assert order is not None, "an empty lane is dropped"
                heads.append((order, task_type))
        heapify(heads)
        taken: list[Entry] = []
        while heads and len(taken) < limit:
            task_type = heads[0][1]
            lane = self.lanes[task_type]
            taken += lane.pop(1)
            order = lane.first()
            if order is None:
                del self.lanes[task_type]
                heappop(heads)
            else:
                heapreplace(heads, (order, task_type))
        return taken

    def waiting(self) -> Iterator[Entry]:
        """All live entries that are not running, in the order added."""
        return (entry for entry in self.live.values() if not entry.lease)
