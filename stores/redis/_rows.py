"""Between records and what the scripts take and give.

Rules:
- A row is a line of JSON and the payload behind it. The scripts carry the line and read it only
  where nothing else is left of a task (aside.lua); what they work with (queue, type, priority,
  ...) are arguments beside it.
- Where an attempt ended, `last` is JSON that the scripts carry likewise.
- Ids are 32 hexadecimal digits, moments whole microseconds, and nothing is the empty argument.
- A lease is its incarnation and its counter, padded; a version is its number and its changes. Each
  is beyond the 53 bits that a script can count with.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from pydantic_core import from_json, to_json

from .._json import decode_json
from .._moments import duration_us, microseconds, moment_at
from .._versions import CHANGES_BITS
from ..lease import LEASE_COUNTER_BITS, incarnation_of
from ..records import ClaimedTask, Holder, NodeView, ScheduleRow, ScheduleView, TaskRow, TaskView
from ..task import TaskStatus
from ..transitions import waiting_status
from ._server import Argument

Answer = Sequence[Any]

_EMPTY: Final = b"{}"
_COUNTER_MASK: Final = (1 << LEASE_COUNTER_BITS) - 1
_CHANGES_MASK: Final = (1 << CHANGES_BITS) - 1
_INCARNATION_DIGITS: Final = 7


class Unreadable(ValueError):
    """What stands in the server is no row of ours."""


def moment_us(moment: datetime | None) -> int | str:
    """Microseconds, or nothing."""
    return "" if moment is None else microseconds(moment)


# --- leases and versions ---------------------------------------------------------------------


def lease_text(lease: int) -> str:
    """As `lease_of` in Lua makes it."""
    return f"{incarnation_of(lease):07d}-{counter_of(lease):013d}"


def counter_of(lease: int) -> int:
    """Which of its incarnation's it is."""
    return lease & _COUNTER_MASK


def lease_at(text: bytes) -> int:
    """The inverse of `lease_text`."""
    incarnation, counter = text[:_INCARNATION_DIGITS], text[_INCARNATION_DIGITS + 1 :]
    return int(incarnation) << LEASE_COUNTER_BITS | int(counter)


def version_pair(version: int) -> tuple[int, int]:
    """A schedule's number and changes."""
    return version >> CHANGES_BITS, version & _CHANGES_MASK


# --- tasks -----------------------------------------------------------------------------------


def task_arguments(row: TaskRow) -> tuple[Argument, ...]:
    """What `add` in Lua takes: ten of them."""
    scheduled = row.scheduled_at
    scheduled_us = None if scheduled is None else microseconds(scheduled)
    job = "" if row.job_id is None else row.job_id.hex
    head = to_json(
        (
            row.task_type,
            row.retry_count,
            row.max_retries,
            row.retry_delay_s,
            row.delay_s,
            row.timeout_s,
            scheduled_us,
            microseconds(row.created_at),
            None if row.tags == _EMPTY else row.tags.decode(),
            row.unique_key,
            row.trace,
            job,
        )
    )
    return (
        row.task_id.hex,
        row.queue_name,
        row.task_type,
        row.priority,
        row.retry_count,
        duration_us(row.delay_s),
        "" if scheduled_us is None else scheduled_us,
        row.unique_key or "",
        job,
        b"%b\n%b" % (head, row.payload),
    )


def row_of(task_id: UUID, queue_name: bytes, priority: bytes, row: bytes | None) -> TaskRow:
    """The row, with what may have been revised. Raises Unreadable."""
    if row is None:
        raise Unreadable("its row is gone")
    head, _, payload = row.partition(b"\n")
    try:
        (
            task_type, retry_count, max_retries, retry_delay_s, delay_s, timeout_s, scheduled_us,
            created_us, tags, unique_key, trace, job,
        ) = from_json(head)  # fmt: skip
        if payload != _EMPTY and not isinstance(decode_json(payload), dict):
            raise Unreadable("its payload is no JSON object")
        return TaskRow(
            task_id=task_id,
            task_type=task_type,
            queue_name=queue_name.decode(),
            payload=payload,
            priority=int(priority),
            max_retries=max_retries,
            retry_count=retry_count,
            retry_delay_s=retry_delay_s,
            delay_s=delay_s,
            scheduled_at=None if scheduled_us is None else moment_at(scheduled_us),
            timeout_s=timeout_s,
            created_at=moment_at(created_us),
            tags=_EMPTY if tags is None else tags.encode(),
            unique_key=unique_key,
            trace=trace,
            job_id=UUID(hex=job) if job else None,
        )
    except (ValueError, TypeError, AttributeError, OverflowError) as error:
        raise Unreadable(f"its row is none: {error}") from error


def created_at(head: bytes | None) -> datetime | None:
    """Of a row's first line; None also when that cannot be read."""
    try:
        return None if head is None else moment_at(from_json(head)[7])
    except (ValueError, TypeError, LookupError, OverflowError):
        return None


def last_of(execution_s: float, error: str | None, worker_id: str) -> bytes:
    """How an attempt ended, but for its result."""
    return to_json((execution_s, error, worker_id))


def claimed_of(
    answers: Iterable[Answer],
) -> tuple[list[ClaimedTask], list[tuple[Answer, str]]]:
    """What can be read of what `hand_over` in Lua gives; and why the rest cannot."""
    claimed: list[ClaimedTask] = []
    unreadable: list[tuple[Answer, str]] = []
    for answer in answers:
        try:
            claimed.append(_claimed(answer))
        except (ValueError, TypeError, OverflowError) as error:
            unreadable.append((answer, str(error)))
    return claimed, unreadable


def _claimed(answer: Answer) -> ClaimedTask:
    task_id, queue_name, priority, lease, tries, due, began, row = answer
    return ClaimedTask(
        row=row_of(uuid_of(task_id), queue_name, priority, row),
        lease=lease_at(lease),
        retry_count=int(tries),
        run_at=moment_at(int(due)),
        started_at=moment_at(int(began)),
    )


def uuid_of(text: bytes) -> UUID:
    """The id in a key or an answer."""
    return UUID(int=int(text, 16))


def _moment(text: bytes | None) -> datetime | None:
    return None if text is None else moment_at(int(text))


def views_of(
    answers: Iterable[Answer | None], result_ttl_us: int, dead_ttl_us: int
) -> list[TaskView]:
    """What can be read of what `find` gives; whoever looks is not to fail for the others."""
    views: list[TaskView] = []
    for answer in answers:
        if answer is not None:
            try:
                is_result = len(answer) == 8
                views.append(
                    _result_view(answer, result_ttl_us)
                    if is_result
                    else _task_view(answer, dead_ttl_us)
                )
            except (ValueError, TypeError, AttributeError, OverflowError):
                continue
    return views


def _task_view(answer: Answer, dead_ttl_us: int) -> TaskView:
    state, key, queue, priority, tries, due, began, last, node, lease, ended, row = answer
    task_id, retry_count = uuid_of(key), int(tries)
    execution_s, error, worker_id = (None, None, None) if last is None else from_json(last)
    holder = None
    if lease is not None:
        holder = Holder(task_id=task_id, node=node.decode(), lease=lease_at(lease))
    return TaskView(
        task_id=task_id,
        queue_name=queue.decode(),
        status=_STATUS.get(state) or waiting_status(retry_count),
        retry_count=retry_count,
        row=row_of(task_id, queue, priority, row),
        holder=holder,
        run_at=_moment(due),
        started_at=_moment(began),
        completed_at=_moment(ended),
        expires_at=None if ended is None else moment_at(int(ended) + dead_ttl_us),
        execution_s=execution_s,
        error=error,
        worker_id=worker_id,
    )


_STATUS: Final = {
    b"running": TaskStatus.PROCESSING,
    b"held": TaskStatus.PAUSED,
    b"dead": TaskStatus.DEAD_LETTER,
}


def _result_view(answer: Answer, result_ttl_us: int) -> TaskView:
    status, key, queue, tries, began, ended, last, result = answer
    execution_s, error, worker_id = (None, None, None) if last is None else from_json(last)
    return TaskView(
        task_id=uuid_of(key),
        queue_name=queue.decode(),
        status=TaskStatus(status.decode()),
        retry_count=int(tries),
        started_at=_moment(began),
        completed_at=moment_at(int(ended)),
        expires_at=moment_at(int(ended) + result_ttl_us),
        execution_s=execution_s,
        result=result,
        error=error,
        worker_id=worker_id,
    )


# --- nodes and schedules ---------------------------------------------------------------------


def node_of(answer: Answer) -> NodeView:
    """What `list_nodes` gives."""
    name, incarnation, beat_s, silent_us, alive = answer
    return NodeView(
        node=name.decode(),
        incarnation=incarnation,
        beat_s=None if beat_s == b"-" else float(beat_s),
        silent_s=silent_us / 1e6,
        alive=bool(alive),
    )


def schedule_row(row: ScheduleRow) -> bytes:
    """What is carried of a schedule; when it is due is beside it."""
    return to_json(
        (
            row.name,
            row.queue_name,
            row.task.decode(),
            row.trigger,
            row.misfire_grace_s,
            row.coalesce,
            row.instances_max,
            microseconds(row.created_at),
        )
    )


def schedules_of(answers: Iterable[Answer]) -> tuple[list[ScheduleView], dict[bytes, str]]:
    """What can be read of what `job_view` in Lua gives; and why the rest cannot, by id."""
    views: list[ScheduleView] = []
    unreadable: dict[bytes, str] = {}
    for answer in answers:
        try:
            views.append(_schedule(answer))
        except Unreadable as error:
            unreadable[answer[0]] = str(error)
    return views, unreadable


def _schedule(answer: Answer) -> ScheduleView:
    try:
        key, row, next_us, number, changes, goes_on = answer
        name, queue, task, trigger, grace_s, coalesce, instances_max, created = from_json(row)
        return ScheduleView(
            row=ScheduleRow(
                job_id=uuid_of(key),
                name=name,
                queue_name=queue,
                task=task.encode(),
                trigger=trigger,
                next_run_at=_moment(next_us),
                misfire_grace_s=grace_s,
                coalesce=coalesce,
                instances_max=instances_max,
                created_at=moment_at(created),
            ),
            version=int(number) << CHANGES_BITS | changes,
            number=int(number),
            goes_on=bool(goes_on),
        )
    except (ValueError, TypeError, AttributeError, OverflowError) as error:
        raise Unreadable(f"it is no schedule: {error}") from error
