"""Changes by hand, and what is removed for good."""

from collections.abc import Sequence
from typing import Final, assert_never
from uuid import UUID

from .._moments import duration_us, microseconds
from ..base import Edited
from ..requests import (
    CancelTask,
    Change,
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
)
from ..task import TaskStatus
from ._dialect import Tx
from ._rows import holder_of
from ._schema import HELD, RUNNING, TASK_COLUMNS, WAITING
from ._settle import keep, remove

_NOT_APPLIED: Final = Edited(count=0)
_TASK: Final = ", ".join(TASK_COLUMNS)
_LOCKED: Final = (
    "SELECT place, state, queue_name, retry_count, started_us, execution_s, error, worker_id,"
    " node, lease FROM {live} WHERE task_id = ? {for_update}"
)


def edit(tx: Tx, change: Change, keep_results: bool) -> Edited:
    """Apply one change."""
    match change:
        case CancelTask(task_id=task_id):
            return _cancel(tx, task_id, keep_results)
        case PauseTask(task_id=task_id):
            return _move(tx, task_id, WAITING, HELD)
        case ResumeTask(task_id=task_id):
            return _move(tx, task_id, HELD, WAITING)
        case ReviseTask():
            return _revise(tx, change)
        case RequeueDead(task_id=task_id):
            return _requeue(tx, task_id)
        case RequeueDeadLetters(queue_name=name, limit=limit):
            return _requeue_many(tx, name, limit)
        case PauseQueue(queue_name=name):
            count = tx.dialect.insert(tx, "paused", ("queue_name",), [(name,)])
            return Edited(count=1, queue_name=name) if count else _NOT_APPLIED
        case ResumeQueue(queue_name=name):
            if not tx.do("DELETE FROM {paused} WHERE queue_name = ?", name):
                return _NOT_APPLIED
            tx.hints.add(name)
            return Edited(count=1, queue_name=name)
        case _:
            assert_never(change)


def _cancel(tx: Tx, task_id: UUID, keep_results: bool) -> Edited:
    found = tx.row(_LOCKED, tx.dialect.id_of(task_id))
    if found is None:
        return _NOT_APPLIED
    place, _, name, retry_count, started_us, execution_s, error, worker, node, lease = found
    if keep_results:
        keep(
            tx,
            [
                (
                    tx.dialect.id_of(task_id),
                    name,
                    TaskStatus.CANCELLED.value,
                    retry_count,
                    started_us,
                    tx.now_us,
                    execution_s,
                    None,
                    error,
                    worker,
                )
            ],
        )
    remove(tx, [place])
    if node is not None:
        tx.hints.add("")  # its holder is to stop it
    return Edited(count=1, queue_name=name, holder=holder_of(task_id, node, lease))


def _move(tx: Tx, task_id: UUID, source: int, target: int) -> Edited:
    found = tx.row(_LOCKED, tx.dialect.id_of(task_id))
    if found is None or found[1] != source:
        return _NOT_APPLIED
    tx.do("UPDATE {live} SET state = ? WHERE place = ?", target, found[0])
    if target == WAITING:
        tx.dialect.look_afresh()
        tx.hints.add(found[2])
    return Edited(count=1, queue_name=found[2])


def _revise(tx: Tx, change: ReviseTask) -> Edited:
    found = tx.row(
        "SELECT place, state, queue_name, unique_key FROM {live} WHERE task_id = ? {for_update}",
        tx.dialect.id_of(change.task_id),
    )
    if found is None or found[1] == RUNNING:
        return _NOT_APPLIED
    place, state, old_name, unique_key = found
    name = old_name if change.queue_name is None else change.queue_name
    if name != old_name and unique_key is not None and _is_taken(tx, name, unique_key):
        return _NOT_APPLIED
    run_at = change.run_at
    run_us = None if run_at is None else max(microseconds(run_at), tx.now_us)
    tx.do(
        "UPDATE {live} SET queue_name = ?, payload = coalesce(?, payload),"
        " priority = coalesce(?, priority), run_us = coalesce(?, run_us) WHERE place = ?",
        name, change.payload, change.priority, run_us, place,
    )  # fmt: skip
    if state == WAITING:
        tx.dialect.look_afresh()
        tx.hints.add(name)
    return Edited(count=1, queue_name=name)


def _is_taken(tx: Tx, queue_name: str, unique_key: str) -> bool:
    """Whether a live task of the queue holds the key. (Who takes it now makes us look again.)"""
    where = "queue_name = ? AND unique_key = ?"
    return tx.row(f"SELECT 1 FROM {{live}} WHERE {where}", queue_name, unique_key) is not None


def _requeue(tx: Tx, task_id: UUID) -> Edited:
    found = tx.row(
        "SELECT number, queue_name FROM {dead} WHERE task_id = ? {for_update}",
        tx.dialect.id_of(task_id),
    )
    if found is None or not _revive(tx, [found[0]]):
        return _NOT_APPLIED
    tx.hints.add(found[1])
    return Edited(count=1, queue_name=found[1])


def _requeue_many(tx: Tx, name: str | None, limit: int) -> Edited:
    mine, values = ("", ()) if name is None else ("d.queue_name = ? AND", (name,))
    found = tx.rows(
        f"SELECT d.number, d.queue_name FROM {{dead}} AS d WHERE {mine} NOT EXISTS ("
        "SELECT 1 FROM {live} AS t WHERE t.queue_name = d.queue_name"
        " AND t.unique_key = d.unique_key) ORDER BY d.number LIMIT ? {for_update}",
        *values,
        limit,
    )
    tx.hints.update(row[1] for row in found)
    return Edited(count=_revive(tx, [row[0] for row in found]), queue_name=name)


def _revive(tx: Tx, numbers: Sequence[int]) -> int:
    """A new life for dead letters, but for those whose key is taken; how many."""
    tx.do_among(
        f"{{insert}} INTO {{live}} ({_TASK}, retry_count, run_us)"
        f" SELECT {_TASK}, 0, ? FROM {{dead}} WHERE number {{among}} ORDER BY number {{or_not}}",
        numbers,
        tx.now_us,
    )
    return tx.do_among(
        "DELETE FROM {dead} WHERE EXISTS (SELECT 1 FROM {live} AS t"
        " WHERE t.task_id = {dead}.task_id) AND number {among}",
        numbers,
    )


# --- purge ---------------------------------------------------------------------------------


def purge(tx: Tx, what: Purge, result_ttl_us: int, dead_ttl_us: int) -> int:
    """Remove rows for good; how many."""
    match what:
        case PurgeWaiting(queue_name=name):
            return tx.do(f"DELETE FROM {{live}} WHERE queue_name = ? AND state <> {RUNNING}", name)
        case PurgeDeadLetters(queue_name=None, older_than_s=older_than_s):
            return _dead_by(tx, tx.now_us - duration_us(older_than_s))
        case PurgeDeadLetters(queue_name=name, older_than_s=older_than_s):
            return tx.do(
                "DELETE FROM {dead} WHERE queue_name = ? AND ended_us <= ?",
                name,
                tx.now_us - duration_us(older_than_s),
            )
        case PurgeResults(older_than_s=older_than_s):
            return _results_by(tx, tx.now_us - duration_us(older_than_s))
        case PurgeExpired():
            dead = _dead_by(tx, tx.now_us - dead_ttl_us)
            return dead + _results_by(tx, tx.now_us - result_ttl_us)
        case _:
            assert_never(what)


def _dead_by(tx: Tx, ended_us: int) -> int:
    return tx.do("DELETE FROM {dead} WHERE ended_us <= ?", ended_us)


def _results_by(tx: Tx, ended_us: int) -> int:
    return tx.do("DELETE FROM {results} WHERE ended_us <= ?", ended_us)
