"""From what the scripts answer to what the store's calls return."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from ..base import Edited, Survey
from ..records import (
    Added,
    AddOutcome,
    AlreadyKnown,
    Counts,
    Fired,
    FireOutcome,
    Holder,
    InstancesFull,
    Overtaken,
    UniqueTaken,
)
from ..requests import CancelTask, Change
from ._rows import Answer, created_at, lease_at, uuid_of

_ADDED: Final = Added()
_ALREADY_KNOWN: Final = AlreadyKnown()


def add_outcome(answer: bytes) -> AddOutcome:
    """Of one row."""
    if answer == b"added":
        return _ADDED
    return _ALREADY_KNOWN if answer == b"known" else UniqueTaken(live_task_id=uuid_of(answer))


def fire_outcome(answer: Answer) -> FireOutcome:
    """Of one schedule."""
    kind, *rest = answer
    if kind == b"fired":
        return Fired(outcomes=[add_outcome(each) for each in rest])
    return InstancesFull(live=rest[0]) if kind == b"full" else Overtaken()


def survey_of(answer: Answer | None) -> Survey | None:
    """Where there is work."""
    if answer is None:
        return None
    queues, due_us = answer
    return Survey(
        queues=tuple(sorted(name.decode() for name in queues)),
        next_due_s=None if due_us is None else due_us / 1e6,
    )


def edited_of(change: Change, answer: Answer) -> Edited:
    """Of one change."""
    count, *rest = answer
    queue: bytes | None = rest[0] if rest else None
    holder = None
    if isinstance(change, CancelTask) and count and rest[2] is not None:
        _, node, lease = rest
        holder = Holder(task_id=change.task_id, node=node.decode(), lease=lease_at(lease))
    return Edited(count=count, queue_name=None if queue is None else queue.decode(), holder=holder)


def counts_of(queue_name: str | None, answer: Answer) -> Counts:
    """The figures."""
    pending, delayed, held, processing, dead, priorities, types, first, last, *rest = answer
    paused, payload_bytes, store_payload_bytes = rest
    return Counts(
        queue_name=queue_name,
        pending=pending,
        delayed=delayed,
        held=held,
        processing=processing,
        dead_letters=dead,
        priorities={int(priority): count for priority, count in _pairs(priorities)},
        ready_types={name.decode(): count for name, count in _pairs(types)},
        oldest=created_at(first),
        newest=created_at(last),
        paused=bool(paused),
        payload_bytes=payload_bytes,
        store_payload_bytes=store_payload_bytes,
    )


def _pairs(flat: Sequence[Any]) -> Iterable[tuple[Any, Any]]:
    return zip(flat[::2], flat[1::2], strict=True)
