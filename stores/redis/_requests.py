"""From requests to the arguments that the scripts take, in the order in which they take them."""

from collections.abc import Collection, Iterable, Sequence
from typing import Final, assert_never

from .._moments import duration_us, microseconds
from ..lease import incarnation_of
from ..requests import (
    AddSchedule,
    Back,
    ByIds,
    Cancelled,
    CancelTask,
    Change,
    Claims,
    Dead,
    DeadLetters,
    Done,
    Fire,
    LiveTasks,
    PauseQueue,
    PauseTask,
    Query,
    RemoveSchedule,
    ReplaceSchedule,
    RequeueDead,
    RequeueDeadLetters,
    ResumeQueue,
    ResumeTask,
    RetryAt,
    ReviseTask,
    ScheduleChange,
    Settlement,
)
from ..task import TaskStatus
from ._rows import (
    counter_of,
    last_of,
    lease_text,
    moment_us,
    schedule_row,
    task_arguments,
    version_pair,
)
from ._server import Argument

Arguments = tuple[Argument, ...]

_STATES: Final = {
    TaskStatus.PENDING: "waiting",
    TaskStatus.RETRYING: "retrying",
    TaskStatus.PAUSED: "held",
    TaskStatus.PROCESSING: "running",
}


def exchange_arguments(
    settlements: Sequence[Settlement], claims: Claims | None, survey: bool
) -> list[Argument]:
    """What `exchange` takes."""
    arguments: list[Argument] = [len(settlements)]
    for each in settlements:
        arguments += _settlement(each)
    arguments += ("",) if claims is None else _claims(claims)
    arguments.append(int(survey))
    return arguments


def _settlement(each: Settlement) -> Arguments:
    fence = each.task_id.hex, lease_text(each.lease)
    match each:
        case Done():
            last = last_of(each.execution_s, None, each.worker_id)
            return ("done", *fence, last, each.result)
        case RetryAt():
            last = last_of(each.execution_s, each.error, each.worker_id)
            return ("retry", *fence, last, duration_us(each.delay_s))
        case Dead():
            return ("dead", *fence, last_of(each.execution_s, each.error, each.worker_id), "")
        case Cancelled():
            return ("cancelled", *fence, last_of(each.execution_s, each.error, each.worker_id), "")
        case Back():
            return ("back", *fence, "", "")
        case _:
            assert_never(each)


def _claims(claims: Claims) -> list[Argument]:
    arguments: list[Argument] = [claims.node, *lease_pair(claims.first_lease)]
    types = claims.task_types
    arguments += (-1,) if types is None else (len(types), *types)
    arguments.append(len(claims.queues))
    for claim in claims.queues:
        arguments += (claim.queue_name, claim.limit)
    return arguments


def lease_pair(lease: int) -> tuple[int, int]:
    """Incarnation and counter."""
    return incarnation_of(lease), counter_of(lease)


# --- edit and find ---------------------------------------------------------------------------


def change_arguments(change: Change) -> Arguments:
    """The six that `edit` takes for each change."""
    match change:
        case CancelTask(task_id=task_id):
            return ("cancel", task_id.hex, "", "", "", "")
        case PauseTask(task_id=task_id):
            return ("pause", task_id.hex, "", "", "", "")
        case ResumeTask(task_id=task_id):
            return ("resume", task_id.hex, "", "", "", "")
        case ReviseTask(task_id=task_id, queue_name=name, payload=payload, priority=priority):
            shown = "" if priority is None else priority
            return (
                "revise", task_id.hex, name or "", payload or "", shown, moment_us(change.run_at)
            )  # fmt: skip
        case RequeueDead(task_id=task_id):
            return ("requeue", task_id.hex, "", "", "", "")
        case RequeueDeadLetters(queue_name=name, limit=limit):
            return ("requeue_many", "", name or "", "", "", limit)
        case PauseQueue(queue_name=name):
            return ("pause_queue", "", name, "", "", "")
        case ResumeQueue(queue_name=name):
            return ("resume_queue", "", name, "", "", "")
        case _:
            assert_never(change)


def query_arguments(query: Query) -> Arguments:
    """What `find` takes."""
    match query:
        case ByIds(task_ids=ids):
            return ("ids", len(ids), *(task_id.hex for task_id in ids))
        case LiveTasks(queue_name=name, limit=limit, statuses=statuses):
            states = [_STATES[each] for each in statuses if each in _STATES]
            return ("live", name or "", limit, len(states), *states)
        case DeadLetters(queue_name=name, limit=limit):
            return ("dead", name or "", limit)
        case _:
            assert_never(query)


# --- nodes and schedules ---------------------------------------------------------------------


def reconcile_arguments(node: str, incarnation: int, held: Collection[int]) -> Arguments:
    """What `reconcile` takes."""
    return (node, incarnation, len(held), *map(lease_text, held))


def plan_arguments(changes: Iterable[ScheduleChange]) -> list[Argument]:
    """What `plan` takes, but for their number."""
    arguments: list[Argument] = []
    for change in changes:
        match change:
            case AddSchedule(row=row):
                key = row.job_id.hex
                arguments += ("add", key, schedule_row(row), moment_us(row.next_run_at), 0, 0)
            case ReplaceSchedule(row=row, version=version):
                key, pair = row.job_id.hex, version_pair(version)
                arguments += ("replace", key, schedule_row(row), moment_us(row.next_run_at), *pair)
            case RemoveSchedule(job_id=job_id):
                arguments += ("remove", job_id.hex, "", "", 0, 0)
            case _:
                assert_never(change)
    return arguments


def fire_arguments(fires: Iterable[Fire]) -> list[Argument]:
    """What `fire` takes, but for their number."""
    arguments: list[Argument] = []
    for fire in fires:
        limit = "" if fire.instances_max is None else fire.instances_max
        next_us = "" if fire.next_run_at is None else microseconds(fire.next_run_at)
        pair = version_pair(fire.version)
        arguments += (fire.job_id.hex, *pair, next_us, limit, int(fire.goes_on), len(fire.rows))
        for row in fire.rows:
            arguments += task_arguments(row)
    return arguments
