"""Changes by hand, and what is removed for good."""

from collections.abc import Iterable
from dataclasses import replace
from itertools import islice
from typing import Final, assert_never

from oncue.stores import (
    LIVE,
    CancelTask,
    Change,
    Edited,
    PauseQueue,
    PauseTask,
    Purge,
    PurgeDeadLetters,
    PurgeExpired,
    PurgeResults,
    PurgeWaiting,
    RequeueDead,
    RequeueDeadLetters,
    ResumeQueue,
    ResumeTask,
    ReviseTask,
    TaskStatus,
    duration_us,
    microseconds,
)

from ._look import dead_of, live_of, results_by
from ._records import DEAD, HELD, RUNNING, WAITING, Task, pack_row
from ._tasks import end, key_holder
from ._tx import Tx

_NOT_APPLIED: Final = Edited(count=0)


def edit(tx: Tx, change: Change) -> Edited:
    """Apply one change."""
    match change:
        case PauseQueue(queue_name=name):
            return _set_paused(tx, name, True)
        case ResumeQueue(queue_name=name):
            return _set_paused(tx, name, False)
        case RequeueDeadLetters(queue_name=name, limit=limit):
            free = (each for each in dead_of(tx, name) if _is_free(tx, each.queue, each))
            chosen = list(islice(free, limit))
            # Two of them may have the same key, so each is asked again.
            return Edited(count=sum(_requeue(tx, each) for each in chosen), queue_name=name)
        case _:
            task = tx.task(change.task_id.bytes)
            if task is None or not _edit_task(tx, task, change):
                return _NOT_APPLIED
            moved_to = change.queue_name if isinstance(change, ReviseTask) else None
            cancelled = task.holder if isinstance(change, CancelTask) else None
            return Edited(count=1, queue_name=moved_to or task.queue, holder=cancelled)


def _set_paused(tx: Tx, name: str, paused: bool) -> Edited:
    queue = tx.queue(name)
    if queue.paused == paused:
        return _NOT_APPLIED
    queue.paused = paused
    return Edited(count=1, queue_name=name)


def _edit_task(
    tx: Tx, task: Task, change: CancelTask | PauseTask | ResumeTask | ReviseTask | RequeueDead
) -> bool:
    match change:
        case CancelTask() if task.place in LIVE:
            ended = replace(task, place=TaskStatus.CANCELLED, ended_us=tx.now_us, lease=0, node="")
            end(tx, task, ended)
        case PauseTask() if task.place is WAITING:
            tx.move(task, replace(task, place=HELD))
        case ResumeTask() if task.place is HELD:
            tx.move(task, replace(task, place=WAITING))
        case ReviseTask() if task.place in (WAITING, HELD):
            return _revise(tx, task, change)
        case RequeueDead() if task.place is DEAD:
            return _requeue(tx, task)
        case _:
            return False
    return True


def _revise(tx: Tx, task: Task, change: ReviseTask) -> bool:
    queue = change.queue_name or task.queue
    if queue != task.queue and not _is_free(tx, queue, task):
        return False
    run_us = task.run_us
    if change.run_at is not None:
        run_us = max(microseconds(change.run_at), tx.now_us)
    row = tx.row(task)
    if change.payload is not None:
        row = replace(row, payload=change.payload)
        tx.put("bodies", task.task_id, pack_row(row))
    priority = task.priority if change.priority is None else change.priority
    size = len(row.payload)
    tx.move(task, replace(task, queue=queue, priority=priority, run_us=run_us, size=size))
    return True


def _requeue(tx: Tx, task: Task) -> bool:
    """From a dead letter to a new life, unless its unique key is taken."""
    if not _is_free(tx, task.queue, task):
        return False
    fresh = replace(task, place=WAITING, number=tx.next("task"), run_us=tx.now_us, retry_count=0)
    fresh = replace(fresh, started_us=None, execution_s=None, error=None, worker_id=None)
    tx.move(task, fresh)
    return True


def _is_free(tx: Tx, queue: str, task: Task) -> bool:
    return key_holder(tx, queue, task.unique_key) is None


# --- purge -----------------------------------------------------------------------------------


def purge(tx: Tx, what: Purge, result_ttl_us: int, dead_ttl_us: int) -> int:
    """Remove rows for good; how many."""
    match what:
        case PurgeWaiting(queue_name=name):
            return _remove(tx, (each for each in live_of(tx, name) if each.place is not RUNNING))
        case PurgeDeadLetters(queue_name=name, older_than_s=older_than_s):
            return _remove(tx, dead_of(tx, name, tx.now_us - duration_us(older_than_s)))
        case PurgeResults(older_than_s=older_than_s):
            return _remove(tx, results_by(tx, tx.now_us - duration_us(older_than_s)))
        case PurgeExpired():
            dead = _remove(tx, dead_of(tx, None, tx.now_us - dead_ttl_us))
            return dead + _remove(tx, results_by(tx, tx.now_us - result_ttl_us))
        case _:
            assert_never(what)


def _remove(tx: Tx, tasks: Iterable[Task]) -> int:
    gone = list(tasks)
    for task in gone:
        tx.move(task, None)
    return len(gone)
