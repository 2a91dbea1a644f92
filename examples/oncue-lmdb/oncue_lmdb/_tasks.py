"""Tasks: added, claimed, settled, rescued."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from heapq import merge
from itertools import islice
from typing import assert_never
from uuid import UUID

from oncue.stores import (
    Added,
    AddOutcome,
    AlreadyKnown,
    Back,
    Cancelled,
    Claim,
    ClaimedTask,
    Claims,
    Dead,
    Done,
    Exchanged,
    Reconciled,
    RetryAt,
    Settlement,
    TaskRow,
    TaskStatus,
    UniqueTaken,
    duration_us,
    first_lease,
    incarnation_of,
    microseconds,
    moment_at,
)

from ._look import due, lanes_of, survey
from ._nodes import add_node, forget, forget_dead, held_by, is_gone, lost
from ._records import DEAD, RUNNING, WAITING, Task, digest, pack_row
from ._tx import Tx


def add(tx: Tx, row: TaskRow) -> AddOutcome:
    """Take a new task, unless its id is known or its unique key taken."""
    task_id = row.task_id.bytes
    if tx.task(task_id) is not None:
        return AlreadyKnown()
    if (holder := key_holder(tx, row.queue_name, row.unique_key)) is not None:
        return UniqueTaken(live_task_id=UUID(bytes=holder))
    run_us = tx.now_us + duration_us(row.delay_s)
    if row.scheduled_at is not None:
        run_us = max(run_us, microseconds(row.scheduled_at))
    task = Task(
        task_id=task_id,
        place=WAITING,
        queue=row.queue_name,
        task_type=row.task_type,
        priority=row.priority,
        unique_key=row.unique_key,
        job_id=None if row.job_id is None else row.job_id.hex,
        created_us=microseconds(row.created_at),
        size=len(row.payload),
        number=tx.next("task"),
        run_us=run_us,
        retry_count=row.retry_count,
    )
    tx.put("bodies", task_id, pack_row(row))
    tx.move(None, task)
    return Added()


def key_holder(tx: Tx, queue: str, unique_key: str | None) -> bytes | None:
    """The live task of the queue that holds the key."""
    return None if unique_key is None else tx.get("unique", digest(queue, unique_key))


# --- settle ----------------------------------------------------------------------------------


def settle(tx: Tx, settlement: Settlement) -> bool:
    """Whether the lease was the task's, and so the settlement was written."""
    task = tx.task(settlement.task_id.bytes)
    if task is None or task.place is not RUNNING or task.lease != settlement.lease:
        return False
    if isinstance(settlement, Back):
        put_back(tx, task)
        return True
    ended = replace(
        task,
        lease=0,
        node="",
        ended_us=tx.now_us,
        execution_s=settlement.execution_s,
        error=None if isinstance(settlement, Done) else settlement.error,
        worker_id=settlement.worker_id,
    )
    match settlement:
        case Done():
            end(tx, task, replace(ended, place=TaskStatus.COMPLETED), settlement.result)
        case Cancelled():
            end(tx, task, replace(ended, place=TaskStatus.CANCELLED))
        case Dead():
            tx.move(task, replace(ended, place=DEAD, number=tx.next("task")))
        case RetryAt():
            run_us = tx.now_us + duration_us(settlement.delay_s)
            retries = task.retry_count + 1
            tx.move(task, replace(ended, place=WAITING, run_us=run_us, retry_count=retries))
        case _:
            assert_never(settlement)
    return True


def put_back(tx: Tx, task: Task) -> None:
    """From running to where it stood before."""
    tx.move(task, replace(task, place=WAITING, lease=0, node=""))


def end(tx: Tx, task: Task, ended: Task, result: bytes = b"") -> None:
    """From live to a result, which takes the place of the row."""
    tx.move(task, replace(ended, size=0))
    tx.put("bodies", task.task_id, result)


# --- claim -----------------------------------------------------------------------------------


def exchange(
    tx: Tx, settlements: Sequence[Settlement], claims: Claims | None, look: bool
) -> Exchanged:
    """Settle, claim, and look around when asked to or when a claim comes back short."""
    refused = [each for each in settlements if not settle(tx, each)]
    if claims is not None and is_gone(tx, claims.node, claims.first_lease):
        claims = None
    claimed: list[ClaimedTask] = []
    more: list[str] = []
    for each in () if claims is None else claims.queues:
        assert claims is not None
        taken = _claim(tx, each, claims, claims.first_lease + len(claimed))
        claimed += taken
        if len(taken) < each.limit:
            look = True
        elif each.limit:
            more.append(each.queue_name)
    return Exchanged(
        claimed=claimed,
        refused=refused,
        more=frozenset(more),
        survey=survey(tx) if look else None,
    )


def _claim(tx: Tx, asked: Claim, claims: Claims, lease: int) -> list[ClaimedTask]:
    """Give the claimer what it asks of one queue, leases counting from `lease`."""
    queue = tx.queue(asked.queue_name)
    lanes = [] if queue.paused else lanes_of(queue)
    if claims.task_types is not None:
        lanes = [lane for lane in lanes if lane[0] in claims.task_types]
    first = islice(merge(*(due(tx, queue, *lane) for lane in lanes)), asked.limit)
    tasks = [tx.there(task_id) for *_, task_id in first]  # all of them, before one moves
    return [
        _hand_over(tx, task, claims.node, lease + place, tx.now_us)
        for place, task in enumerate(tasks)
    ]


def _hand_over(tx: Tx, task: Task, node: str, lease: int, started_us: int) -> ClaimedTask:
    """Make it `node`'s, whoever had it."""
    tx.move(task, replace(task, place=RUNNING, node=node, lease=lease, started_us=started_us))
    return ClaimedTask(
        row=tx.row(task),
        lease=lease,
        retry_count=task.retry_count,
        run_at=moment_at(task.run_us),
        started_at=moment_at(started_us),
    )


# --- nodes -----------------------------------------------------------------------------------


def join(tx: Tx, node: str, beat_s: float | None, restarted: bool) -> int:
    """A new incarnation; what older ones hold is put back if it has only restarted."""
    if restarted:
        _put_all_back(tx, held_by(tx, node))
    return add_node(tx, node, beat_s)


def leave(tx: Tx, node: str, incarnation: int) -> int:
    """How many were put back."""
    return _put_all_back(tx, held_by(tx, node)) if forget(tx, node, incarnation) else 0


def reconcile(tx: Tx, node: str, incarnation: int, held: Collection[int]) -> Reconciled:
    """Put back what only the store has; name what only the claimer has."""
    known = frozenset(held)
    mine = {
        task.lease: task
        for task in held_by(tx, node, first_lease(incarnation))
        if incarnation_of(task.lease) == incarnation
    }
    orphans = [task for lease, task in mine.items() if lease not in known]
    return Reconciled(void=known - mine.keys(), returned=_put_all_back(tx, orphans))


def _put_all_back(tx: Tx, tasks: Sequence[Task]) -> int:
    for task in tasks:
        put_back(tx, task)
    return len(tasks)


def rescue(tx: Tx, node: str, lease: int, limit: int) -> list[ClaimedTask]:
    """Take over what nobody is behind any more, and forget the dead that hold nothing."""
    if is_gone(tx, node, lease):
        return []
    tasks = [tx.there(task_id) for task_id in islice(lost(tx), limit)]
    rescued = [
        _hand_over(tx, task, node, lease + place, task.started_us or tx.now_us)
        for place, task in enumerate(tasks)
    ]
    forget_dead(tx)
    return rescued
