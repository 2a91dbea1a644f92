"""Who of this process has joined the store, under which incarnation. Lent to the actors.

It outlives them, and so tells a claimer that was started again in a living process (what its
last life held is put back at once) from one in a new process (what the dead one held counts
as an attempt).
"""

from dataclasses import dataclass, field
from math import inf

from ..stores import Beat


@dataclass(slots=True)
class Roster:
    """The claimers that have joined. `beat_s`: how often the store expects a heartbeat.

    None: it expects none, and no node is ever judged dead. `superseded` is the name that another
    process has joined under, once one has.
    """

    beat_s: float | None = None
    superseded: str | None = None
    _incarnations: dict[str, int] = field(default_factory=dict[str, int])
    _heard_at_s: dict[str, float] = field(default_factory=dict[str, float])

    def note(self, node: str, incarnation: int, sent_at_s: float) -> None:
        """It has joined, by a request sent at `sent_at_s`."""
        self._incarnations[node] = incarnation
        self._heard_at_s[node] = sent_at_s

    def note_alive(self, beat: Beat, sent_at_s: float) -> None:
        """The store has acknowledged a beat that was sent then."""
        if self._incarnations.get(beat.node) == beat.incarnation:
            self._heard_at_s[beat.node] = max(self._heard_at_s[beat.node], sent_at_s)

    @property
    def heard_at_s(self) -> float:
        """When the store last acknowledged the one on the roster that it heard of longest ago.

        Event loop seconds; one that joins says nothing of the others.
        """
        return min(self._heard_at_s.values(), default=inf)

    def drop(self, node: str) -> None:
        self._incarnations.pop(node, None)
        self._heard_at_s.pop(node, None)

    def clear(self) -> None:
        """The node was given up: who claims must join anew."""
        self._incarnations.clear()
        self._heard_at_s.clear()

    def incarnation_of(self, node: str) -> int | None:
        return self._incarnations.get(node)

    def beats(self) -> list[Beat]:
        return [Beat(node=name, incarnation=i) for name, i in self._incarnations.items()]
