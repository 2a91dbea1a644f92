"""Who has joined, and what becomes of the tasks of those who are gone.

Rules:
- Whoever judges a node locks its row first and reads the time afterwards: a heartbeat and a rescue
  that meet agree on who was first.
"""

from collections.abc import Collection, Sequence
from typing import Final

from ..base import BEATS_MISSED_MAX, Pulse, Reconciled, is_alive
from ..lease import LEASE_COUNTER_BITS, first_lease
from ..records import ClaimedTask, NodeView
from ..requests import Beat
from ._claim import read
from ._dialect import Tx
from ._rows import CLAIMED_COLUMNS
from ._settle import put_back

# As `_is_alive`, with one placeholder: between -1 and 4 intervals is within 2.5 of 1.5.
_ALIVE: Final = (
    "(n.beat_s IS NULL OR abs(? - n.beat_at_us - n.beat_s *"
    f" {(BEATS_MISSED_MAX - 1) * 500_000}) < n.beat_s * {(BEATS_MISSED_MAX + 1) * 500_000})"
)
_GONE: Final = (
    "NOT EXISTS (SELECT 1 FROM {nodes} AS n WHERE n.node = t.node"
    f" AND t.lease >= n.incarnation * {1 << LEASE_COUNTER_BITS} AND {_ALIVE})"
)


def join(tx: Tx, node: str, beat_s: float | None, restarted: bool) -> int:
    """A new incarnation of the node."""
    tx.do("UPDATE {counters} SET value = value + 1 WHERE name = 'incarnation'")
    [[incarnation]] = tx.rows("SELECT value FROM {counters} WHERE name = 'incarnation'")
    row = (incarnation, beat_s, tx.now_us, node)
    # Changed in place: a heartbeat that waits for this row shall find it, not that it is gone.
    if not tx.do(
        "UPDATE {nodes} SET incarnation = ?, beat_s = ?, beat_at_us = ? WHERE node = ?", *row
    ):
        tx.do(
            "INSERT INTO {nodes} (incarnation, beat_s, beat_at_us, node) VALUES (?, ?, ?, ?)", *row
        )
    if restarted:
        _put_back(tx, node, 0, first_lease(incarnation))
    return int(incarnation)


def leave(tx: Tx, node: str, incarnation: int) -> int:
    """Put back what the node holds; how many, 0 when it is not its incarnation any more."""
    if not tx.do("DELETE FROM {nodes} WHERE node = ? AND incarnation = ?", node, incarnation):
        return 0
    return _put_back(tx, node, 0, first_lease(incarnation + 1))


def _put_back(tx: Tx, node: str, from_lease: int, before_lease: int) -> int:
    held = _held(tx, node, from_lease, before_lease)
    if held:
        tx.hints.add("")
    return put_back(tx, list(held.values()))


def _held(tx: Tx, node: str, from_lease: int, before_lease: int) -> dict[int, int]:
    """The leases that the node has in this range, each with its place; locked."""
    found = tx.rows(
        "SELECT lease, place FROM {live} {by_lease} WHERE lease >= ? AND lease < ? AND node = ?"
        " ORDER BY lease {for_update}",
        from_lease,
        before_lease,
        node,
    )
    return {columns[0]: columns[1] for columns in found}


def heartbeat(tx: Tx, beats: Sequence[Beat]) -> list[Pulse]:
    """One answer per beat."""
    return [_beat(tx, each) for each in beats]


def _beat(tx: Tx, beat: Beat) -> Pulse:
    found = tx.row(
        "SELECT incarnation, beat_s, beat_at_us FROM {nodes} WHERE node = ? {for_update}",
        beat.node,
    )
    if found is None:
        return Pulse.LOST
    incarnation, beat_s, beat_at_us = found
    if incarnation > beat.incarnation:
        return Pulse.SUPERSEDED
    now_us = tx.read_now_us()
    if now_us >= beat_at_us and not _is_alive(beat_s, beat_at_us, now_us):
        return Pulse.LOST  # who beats is no relic of before the clock was set back
    tx.do("UPDATE {nodes} SET beat_at_us = ? WHERE node = ?", now_us, beat.node)
    return Pulse.ALIVE


def _is_alive(beat_s: float | None, beat_at_us: int, now_us: int) -> bool:
    return is_alive(beat_s, (now_us - beat_at_us) / 1e6)


def is_there(tx: Tx, node: str, lease: int, now_us: int) -> bool:
    """Whether a claim under this lease would stay its claimer's."""
    found = tx.row("SELECT incarnation, beat_s, beat_at_us FROM {nodes} WHERE node = ?", node)
    if found is None:
        return False
    incarnation, beat_s, beat_at_us = found
    return lease >= first_lease(incarnation) and _is_alive(beat_s, beat_at_us, now_us)


def reconcile(tx: Tx, node: str, incarnation: int, held: Collection[int]) -> Reconciled:
    """Put back what only the store has; name what only the claimer has."""
    mine = _held(tx, node, first_lease(incarnation), first_lease(incarnation + 1))
    known = frozenset(held)
    orphans = [place for lease, place in mine.items() if lease not in known]
    if orphans:
        tx.hints.add("")
    return Reconciled(void=known - mine.keys(), returned=put_back(tx, orphans))


def rescue(tx: Tx, node: str, first: int, limit: int) -> list[ClaimedTask]:
    """Take over up to `limit` tasks of those who are gone, and forget the dead without any."""
    tx.rows("SELECT node FROM {nodes} ORDER BY node {for_update}")
    now_us = tx.read_now_us()
    if not is_there(tx, node, first, now_us):
        return []
    lost = tx.rows(
        f"SELECT {CLAIMED_COLUMNS}, started_us FROM {{live}} AS t {{by_lease}}"
        f" WHERE t.lease IS NOT NULL AND {_GONE} ORDER BY t.lease LIMIT ? {{for_update_unlocked}}",
        now_us,
        limit,
    )
    rescued = read(lost, first, None)
    tx.dialect.assign(tx, [columns[0] for columns in lost], node, first, None)
    tx.do(
        "DELETE FROM {nodes} WHERE node IN (SELECT * FROM (SELECT n.node FROM {nodes} AS n"
        f" WHERE NOT {_ALIVE} AND NOT EXISTS (SELECT 1 FROM {{live}} AS t {{by_lease}}"
        " WHERE t.lease IS NOT NULL AND t.node = n.node)) AS gone)",
        now_us,
    )
    return rescued


def nodes(tx: Tx) -> list[NodeView]:
    """Who has joined."""
    found = tx.rows("SELECT node, incarnation, beat_s, beat_at_us FROM {nodes} ORDER BY node")
    return [
        NodeView(
            node=node,
            incarnation=incarnation,
            beat_s=beat_s,
            silent_s=(tx.now_us - beat_at_us) / 1e6,
            alive=_is_alive(beat_s, beat_at_us, tx.now_us),
        )
        for node, incarnation, beat_s, beat_at_us in found
    ]
