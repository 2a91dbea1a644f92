"""Which lanes there are: found by jumping from the head of one to the head of the next.

A lane is (queue, type, priority), as the ready index orders them. A jump costs a few microseconds,
however much waits in the lane that is jumped over. PostgreSQL and SQLite jump inside one recursive
query; MySQL uses an index after `>` for constants only, so there each jump is a query.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from ._dialect import Tx

Lane = tuple[str, str, int]

_ORDER: Final = "ORDER BY n.queue_name, n.task_type, n.priority, n.run_us, n.place LIMIT 1"
_HEAD: Final = "SELECT n.place FROM {live} AS n {by_ready} WHERE n.state = 0"
_NEXT: Final = (
    f"({_HEAD} AND n.queue_name = lane.queue_name AND n.task_type = lane.task_type"
    f" AND n.priority > lane.priority {_ORDER}),"
    f" ({_HEAD} AND n.queue_name = lane.queue_name AND n.task_type > lane.task_type {_ORDER})"
)
_LANE: Final = "SELECT t.queue_name, t.task_type, t.priority, t.run_us, t.place FROM"
_STEP: Final = f"{_LANE} lane JOIN {{live}} AS t ON t.place ="
_OF_QUEUES: Final = (
    "WITH RECURSIVE lane(queue_name, task_type, priority, run_us, place) AS ("
    f"{_LANE} {{names}} JOIN {{live}} AS t"
    f" ON t.place = ({_HEAD} AND n.queue_name = q.value {_ORDER})"
    " WHERE NOT EXISTS (SELECT 1 FROM {paused} AS p WHERE p.queue_name = q.value)"
    f" UNION ALL {_STEP} coalesce({_NEXT}))"
    " SELECT queue_name, task_type, priority, run_us, place, {took_us} FROM lane"
    " ORDER BY queue_name, priority DESC"
)
_RUNNING: Final = "{live} {by_lease} WHERE lease IS NOT NULL"
# In one statement, as the trips of a small exchange take longer than what they bring.
_BUSY: Final = (
    "WITH RECURSIVE lane(queue_name, task_type, priority, run_us, place) AS ("
    f"{_LANE} {{live}} AS t"
    f" WHERE t.place = ({_HEAD} {_ORDER})"
    f" UNION ALL {_STEP} coalesce({_NEXT}, ({_HEAD} AND n.queue_name > lane.queue_name {_ORDER}))),"
    " held(name) AS ("
    "SELECT min(t.queue_name) FROM {live} AS t {by_held} WHERE t.state = 2"
    " UNION ALL"
    " SELECT (SELECT min(t.queue_name) FROM {live} AS t {by_held}"
    " WHERE t.state = 2 AND t.queue_name > held.name) FROM held WHERE held.name IS NOT NULL)"
    " SELECT lane.queue_name, (SELECT n.run_us FROM {live} AS n {by_ready} WHERE n.state = 0"
    " AND n.queue_name = lane.queue_name AND n.task_type = lane.task_type"
    f" AND n.priority = lane.priority AND n.run_us > ? {_ORDER}) FROM lane"
    " UNION ALL SELECT name, CAST(NULL AS {int}) FROM held WHERE name IS NOT NULL"
    f" UNION ALL SELECT DISTINCT queue_name, CAST(NULL AS {{int}}) FROM {_RUNNING}"
)


def of_queues(tx: Tx, queues: Sequence[str]) -> Sequence[Lane]:
    """The lanes of those of these queues that are not paused; by queue, high priority first."""
    if tx.dialect.jumps:
        return _jump(tx, queues)
    paused = {row[0] for row in tx.rows("SELECT queue_name FROM {paused}")}
    return [
        lane
        for name in queues
        if name not in paused
        for lane in sorted(_walk(tx, name), key=lambda lane: -lane[2])
    ]


def _jump(tx: Tx, queues: Sequence[str]) -> list[Lane]:
    heads = tx.dialect.heads
    known = {} if heads is None else heads.probe(tx, queues)
    lanes = [
        (name, task_type, priority)
        for name, kinds in known.items()
        for task_type, priority in sorted(kinds, key=lambda kind: -kind[1])
    ]
    others = [name for name in queues if name not in known]
    found = tx.rows(_OF_QUEUES, tx.dialect.names(others)) if others else ()
    tx.afresh.update(others)
    if heads is not None:
        for name in others:
            mine = [((row[1], row[2]), (row[3], row[4])) for row in found if row[0] == name]
            heads.looked(name, mine, tx.now_us, found[0][5] if found else 0)
    return lanes + [(row[0], row[1], row[2]) for row in found]


def busy(tx: Tx) -> Sequence[tuple[str, int | None]]:
    """Each queue with live tasks, for each lane again, and when the first not due there will be."""
    if tx.dialect.jumps:
        return [(name, due_us) for name, due_us in tx.rows(_BUSY, tx.now_us)]
    waiting = [
        (name, _first(tx, "run_us", f"{_OF_LANE} AND run_us > ?", *lane, tx.now_us))
        for name in _values(tx, "queue_name", "state = 0")
        for lane in _walk(tx, name)
    ]
    held = [(name, None) for name in _values(tx, "queue_name", "state = 2")]
    running = tx.rows(f"SELECT DISTINCT queue_name FROM {_RUNNING}")
    return [*waiting, *held, *((name, None) for [name] in running)]


# --- jump by jump --------------------------------------------------------------------------

_OF_QUEUE: Final = "state = 0 AND queue_name = ?"
_OF_TYPE: Final = f"{_OF_QUEUE} AND task_type = ?"
_OF_LANE: Final = f"{_OF_TYPE} AND priority = ?"


def _walk(tx: Tx, name: str) -> Iterator[Lane]:
    """The lanes of a queue."""
    for task_type in _values(tx, "task_type", _OF_QUEUE, name):
        for priority in _values(tx, "priority", _OF_TYPE, name, task_type):
            yield name, task_type, priority


def _values(tx: Tx, column: str, where: str, *parameters: object) -> Iterator[Any]:
    """The distinct values of a column, ascending."""
    value = _first(tx, column, where, *parameters)
    while value is not None:
        yield value
        value = _first(tx, column, f"{where} AND {column} > ?", *parameters, value)


def _first(tx: Tx, column: str, where: str, *parameters: object) -> Any:
    # Of all ways to say it, min() is the one that it answers by one look into the index.
    [[value]] = tx.rows(
        f"SELECT min({column}) FROM {{live}} {{by_ready}} WHERE {where}", *parameters
    )
    return value
