"""Who has joined, and who of them is gone."""

import json
from collections.abc import Iterator
from dataclasses import dataclass

from oncue.stores import (
    Beat,
    NodeView,
    Pulse,
    first_lease,
    is_alive,
)

from ._records import Task, digest, number_key
from ._tx import Tx


@dataclass(slots=True, frozen=True)
class Node:
    """A node that has joined."""

    name: str
    incarnation: int
    beat_s: float | None
    beat_us: int

    def silent_s(self, now_us: int) -> float:
        """Since its last heartbeat."""
        return (now_us - self.beat_us) / 1e6

    def is_alive(self, now_us: int) -> bool:
        return is_alive(self.beat_s, self.silent_s(now_us))


def _put(tx: Tx, node: Node) -> None:
    packed = json.dumps([node.name, node.incarnation, node.beat_s, node.beat_us]).encode()
    tx.put("nodes", digest(node.name), packed)


def _get(tx: Tx, key: bytes) -> Node | None:
    packed = tx.get("nodes", key)
    return None if packed is None else Node(*json.loads(packed))


def add_node(tx: Tx, name: str, beat_s: float | None) -> int:
    """A new incarnation."""
    incarnation = tx.next("incarnation")
    _put(tx, Node(name, incarnation, beat_s, tx.now_us))
    return incarnation


def forget(tx: Tx, name: str, incarnation: int) -> bool:
    """Whether `incarnation` was still the node's."""
    node = _get(tx, digest(name))
    if node is None or node.incarnation != incarnation:
        return False
    return tx.delete("nodes", digest(name))


def heartbeat(tx: Tx, beat: Beat) -> Pulse:
    node = _get(tx, digest(beat.node))
    if node is not None and node.incarnation > beat.incarnation:
        return Pulse.SUPERSEDED
    # Who beats is no relic of before the clock was set back.
    if node is None or (tx.now_us >= node.beat_us and not node.is_alive(tx.now_us)):
        return Pulse.LOST
    _put(tx, Node(node.name, node.incarnation, node.beat_s, tx.now_us))
    return Pulse.ALIVE


def is_gone(tx: Tx, name: str, lease: int) -> bool:
    """Whether nobody is behind this lease any more."""
    return _is_gone(tx, digest(name), lease)


def _is_gone(tx: Tx, key: bytes, lease: int) -> bool:
    node = _get(tx, key)
    return node is None or lease < first_lease(node.incarnation) or not node.is_alive(tx.now_us)


def held_by(tx: Tx, name: str, from_lease: int = 0) -> list[Task]:
    """What the node holds under leases from this one on, in their order."""
    found = tx.scan("running", digest(name), number_key(from_lease))
    return [tx.there(task_id) for _, task_id in found]


def lost(tx: Tx) -> Iterator[bytes]:
    """The ids of the running tasks whose holder is gone."""
    for key, task_id in tx.scan("running"):
        if _is_gone(tx, key[:-8], int.from_bytes(key[-8:])):
            yield task_id


def forget_dead(tx: Tx) -> None:
    """Forget the dead that hold nothing."""
    for key, packed in list(tx.scan("nodes")):
        is_dead = not Node(*json.loads(packed)).is_alive(tx.now_us)
        if is_dead and next(tx.scan("running", key), None) is None:
            tx.delete("nodes", key)


def views(tx: Tx) -> list[NodeView]:
    """Who has joined, sorted by name."""
    found = sorted(
        (Node(*json.loads(packed)) for _, packed in tx.scan("nodes")), key=lambda node: node.name
    )
    return [
        NodeView(
            node=each.name,
            incarnation=each.incarnation,
            beat_s=each.beat_s,
            silent_s=each.silent_s(tx.now_us),
            alive=each.is_alive(tx.now_us),
        )
        for each in found
    ]
