"""Settling: what ended leaves the live table, and its outcome is written beside it.

Rules:
- The fence is (task_id, lease) and nothing else.
- Of several settlements of one lease in a call, the first counts.
- Leases are locked in ascending order, so that two calls never wait for each other.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final, assert_never
from uuid import UUID

from .._moments import duration_us
from ..requests import Back, Cancelled, Dead, Done, RetryAt, Settlement
from ..task import TaskStatus
from ._dialect import Tx
from ._rows import uuid_of
from ._schema import LAST_COLUMNS, RESULT_COLUMNS, TASK_COLUMNS, WAITING

Fence = tuple[int, UUID]

_TASK: Final = ", ".join(TASK_COLUMNS)
_TO_DEAD: Final = (
    f"INSERT INTO {{dead}} ({_TASK}, {', '.join(LAST_COLUMNS)}, ended_us)"
    f" SELECT {_TASK}, retry_count, run_us, started_us, ?, ?, ?, ? FROM {{live}} WHERE place = ?"
)


def settle(tx: Tx, settlements: Sequence[Settlement], keep_results: bool) -> list[Settlement]:
    """Write what ended; the settlements refused, in order."""
    firsts: dict[Fence, int] = {}
    ending: dict[Fence, Done | Cancelled] = {}
    moving: dict[Fence, RetryAt | Dead | Back] = {}
    for number, each in enumerate(settlements):
        fence = each.lease, each.task_id
        if firsts.setdefault(fence, number) == number:
            if isinstance(each, Done | Cancelled):
                ending[fence] = each
            else:
                moving[fence] = each
    written = {firsts[fence] for fence in (*_end(tx, ending, keep_results), *_move(tx, moving))}
    return [each for number, each in enumerate(settlements) if number not in written]


def _end(tx: Tx, ending: dict[Fence, Done | Cancelled], keep_results: bool) -> Iterable[Fence]:
    """Completed or cancelled: out of the live table, into the results. Those written."""
    if not ending:
        return ()
    gone = tx.dialect.take_out(tx, sorted(ending))
    written = {(lease, uuid_of(task_id)): rest for lease, task_id, *rest in gone}
    if keep_results:
        keep(tx, [_result(tx, ending[fence], rest) for fence, rest in written.items()])
    return written


def _result(tx: Tx, ended: Done | Cancelled, rest: Sequence[Any]) -> tuple[Any, ...]:
    """The values of `RESULT_COLUMNS`."""
    queue_name, retry_count, started_us = rest
    status = TaskStatus.COMPLETED if isinstance(ended, Done) else TaskStatus.CANCELLED
    return (
        tx.dialect.id_of(ended.task_id),
        queue_name,
        status.value,
        retry_count,
        started_us,
        tx.now_us,
        ended.execution_s,
        ended.result if isinstance(ended, Done) else None,
        ended.error if isinstance(ended, Cancelled) else None,
        ended.worker_id,
    )


def keep(tx: Tx, results: Sequence[Sequence[Any]]) -> None:
    """Write results, given as the values of `RESULT_COLUMNS`."""
    tx.dialect.insert(tx, "results", RESULT_COLUMNS, results)


def _move(tx: Tx, moving: dict[Fence, RetryAt | Dead | Back]) -> Iterable[Fence]:
    """Retried, handed back or dead. Those written."""
    if not moving:
        return ()
    locked = {
        (lease, uuid_of(task_id)): (place, queue_name)
        for lease, task_id, place, queue_name in tx.rows_among(
            "SELECT lease, task_id, place, queue_name FROM {live}"
            " WHERE lease {among} ORDER BY lease {for_update}",
            [lease for lease, _ in moving],
        )
        if (lease, uuid_of(task_id)) in moving
    }
    backs: list[int] = []
    retries: list[tuple[Any, ...]] = []
    deaths: list[tuple[Any, ...]] = []
    for fence, each in moving.items():
        if fence not in locked:
            continue
        place, queue_name = locked[fence]
        match each:
            case Back():
                backs.append(place)
                tx.hints.add(queue_name)
            case RetryAt():
                run_us = tx.now_us + duration_us(each.delay_s)
                retries.append((run_us, each.execution_s, each.error, each.worker_id, place))
                if run_us <= tx.now_us:
                    tx.hints.add(queue_name)
            case Dead():
                deaths.append((each.execution_s, each.error, each.worker_id, tx.now_us, place))
            case _:
                assert_never(each)
    put_back(tx, backs)
    tx.many(
        f"UPDATE {{live}} SET state = {WAITING}, lease = NULL, node = NULL,"
        " retry_count = retry_count + 1, run_us = ?, execution_s = ?, error = ?, worker_id = ?"
        " WHERE place = ?",
        retries,
    )
    tx.many(_TO_DEAD, deaths)
    remove(tx, [death[-1] for death in deaths])
    return locked


def put_back(tx: Tx, places: Sequence[int]) -> int:
    """Void leases: no attempt, and each task takes its old place in line. How many."""
    if places:
        tx.dialect.look_afresh()
    return tx.do_among(
        f"UPDATE {{live}} SET state = {WAITING}, lease = NULL, node = NULL WHERE place {{among}}",
        places,
    )


def remove(tx: Tx, places: Sequence[int]) -> None:
    """Out of the live table, without a trace."""
    tx.do_among("DELETE FROM {live} WHERE place {among}", places)
