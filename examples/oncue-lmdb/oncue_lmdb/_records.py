"""The records, as bytes and back; and which index entries a task has.

Rules:
- Keys are fixed-width and big-endian, so that LMDB's order of bytes is the order meant. A name may
  have 1020 bytes and a key of LMDB 511, so a name stands in keys as its digest.
- A task is two records: this one, small and rewritten at each move, and its body, written once: the
  payload with what of its row nobody asks for by index. Of a result, the body is what came out.
- What has index entries says so in one place, `entries_of`: a move writes the difference.
"""

import json
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from hashlib import blake2b
from typing import Final
from uuid import UUID

from oncue.stores import (
    LIVE,
    Holder,
    ScheduleRow,
    ScheduleView,
    TaskRow,
    TaskStatus,
    TaskView,
    microseconds,
    moment_at,
    waiting_status,
)

ID_BYTES: Final = 16
# Those of a task that waits or is held follow from its retry_count.
WAITING: Final = TaskStatus.PENDING
HELD: Final = TaskStatus.PAUSED
RUNNING: Final = TaskStatus.PROCESSING
DEAD: Final = TaskStatus.DEAD_LETTER
_PRIORITY_TOP: Final = 2**63

Entry = tuple[str, bytes]
"""A table and a key in it."""


@lru_cache(maxsize=4096)
def digest(*names: str) -> bytes:
    """What stands for names in keys."""
    return blake2b("\0".join(names).encode(), digest_size=ID_BYTES).digest()


def number_key(number: int) -> bytes:
    """Of a number of adding, a lease, or a moment in microseconds."""
    return number.to_bytes(8)


def lane_key(queue: str, task_type: str, priority: int) -> bytes:
    """What the keys of the tasks that wait begin with, before `run_us` and `number`."""
    return digest(queue) + digest(task_type) + number_key(_PRIORITY_TOP - priority)


@dataclass(slots=True, frozen=True)
class Task:
    """Where a task is, and what has happened to it. Times are microseconds since 1970.

    `place` is WAITING, HELD, RUNNING, DEAD, or the status of a result. `number` counts the adding
    of tasks; of a dead letter, its dying. `size` is the payload's, 0 for a result.
    """

    task_id: bytes
    place: TaskStatus
    queue: str
    task_type: str
    priority: int
    unique_key: str | None
    job_id: str | None
    created_us: int
    size: int
    number: int
    run_us: int
    retry_count: int
    lease: int = 0
    node: str = ""
    started_us: int | None = None
    ended_us: int = 0
    execution_s: float | None = None
    error: str | None = None
    worker_id: str | None = None

    @property
    def status(self) -> TaskStatus:
        """What it is to whoever looks."""
        return waiting_status(self.retry_count) if self.place is WAITING else self.place

    @property
    def holder(self) -> Holder | None:
        """Who runs it."""
        if self.place is not RUNNING:
            return None
        return Holder(task_id=UUID(bytes=self.task_id), node=self.node, lease=self.lease)


def entries_of(task: Task | None) -> dict[Entry, bytes]:
    """The index entries of a task in this state, each with its value."""
    if task is None:
        return {}
    found: dict[Entry, bytes] = {}
    task_id, number = task.task_id, number_key(task.number)
    if task.place in LIVE:
        found["live", digest(task.queue) + number] = task_id
        if task.unique_key is not None:
            found["unique", digest(task.queue, task.unique_key)] = task_id
        if task.job_id is not None:
            found["runs", bytes.fromhex(task.job_id) + task_id] = b""
    if task.place is WAITING:
        lane = lane_key(task.queue, task.task_type, task.priority)
        found["waiting", lane + number_key(task.run_us) + number] = task_id
    elif task.place is RUNNING:
        found["running", digest(task.node) + number_key(task.lease)] = task_id
    elif task.place is DEAD:
        found["dead", digest(task.queue) + number_key(task.ended_us) + number] = task_id
    elif task.place is not HELD:
        found["ended", number_key(task.ended_us) + task_id] = b""
    return found


def pack_task(task: Task) -> bytes:
    """All but the id, which is the key."""
    fields = Task.__dataclass_fields__
    return json.dumps([getattr(task, name) for name in fields if name != "task_id"]).encode()


def unpack_task(task_id: bytes, packed: bytes) -> Task:
    place, *rest = json.loads(packed)
    return Task(task_id, TaskStatus(place), *rest)


def pack_row(row: TaskRow) -> bytes:
    """The body of a task: what its record does not say, a line of JSON; then the payload."""
    line = [
        row.max_retries,
        row.retry_count,
        row.retry_delay_s,
        row.delay_s,
        _us(row.scheduled_at),
        row.timeout_s,
        row.tags.decode(),
        row.trace,
    ]
    return json.dumps(line).encode() + b"\n" + row.payload


def unpack_row(task: Task, body: bytes) -> TaskRow:
    line, _, payload = body.partition(b"\n")
    retries, retry_count, retry_s, delay_s, scheduled_us, timeout_s, tags, trace = json.loads(line)
    return TaskRow(
        task_id=UUID(bytes=task.task_id),
        task_type=task.task_type,
        queue_name=task.queue,
        payload=payload,
        priority=task.priority,
        max_retries=retries,
        retry_count=retry_count,
        retry_delay_s=retry_s,
        delay_s=delay_s,
        scheduled_at=_moment(scheduled_us),
        timeout_s=timeout_s,
        created_at=moment_at(task.created_us),
        tags=tags.encode(),
        unique_key=task.unique_key,
        trace=trace,
        job_id=None if task.job_id is None else UUID(task.job_id),
    )


def _us(moment: datetime | None) -> int | None:
    return None if moment is None else microseconds(moment)


def _moment(us: int | None) -> datetime | None:
    return None if us is None else moment_at(us)


def task_view(task: Task, body: bytes | None, result_ttl_us: int, dead_ttl_us: int) -> TaskView:
    """How it stands. `body` is the row's, or a result's."""
    live = task.place in LIVE
    is_row = live or task.place is DEAD
    ttl_us = dead_ttl_us if is_row else result_ttl_us
    return TaskView(
        task_id=UUID(bytes=task.task_id),
        queue_name=task.queue,
        status=task.status,
        retry_count=task.retry_count,
        row=unpack_row(task, body or b"") if is_row else None,
        holder=task.holder,
        run_at=moment_at(task.run_us) if is_row else None,
        started_at=_moment(task.started_us),
        completed_at=None if live else moment_at(task.ended_us),
        expires_at=None if live else moment_at(task.ended_us + ttl_us),
        execution_s=task.execution_s,
        result=body if task.place is TaskStatus.COMPLETED else None,
        error=task.error,
        worker_id=task.worker_id,
    )


@dataclass(slots=True, frozen=True)
class Schedule:
    """A schedule. While it is due at `goes_on_at`, that is one that was due when it last fired."""

    row: ScheduleRow
    version: int
    number: int
    goes_on_at: datetime | None = None

    @property
    def view(self) -> ScheduleView:
        """As it stands."""
        goes_on = self.goes_on_at is not None and self.goes_on_at == self.row.next_run_at
        return ScheduleView(row=self.row, version=self.version, number=self.number, goes_on=goes_on)


def pack_schedule(schedule: Schedule) -> bytes:
    """All but the id, which is the key."""
    row = schedule.row
    fields = [
        schedule.version,
        schedule.number,
        _us(schedule.goes_on_at),
        row.name,
        row.queue_name,
        row.task.decode(),
        row.trigger,
        _us(row.next_run_at),
        row.misfire_grace_s,
        row.coalesce,
        row.instances_max,
        microseconds(row.created_at),
    ]
    return json.dumps(fields).encode()


def unpack_schedule(job_id: bytes, packed: bytes) -> Schedule:
    version, number, goes_on_us, name, queue, task, trigger, next_us, grace_s, *rest = json.loads(
        packed
    )
    coalesce, instances_max, created_us = rest
    row = ScheduleRow(
        job_id=UUID(bytes=job_id),
        name=name,
        queue_name=queue,
        task=task.encode(),
        trigger=trigger,
        next_run_at=_moment(next_us),
        misfire_grace_s=grace_s,
        coalesce=coalesce,
        instances_max=instances_max,
        created_at=moment_at(created_us),
    )
    return Schedule(row, version, number, _moment(goes_on_us))


@dataclass(slots=True)
class Queue:
    """The figures of one queue, kept as tasks move: by place, type and priority."""

    name: str
    paused: bool = False
    payload_bytes: int = 0
    tasks: Counter[tuple[TaskStatus, str, int]] = field(
        default_factory=Counter[tuple[TaskStatus, str, int]]
    )

    def count(self, *places: TaskStatus) -> int:
        """How many tasks are in one of these places."""
        return sum(n for (place, _, _), n in self.tasks.items() if place in places)

    def tally(self, task: Task, change: int) -> None:
        """One task more or fewer. Results are not counted."""
        if task.place in LIVE or task.place is DEAD:
            self.tasks[task.place, task.task_type, task.priority] += change
            self.payload_bytes += change * task.size


def pack_queue(queue: Queue) -> bytes | None:
    """None where nothing would be lost with it: names come and go without end."""
    tasks = [[*kind, n] for kind, n in sorted(queue.tasks.items()) if n]
    if not tasks and not queue.paused:
        return None
    return json.dumps([queue.name, queue.paused, queue.payload_bytes, tasks]).encode()


def unpack_queue(packed: bytes) -> Queue:
    name, paused, size, tasks = json.loads(packed)
    counts = Counter({(TaskStatus(place), kind, most): n for place, kind, most, n in tasks})
    return Queue(name, paused, size, counts)
