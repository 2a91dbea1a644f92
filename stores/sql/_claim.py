"""Claiming: the heads of the lanes that the claimer handles, merged.

Rules:
- A lane is (queue, type, priority); within one, `run_us` and then `place` are the order. What waits
  in a lane that is not wanted, or is not due, is never walked over.
- Where a priority has several types, their heads are merged first, without locks, to know how much
  each lane is to give; then each lane gives so much of what nobody has locked.
"""

from collections.abc import Sequence
from itertools import groupby
from typing import Final, Literal

from ..records import ClaimedTask
from ..requests import Claim, Claims
from . import _lanes
from ._dialect import Tx
from ._rows import Columns, claimed_of

# More lanes than that in one statement and SQLite refuses it.
_ARMS_MAX: Final = 100

_ARM: Final = (
    "SELECT {number} AS arm, run_us, place FROM {{live}} {{by_ready}} WHERE state = 0"
    " AND queue_name = ? AND task_type = ? AND priority = ? AND run_us <= ?"
)


class Unreadable(Exception):
    """Rows of `table` that cannot be read, by their key, with the reason; the transaction is to be
    tried anew without them."""

    def __init__(self, rows: dict[int, str], table: Literal["live", "schedules"] = "live") -> None:
        super().__init__(rows)
        self.rows = rows
        self.table = table


def claim(tx: Tx, claims: Claims | None) -> tuple[list[ClaimedTask], frozenset[str], bool]:
    """What was claimed, the queues that gave all that was asked, and whether one came short."""
    wanted = [each for each in claims.queues if each.limit] if claims else []
    if claims is None or not wanted:
        return [], frozenset(), False
    lanes = _lanes_of(tx, claims, [each.queue_name for each in wanted])
    claimed: list[ClaimedTask] = []
    more: set[str] = set()
    short = False
    heads = tx.dialect.heads
    for each in wanted:
        name, left = each.queue_name, each.limit
        taken = _take(tx, claims, each, lanes.get(name, ()), len(claimed))
        if len(taken) < left and heads is not None and name not in tx.afresh:
            heads.forget()  # it may know too little
            claimed += taken
            left -= len(taken)
            afresh = _lanes_of(tx, claims, [name]).get(name, ())
            taken = _take(tx, claims, Claim(queue_name=name, limit=left), afresh, len(claimed))
        claimed += taken
        if len(taken) < left:
            short = True
        else:
            more.add(name)
    return claimed, frozenset(more), short


def _take(
    tx: Tx, claims: Claims, claim: Claim, lanes: Sequence[tuple[int, list[str]]], before: int
) -> list[ClaimedTask]:
    """What the lanes of one queue give, when `before` tasks were claimed already."""
    taken: list[ClaimedTask] = []
    for priority, types in lanes:
        lane = claim.queue_name, priority
        shares = _shares(tx, lane, types, claim.limit - len(taken))
        if shares:
            first_lease = claims.first_lease + before + len(taken)
            found = tx.dialect.claim(tx, lane, shares, claims.node, first_lease)
            taken += read(found, first_lease, tx.now_us)
        if len(taken) == claim.limit:
            break
    return taken


def read(found: Sequence[Columns], first_lease: int, started_us: int | None) -> list[ClaimedTask]:
    """The tasks in rows of `CLAIMED_COLUMNS`, leases counting up. Raises Unreadable.

    Without `started_us` that is one more column.
    """
    tasks: list[ClaimedTask] = []
    unreadable: dict[int, str] = {}
    for lease, columns in enumerate(found, first_lease):
        try:
            tasks.append(claimed_of(columns, lease, started_us))
        except (ValueError, TypeError, OverflowError) as error:
            unreadable[columns[0]] = str(error)
    if unreadable:
        raise Unreadable(unreadable)
    return tasks


def _lanes_of(
    tx: Tx, claims: Claims, queues: Sequence[str]
) -> dict[str, list[tuple[int, list[str]]]]:
    """By queue, unpaused: its priorities, high first, each with the types that wait there."""
    types = claims.task_types
    lanes: dict[str, list[tuple[int, list[str]]]] = {}
    found = _lanes.of_queues(tx, list(dict.fromkeys(queues)))
    for (queue_name, priority), same in groupby(found, key=lambda lane: (lane[0], lane[2])):
        handled = [lane[1] for lane in same if types is None or lane[1] in types]
        if handled:
            lanes.setdefault(queue_name, []).append((priority, handled))
    return lanes


def _shares(
    tx: Tx, lane: tuple[str, int], types: Sequence[str], limit: int
) -> list[tuple[str, int]]:
    """How much each type is to give of the next `limit`; those that give nothing are left out."""
    if len(types) == 1:
        return [(types[0], limit)]
    heads: list[tuple[int, int, int]] = []
    for start in range(0, len(types), _ARMS_MAX):
        heads += _heads(tx, lane, types[start : start + _ARMS_MAX], start, limit)
    shares: dict[str, int] = {}
    for _, _, arm in sorted(heads)[:limit]:
        shares[types[arm]] = shares.get(types[arm], 0) + 1
    return list(shares.items())


def _heads(
    tx: Tx, lane: tuple[str, int], types: Sequence[str], start: int, limit: int
) -> list[tuple[int, int, int]]:
    """The first `limit` of these types together: run_us, place, and the type's number."""
    arms: list[tuple[str, Sequence[object]]] = []
    for number, task_type in enumerate(types, start):
        beyond, from_head = tx.dialect.beyond(lane[0], task_type, lane[1])
        arm = _ARM.format(number=number) + beyond
        arms.append((arm, (lane[0], task_type, lane[1], tx.now_us, *from_head)))
    statement, parameters = tx.dialect.merge(arms, limit)
    return [(run_us, place, arm) for arm, run_us, place in tx.rows(statement, *parameters)]
