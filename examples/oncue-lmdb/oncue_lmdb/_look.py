"""Looking: lanes, `find`, `count`; and the lists that changes work on. Nothing here writes."""

from collections import Counter
from collections.abc import Iterator, Sequence
from heapq import merge
from itertools import islice, takewhile
from typing import assert_never

from oncue.stores import ByIds, Counts, DeadLetters, LiveTasks, Query, Survey, TaskView, moment_at

from ._records import (
    DEAD,
    HELD,
    RUNNING,
    WAITING,
    Queue,
    Task,
    digest,
    lane_key,
    number_key,
    task_view,
)
from ._tx import Tx

# --- lanes: what waits in a queue, of one type and priority --------------------------------------


def lanes_of(queue: Queue) -> list[tuple[str, int]]:
    """The type and priority of each that holds something."""
    return [
        (kind, most) for (place, kind, most), n in queue.tasks.items() if n and place is WAITING
    ]


def due(tx: Tx, queue: Queue, kind: str, priority: int) -> Iterator[tuple[int, bytes, bytes]]:
    """What of a lane is due: the order across lanes, which is priority and key; and the id."""
    now = number_key(tx.now_us + 1)
    waiting = tx.scan("waiting", lane_key(queue.name, kind, priority))
    for key, task_id in takewhile(lambda each: each[0] < now, waiting):
        yield -priority, key, task_id


def not_due(tx: Tx, queue: Queue, kind: str, priority: int) -> Iterator[int]:
    """When the others will be, the first of them first."""
    lane = lane_key(queue.name, kind, priority)
    for key, _ in tx.scan("waiting", lane, number_key(tx.now_us + 1)):
        yield int.from_bytes(key[:8])


def survey(tx: Tx) -> Survey:
    """Where there is work."""
    queues = tx.queues()
    lanes = [(queue, *lane) for queue in queues for lane in lanes_of(queue)]
    nexts = [us for lane in lanes for us in islice(not_due(tx, *lane), 1)]
    return Survey(
        queues=tuple(each.name for each in queues if each.count(WAITING, HELD, RUNNING)),
        next_due_s=(min(nexts) - tx.now_us) / 1e6 if nexts else None,
    )


# --- lists -------------------------------------------------------------------------------------


def live_of(tx: Tx, name: str | None) -> Iterator[Task]:
    """The live tasks of a queue, or of all, in the order added."""
    return _tasks(tx, merge(*(tx.scan("live", key) for key in _keys(tx, name))))


def dead_of(
    tx: Tx, name: str | None, by_us: int | None = None, *, newest: bool = False
) -> Iterator[Task]:
    """The dead letters of a queue, or of all, oldest first; those that died by then."""
    scans = [tx.scan("dead", key, newest=newest) for key in _keys(tx, name)]
    found: Iterator[tuple[bytes, bytes]] = merge(*scans, reverse=newest)
    if by_us is not None:
        behind = number_key(max(0, by_us + 1))
        found = takewhile(lambda each: each[0] < behind, found)
    return _tasks(tx, found)


def results_by(tx: Tx, by_us: int) -> Iterator[Task]:
    """The results of what had ended by then."""
    behind = number_key(max(0, by_us + 1))
    ended = takewhile(lambda each: each[0] < behind, tx.scan("ended"))
    return _tasks(tx, ((key, key[8:]) for key, _ in ended))


def _keys(tx: Tx, name: str | None) -> list[bytes]:
    return [digest(each.name) for each in tx.queues()] if name is None else [digest(name)]


def _tasks(tx: Tx, entries: Iterator[tuple[bytes, bytes]]) -> Iterator[Task]:
    return (tx.there(task_id) for _, task_id in entries)


# --- find and count ----------------------------------------------------------------------------


def find(tx: Tx, query: Query, result_ttl_us: int, dead_ttl_us: int) -> list[TaskView]:
    """What the query asks for."""

    def view_of(task: Task) -> TaskView:
        return task_view(task, tx.get("bodies", task.task_id), result_ttl_us, dead_ttl_us)

    match query:
        case ByIds(task_ids=ids):
            tasks = (tx.task(task_id.bytes) for task_id in ids)
            return [view_of(task) for task in tasks if task is not None]
        case LiveTasks(queue_name=name, limit=limit, statuses=statuses):
            found = (task for task in live_of(tx, name) if task.status in statuses)
            return [view_of(task) for task in islice(found, limit)]
        case DeadLetters(queue_name=name, limit=limit):
            return [view_of(task) for task in islice(dead_of(tx, name, newest=True), limit)]
        case _:
            assert_never(query)


def count(tx: Tx, name: str | None) -> Counts:
    """The figures of one queue or of all. It counts what is delayed; the rest is kept."""
    everything = tx.queues()
    queues = [each for each in everything if name in (None, each.name)]
    places, priorities, ready = Counter[str](), Counter[int](), Counter[str]()
    for queue in queues:
        for (place, kind, priority), n in queue.tasks.items():
            places[place] += n
            if place is WAITING:
                delayed = sum(1 for _ in not_due(tx, queue, kind, priority))
                places["delayed"] += delayed
                ready[kind] += n - delayed
            if place is WAITING or place is HELD:
                priorities[priority] += n
    created = _created_us(tx, queues)
    return Counts(
        queue_name=name,
        pending=ready.total(),
        delayed=places["delayed"],
        held=places[HELD],
        processing=places[RUNNING],
        dead_letters=places[DEAD],
        priorities=dict(+priorities),
        ready_types=dict(+ready),
        oldest=moment_at(created[0]) if created else None,
        newest=moment_at(created[1]) if created else None,
        paused=any(each.paused for each in queues),
        payload_bytes=sum(each.payload_bytes for each in queues),
        store_payload_bytes=sum(each.payload_bytes for each in everything),
    )


def _created_us(tx: Tx, queues: Sequence[Queue]) -> tuple[int, int] | None:
    """When the live tasks that were added first and last had been created."""
    keys = [digest(each.name) for each in queues]
    firsts = [entry for key in keys for entry in islice(tx.scan("live", key), 1)]
    lasts = [entry for key in keys for entry in islice(tx.scan("live", key, newest=True), 1)]
    if not firsts:
        return None
    return tx.there(min(firsts)[1]).created_us, tx.there(max(lasts)[1]).created_us
