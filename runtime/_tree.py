"""A snapshot of the tree: plain data, printable, the same shape before and while it runs."""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One actor or supervisor at one moment.

    `kind` is `actor` or the supervisor's strategy; `mailbox_depth` counts messages accepted
    and not yet taken; `oldest_age_s` is how long the oldest of them has waited, exact to
    within 128 messages; `current` is the type of the message being handled; `in_hand` counts
    messages taken and not finished, asks kept to be answered later among them; `idle` says that
    the actor waits at its empty mailbox; `last_crash` is the repr of the last crash's exception.
    """

    path: str
    kind: str
    state: str = "new"
    generation: int = 0
    capacity: int = 0
    mailbox_depth: int = 0
    oldest_age_s: float = 0.0
    handled: int = 0
    restarts: int = 0
    current: str | None = None
    in_hand: int = 0
    idle: bool = False
    last_crash: str | None = None
    children: tuple["Node", ...] = ()

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]

    def walk(self) -> Iterator["Node"]:
        """This node, then all below it, in start order."""
        yield self
        for child in self.children:
            yield from child.walk()

    def __str__(self) -> str:
        return "\n".join(self._lines("", ""))

    def _lines(self, head: str, indent: str) -> Iterator[str]:
        yield head + self._line()
        for child in self.children:
            last = child is self.children[-1]
            yield from child._lines(
                indent + ("└── " if last else "├── "), indent + ("    " if last else "│   ")
            )

    def _line(self) -> str:
        parts = [self.name]
        parts.append(self.state if self.kind == "actor" else f"[{self.kind}] {self.state}")
        if self.kind == "actor" and self.state != "new":
            parts.append(f"{self.mailbox_depth}/{self.capacity} queued")
            if self.mailbox_depth:
                parts.append(f"oldest {self.oldest_age_s:.1f} s")
            parts.append(f"{self.handled} handled")
        if self.restarts:
            parts.append(f"{self.restarts} restarts")
        if self.current:
            parts.append(f"now {self.current}")
        if self.last_crash:
            parts.append(f"last crash {self.last_crash}")
        return "  ".join(parts)
