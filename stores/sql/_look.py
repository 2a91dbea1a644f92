"""Looking: the survey of an exchange, `find`, `count` and `queues`."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Final, assert_never
from uuid import UUID

from .._moments import moment_at
from ..base import Survey
from ..records import Counts, TaskView
from ..requests import ByIds, DeadLetters, LiveTasks, Query
from ..task import TaskStatus
from ..transitions import LIVE
from . import _lanes
from ._dialect import Tx
from ._rows import DEAD_COLUMNS, LIVE_COLUMNS, Columns, dead_view, live_view, result_view
from ._schema import HELD, RESULT_COLUMNS, RUNNING, WAITING

_OF_STATUS: Final = {
    TaskStatus.PENDING: f"(state = {WAITING} AND retry_count = 0)",
    TaskStatus.RETRYING: f"(state = {WAITING} AND retry_count > 0)",
    TaskStatus.PROCESSING: f"state = {RUNNING}",
    TaskStatus.PAUSED: f"state >= {HELD}",
}


def survey(tx: Tx) -> Survey:
    """Where there is work, jumping from lane to lane."""
    busy = _lanes.busy(tx)
    due = min((due_us for _, due_us in busy if due_us is not None), default=None)
    return Survey(
        queues=tuple(sorted({name for name, _ in busy})),
        next_due_s=None if due is None else (due - tx.now_us) / 1e6,
    )


def queues(tx: Tx) -> list[str]:
    """All that hold live tasks or dead letters or are paused, sorted."""
    names = {name for name, _ in _lanes.busy(tx)}
    names |= {row[0] for row in tx.rows("SELECT DISTINCT queue_name FROM {dead}")}
    names |= {row[0] for row in tx.rows("SELECT queue_name FROM {paused}")}
    return sorted(names)


# --- find ----------------------------------------------------------------------------------


def find(tx: Tx, query: Query, result_ttl_us: int, dead_ttl_us: int) -> list[TaskView]:
    """What can be read of what the query asks for."""

    def dead(columns: Columns) -> TaskView:
        return dead_view(columns, dead_ttl_us)

    def result(columns: Columns) -> TaskView:
        return result_view(columns, result_ttl_us)

    match query:
        case ByIds(task_ids=ids):
            places: tuple[tuple[str, str, Callable[[Columns], TaskView]], ...] = (
                ("results", ", ".join(RESULT_COLUMNS), result),
                ("dead", DEAD_COLUMNS, dead),
                ("live", LIVE_COLUMNS, live_view),
            )
            views: dict[UUID, TaskView] = {}
            for table, columns, view_of in places:
                select = f"SELECT {columns} FROM {{{table}}} WHERE task_id {{among}}"
                there = _readable(tx.rows_among(select, list(dict.fromkeys(ids))), view_of)
                views.update((view.task_id, view) for view in there)
            return [views[task_id] for task_id in ids if task_id in views]
        case LiveTasks(queue_name=name, limit=limit, statuses=statuses):
            return _readable(_live_of(tx, name, limit, statuses), live_view)
        case DeadLetters(queue_name=name, limit=limit):
            where, mine = _of_queue(name)
            found = tx.rows(
                f"SELECT {DEAD_COLUMNS} FROM {{dead}} {where} ORDER BY number DESC LIMIT ?",
                *mine,
                limit,
            )
            return _readable(found, dead)
        case _:
            assert_never(query)


def _live_of(
    tx: Tx, name: str | None, limit: int, statuses: frozenset[TaskStatus]
) -> Sequence[Columns]:
    where, mine = _of_queue(name)
    if statuses < LIVE:
        chosen = " OR ".join(_OF_STATUS[each] for each in statuses if each in LIVE) or "1 = 0"
        where = f"{where} {'AND' if where else 'WHERE'} ({chosen})"
    return tx.rows(
        f"SELECT {LIVE_COLUMNS} FROM {{live}} {where} ORDER BY place LIMIT ?", *mine, limit
    )


def _of_queue(name: str | None) -> tuple[str, tuple[str, ...]]:
    return ("", ()) if name is None else ("WHERE queue_name = ?", (name,))


def _readable(found: Iterable[Columns], view_of: Callable[[Columns], TaskView]) -> list[TaskView]:
    """The views of the rows that can be read; whoever looks is not to fail for the others."""
    views: list[TaskView] = []
    for columns in found:
        try:
            views.append(view_of(columns))
        except (ValueError, TypeError, OverflowError):
            continue
    return views


# --- count ---------------------------------------------------------------------------------


def count(tx: Tx, name: str | None) -> Counts:
    """The figures, counted. It reads every row of the queue, and each row's size everywhere."""
    where, mine = _of_queue(name)
    groups = tx.rows(
        "SELECT state, run_us <= ?, priority, task_type, count(*), min(place), max(place),"
        f" sum(length(payload)) FROM {{live}} {where} GROUP BY 1, 2, 3, 4",
        tx.now_us,
        *mine,
    )
    states, priorities, ready_types = Counter[str](), Counter[int](), Counter[str]()
    for state, is_due, priority, task_type, tasks, *_ in groups:
        if state != RUNNING:
            priorities[priority] += tasks
        if state == WAITING and is_due:
            ready_types[task_type] += tasks
        states[_place_of(state, is_due)] += tasks
    dead_letters, dead_bytes = _sizes(tx, "dead", name)
    live_bytes = sum(int(group[7]) for group in groups)
    store_bytes = live_bytes + dead_bytes
    if name is not None:
        store_bytes = _sizes(tx, "live", None)[1] + _sizes(tx, "dead", None)[1]
    return Counts(
        queue_name=name,
        pending=states["pending"],
        delayed=states["delayed"],
        held=states["held"],
        processing=states["processing"],
        dead_letters=dead_letters,
        priorities=dict(priorities),
        ready_types=dict(ready_types),
        oldest=_created_at(tx, min((group[5] for group in groups), default=None)),
        newest=_created_at(tx, max((group[6] for group in groups), default=None)),
        paused=tx.row(f"SELECT 1 FROM {{paused}} {where} LIMIT 1", *mine) is not None,
        payload_bytes=live_bytes + dead_bytes,
        store_payload_bytes=store_bytes,
    )


def _place_of(state: int, is_due: object) -> str:
    if state == WAITING:
        return "pending" if is_due else "delayed"
    return "processing" if state == RUNNING else "held"


def _sizes(tx: Tx, table: str, name: str | None) -> tuple[int, int]:
    """How many rows, and the bytes of their payloads."""
    where, mine = _of_queue(name)
    [[rows, size]] = tx.rows(
        f"SELECT count(*), coalesce(sum(length(payload)), 0) FROM {{{table}}} {where}", *mine
    )
    return rows, int(size)


def _created_at(tx: Tx, place: int | None) -> datetime | None:
    if place is None:
        return None
    row = tx.row("SELECT created_us FROM {live} WHERE place = ?", place)
    try:
        return None if row is None else moment_at(row[0])
    except (TypeError, OverflowError):  # it cannot be read, and is still counted
        return None
