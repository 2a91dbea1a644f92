"""Who has joined the memory store, and who of them is gone.

One process, so nodes rarely matter here; but the memory store is the reference, and tests run
clusters of queues on one of it.
"""

from .base import Pulse, is_alive
from .lease import first_lease
from .records import NodeView
from .requests import Beat


class _Node:
    __slots__ = ("beat_at_us", "beat_s", "incarnation")

    def __init__(self, incarnation: int, beat_s: float | None, now_us: int) -> None:
        self.incarnation = incarnation
        self.beat_s = beat_s
        self.beat_at_us = now_us

    def is_alive(self, now_us: int) -> bool:
        return is_alive(self.beat_s, (now_us - self.beat_at_us) / 1e6)


class Nodes:
    """The nodes that have joined, by name. `now_us` is the store's time, in microseconds."""

    def __init__(self) -> None:
        self._nodes: dict[str, _Node] = {}
        self._incarnation = 0

    def join(self, name: str, beat_s: float | None, now_us: int) -> int:
        self._incarnation += 1
        self._nodes[name] = _Node(self._incarnation, beat_s, now_us)
        return self._incarnation

    def leave(self, name: str, incarnation: int) -> bool:
        """Whether `incarnation` was still the node's."""
        node = self._nodes.get(name)
        if node is None or node.incarnation != incarnation:
            return False
        del self._nodes[name]
        return True

    def beat(self, beat: Beat, now_us: int) -> Pulse:
        node = self._nodes.get(beat.node)
        if node is not None and node.incarnation > beat.incarnation:
            return Pulse.SUPERSEDED
        if node is None or (now_us >= node.beat_at_us and not node.is_alive(now_us)):
            return Pulse.LOST  # who beats is no relic of before the clock was set back
        node.beat_at_us = now_us
        return Pulse.ALIVE

    def is_gone(self, name: str, lease: int, now_us: int) -> bool:
        """Whether nobody is behind this lease any more."""
        node = self._nodes.get(name)
        return node is None or lease < first_lease(node.incarnation) or not node.is_alive(now_us)

    def forget_dead(self, holders: set[str], now_us: int) -> None:
        """Forget the dead that hold nothing."""
        for name, node in list(self._nodes.items()):
            if name not in holders and not node.is_alive(now_us):
                del self._nodes[name]

    def views(self, now_us: int) -> list[NodeView]:
        return [
            NodeView(
                node=name,
                incarnation=node.incarnation,
                beat_s=node.beat_s,
                silent_s=(now_us - node.beat_at_us) / 1e6,
                alive=node.is_alive(now_us),
            )
            for name, node in sorted(self._nodes.items())
        ]
