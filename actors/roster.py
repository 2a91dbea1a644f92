"""Who of this process has joined the store, under which incarnation. Lent to the actors.

It outlives them, and so tells a claimer that was started again in a living process (what its
last life held is put back at once) from one in a new process (what the dead one held counts
as an attempt).
"""

from dataclasses import dataclass, field

from ..stores import Beat


@dataclass(slots=True)
class Roster:
    """The claimers that have joined. `beat_s`: how often the store expects a heartbeat.

    None: it expects none, and no node is ever judged dead. `superseded` is the name that another
    process has joined under, once one has.
    """

    beat_s: float | None = None
    superseded: str | None = None
    heard_at_s: float = 0.0
    """When the last request was sent that the store has acknowledged (event loop seconds)."""
    _incarnations: dict[str, int] = field(default_factory=dict[str, int])

    def note(self, node: str, incarnation: int, sent_at_s: float) -> None:
        """It has joined, by a request sent at `sent_at_s`."""
        self._incarnations[node] = incarnation
        self.heard_at_s = sent_at_s

    def drop(self, node: str) -> None:
        self._incarnations.pop(node, None)

    def clear(self) -> None:
        """The node was given up: who claims must join anew."""
        self._incarnations.clear()

    def incarnation_of(self, node: str) -> int | None:
        return self._incarnations.get(node)

    def beats(self) -> list[Beat]:
        return [Beat(node=name, incarnation=i) for name, i in self._incarnations.items()]
