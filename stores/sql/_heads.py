"""Where each lane begins: what PostgreSQL's claims remember, so as not to walk over the dead.

A claimed task leaves an entry behind in the ready index, and while any old snapshot is open (a
backup, a forgotten transaction) no vacuum removes it. Each claim would begin by walking over all
that were claimed since, some 30 ms for 100,000 of them. So it begins where the last one found
something.

Rules:
- What is remembered is a hint. It serves for 20 times as long as it takes to look from the very
  beginning, a second at most: with no dead in the way that is a few milliseconds, and with many a
  twentieth of the time goes into looking. A claim that comes short looks from the beginning too, so
  nothing is ever missed.
- The price is that what *another* process puts back, resumes or revises, or commits later than it
  took the time, may be passed over until then.
- New lanes are seen at once: the gaps between those known are asked about each time.
"""

from collections.abc import Iterable, Sequence
from typing import Final, Protocol

from ._rows import Columns

_SHARE: Final = 20
_SERVES_US_MAX: Final = 1_000_000
_SERVES_US_MIN: Final = 0  # tests raise it
# A lane that has been empty for so long has left nothing behind any more, or not much.
_EMPTY_US_MAX: Final = 600_000_000

Kind = tuple[str, int]
"""The type and priority of a lane."""
Head = tuple[int, int]
"""The run_us and place of its first task."""

BEGINNING: Final[Head] = (-(2**62), 0)
_LOWEST: Final[Kind] = ("", -(2**63))
_HIGHEST: Final[Kind] = ("\U0010ffff" * 256, 2**63 - 1)  # one character longer than any name

_PROBE: Final = (
    "SELECT k.n FROM unnest(?::text[], ?::text[], ?::int8[], ?::int8[], ?::int8[])"
    " WITH ORDINALITY AS k(queue_name, task_type, priority, run_us, place, n)"
    " WHERE EXISTS (SELECT 1 FROM {live} AS t WHERE t.state = 0 AND t.queue_name = k.queue_name"
    " AND t.task_type = k.task_type AND t.priority = k.priority"
    " AND (t.run_us, t.place) >= (k.run_us, k.place))"
    " AND NOT EXISTS (SELECT 1 FROM {paused} AS p WHERE p.queue_name = k.queue_name)"
    " UNION ALL"
    " SELECT -g.n FROM unnest(?::text[], ?::text[], ?::int8[], ?::text[], ?::int8[])"
    " WITH ORDINALITY AS g(queue_name, low_type, low, high_type, high, n)"
    " WHERE EXISTS (SELECT 1 FROM {live} AS t WHERE t.state = 0 AND t.queue_name = g.queue_name"
    " AND (t.task_type, t.priority) > (g.low_type, g.low)"
    " AND (t.task_type, t.priority) < (g.high_type, g.high))"
    " AND NOT EXISTS (SELECT 1 FROM {paused} AS p WHERE p.queue_name = g.queue_name)"
)


class Asking(Protocol):
    """What is used of a transaction."""

    now_us: int

    def rows(self, template: str, *parameters: object) -> Sequence[Columns]: ...


class Heads:
    """Of each queue, when it was looked at, and where its lanes began then or since."""

    def __init__(self) -> None:
        self._looked: dict[str, tuple[int, int]] = {}  # when, and until when it serves
        self._heads: dict[str, dict[Kind, Head]] = {}

    def forget(self) -> None:
        """Something was put back: look from the beginning."""
        self._looked.clear()

    def head(self, name: str, kind: Kind) -> Head:
        """Where a claim of this lane is to begin."""
        return self._heads.get(name, {}).get(kind, BEGINNING)

    def claimed(self, name: str, kind: Kind, first: Head) -> None:
        """The lane began with this task."""
        self._heads.setdefault(name, {})[kind] = first

    def looked(
        self, name: str, found: Iterable[tuple[Kind, Head]], now_us: int, took_us: int
    ) -> None:
        """These are all lanes of a queue, and it took so long to find them."""
        serves_us = min(max(_SHARE * took_us, _SERVES_US_MIN), _SERVES_US_MAX)
        self._looked[name] = (now_us, now_us + serves_us)
        oldest_us = now_us - _EMPTY_US_MAX
        old = self._heads.pop(name, {})
        heads = {kind: head for kind, head in old.items() if head[0] > oldest_us} | dict(found)
        if heads:
            self._heads[name] = heads

    def probe(self, tx: Asking, queues: Sequence[str]) -> dict[str, list[Kind]]:
        """The lanes with tasks, of those queues for which memory serves."""
        known: dict[str, list[Kind]] = {}
        for name in queues:
            looked_us, until_us = self._looked.get(name, (0, 0))
            if looked_us <= tx.now_us < until_us:
                known[name] = sorted(self._heads.get(name, {}))
        if not known:
            return {}
        lanes = [(name, kind) for name, kinds in known.items() for kind in kinds]
        gaps = [
            (name, low, high)
            for name, kinds in known.items()
            for low, high in zip((_LOWEST, *kinds), (*kinds, _HIGHEST), strict=True)
        ]
        rows = [(name, *kind, *self.head(name, kind)) for name, kind in lanes]
        holes = [(name, *low, *high) for name, low, high in gaps]
        found: dict[str, list[Kind]] = {name: [] for name in known}
        for row in tx.rows(_PROBE, *_columns(rows), *_columns(holes)):
            number = int(row[0])
            if number > 0:
                name, kind = lanes[number - 1]
                if name in found:
                    found[name].append(kind)
            else:  # there is a lane that is not known
                found.pop(gaps[-number - 1][0], None)
        return found


def _columns(rows: Sequence[tuple[str | int, ...]]) -> list[list[str | int]]:
    return [[row[column] for row in rows] for column in range(5)]
