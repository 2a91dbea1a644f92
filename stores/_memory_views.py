"""What the memory store shows of its entries: immutable views and figures."""

from collections import Counter
from collections.abc import Iterable
from datetime import timedelta
from uuid import UUID

from ._memory_rows import Ended, Entry, Queue
from .records import Counts, Holder, TaskView
from .requests import Done
from .task import TaskStatus


def holder_of(entry: Entry) -> Holder | None:
    """Who runs a live task."""
    if not entry.lease:
        return None
    return Holder(task_id=entry.row.task_id, node=entry.node, lease=entry.lease)


def live_view(entry: Entry) -> TaskView:
    """A live task; error and figures are of its last failed attempt."""
    last = entry.last
    return TaskView(
        task_id=entry.row.task_id,
        queue_name=entry.row.queue_name,
        status=entry.status,
        retry_count=entry.retry_count,
        row=entry.row,
        holder=holder_of(entry),
        run_at=entry.run_at,
        started_at=entry.started_at,
        execution_s=None if last is None else last.execution_s,
        error=None if last is None else last.error,
        worker_id=None if last is None else last.worker_id,
    )


def dead_view(entry: Entry, time_to_live: timedelta) -> TaskView:
    """A dead letter."""
    last = entry.last
    assert last is not None, "it died of something"
    assert entry.ended_at is not None, "it died at some time"
    return TaskView(
        task_id=entry.row.task_id,
        queue_name=entry.row.queue_name,
        status=TaskStatus.DEAD_LETTER,
        retry_count=entry.retry_count,
        row=entry.row,
        run_at=entry.run_at,
        started_at=entry.started_at,
        completed_at=entry.ended_at,
        expires_at=entry.ended_at + time_to_live,
        execution_s=last.execution_s,
        error=last.error,
        worker_id=last.worker_id,
    )


def ended_view(task_id: UUID, ended: Ended, time_to_live: timedelta) -> TaskView:
    """A result. A task cancelled while it waited shows its last failed attempt, if any."""
    last = ended.last
    return TaskView(
        task_id=task_id,
        queue_name=ended.queue_name,
        status=ended.status,
        retry_count=ended.retry_count,
        started_at=ended.started_at,
        completed_at=ended.ended_at,
        expires_at=ended.ended_at + time_to_live,
        execution_s=None if last is None else last.execution_s,
        result=last.result if isinstance(last, Done) else None,
        error=None if last is None or isinstance(last, Done) else last.error,
        worker_id=None if last is None else last.worker_id,
    )


def counts_of(queue_name: str | None, queues: Iterable[Queue], store_payload_bytes: int) -> Counts:
    """The figures of these queues together."""
    live = delayed = held = processing = dead_letters = payload_bytes = 0
    priorities, ready_types = Counter[int](), Counter[str]()
    first: Entry | None = None
    last: Entry | None = None
    paused = False
    for queue in queues:
        live += len(queue.live)
        delayed += queue.delayed
        held += queue.held
        processing += queue.processing
        dead_letters += queue.dead_letters
        payload_bytes += queue.payload_bytes
        paused = paused or queue.paused
        priorities.update(queue.priorities)
        ready_types.update({task_type: len(lane) for task_type, lane in queue.lanes.items()})
        if queue.live:
            head = next(iter(queue.live.values()))
            tail = next(reversed(queue.live.values()))
            first = head if first is None or head.number < first.number else first
            last = tail if last is None or tail.number > last.number else last
    return Counts(
        queue_name=queue_name,
        pending=live - delayed - held - processing,
        delayed=delayed,
        held=held,
        processing=processing,
        dead_letters=dead_letters,
        priorities=dict(priorities),
        ready_types=dict(ready_types),
        oldest=None if first is None else first.row.created_at,
        newest=None if last is None else last.row.created_at,
        paused=paused,
        payload_bytes=payload_bytes,
        store_payload_bytes=store_payload_bytes,
    )
