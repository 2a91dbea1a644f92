"""The workers of a pool, and what each has in hand. State only: no I/O, no clock.

A free worker is handed several attempts at once while handlers are short: one trip through
the event loop then serves them all. How many follows the slowest handler of late, so that
what waits in a worker's hand waits a few milliseconds; and what waits behind an attempt that
turns out slow is recalled, and handed back to the store, where it keeps its place. No more
attempts run at once than there are workers.
"""

from collections import deque
from collections.abc import Iterator, Sequence

from ..runtime import Ref
from ..stores import ClaimedTask
from .attempt import Attempt
from .messages import Run

HAND_S = 0.004
"""How long the attempts in one hand may take together, going by the slowest of late."""
HAND_MAX = 16
DECAY = 0.98
"""How fast a slow attempt is forgotten, per attempt ended after it."""


class Slots:
    """Free workers, busy workers with their attempts, and attempts that wait for a worker."""

    def __init__(self) -> None:
        self.waiting: deque[Attempt] = deque()
        self._free: list[Ref[Run]] = []
        self._busy: dict[Ref[Run], list[Attempt]] = {}
        self._lives: dict[Ref[Run], int] = {}
        self._slowest_s = HAND_S

    @property
    def hand(self) -> int:
        """How many attempts a worker is handed at once."""
        return max(1, min(HAND_MAX, int(HAND_S / max(self._slowest_s, 1e-6))))

    @property
    def room(self) -> int:
        """How many more attempts can be dealt now."""
        return max(0, len(self._free) * self.hand - len(self.waiting))

    @property
    def free(self) -> int:
        return len(self._free)

    @property
    def busy(self) -> int:
        return len(self._busy)

    def take_in(self, claimed: Sequence[ClaimedTask]) -> None:
        """New claims, to be dealt."""
        self.waiting.extend(Attempt(task) for task in claimed)

    def deal(self) -> Iterator[tuple[Ref[Run], list[Attempt]]]:
        """Hand what waits to the free workers, by the handful; each pair is to be sent."""
        while self._free and self.waiting:
            worker = self._free.pop()
            attempts = [self.waiting.popleft() for _ in range(min(self.hand, len(self.waiting)))]
            self._busy[worker] = list(attempts)
            yield worker, attempts

    def life_of(self, worker: Ref[Run]) -> int:
        """Which of its lives it announced last."""
        return self._lives[worker]

    def undeal(self, worker: Ref[Run]) -> list[Attempt]:
        """The worker could not be told: it is gone."""
        return self._busy.pop(worker, [])

    def collect(self, worker: Ref[Run]) -> list[Attempt]:
        """Its attempts that are done. With none left in hand it is free."""
        hand = self._busy.get(worker)
        if hand is None:
            return []  # an earlier pool sent them; the fence judges their settlements
        done = [attempt for attempt in hand if attempt.done]
        if done:
            hand[:] = [attempt for attempt in hand if not attempt.done]
            self._pace(done)
        if not hand:
            del self._busy[worker]
            self._free.append(worker)
        return done

    def arrive(self, worker: Ref[Run], life: int) -> list[Attempt]:
        """A worker is up, with nothing in hand; returns what its last life had, done or not."""
        self._lives[worker] = life
        if worker not in self._free:
            self._free.append(worker)
        return self._busy.pop(worker, [])

    def recall(self, slow_since: float) -> list[Attempt]:
        """Take back what waits behind attempts that began before `slow_since`.

        Returns what was taken back, and what was done meanwhile and not yet told.
        """
        found: list[Attempt] = []
        for worker, hand in list(self._busy.items()):
            found += self.collect(worker)
            first = hand[0] if hand else None
            if first is not None and first.began_s is not None and first.began_s < slow_since:
                found += self._take_back(hand)
                # Its kin may be as slow: one at a time, until it is forgotten.
                self._slowest_s = max(self._slowest_s, HAND_S)
        return found

    def drain(self) -> list[Attempt]:
        """Take back all that has not begun."""
        found = list(self.waiting)
        self.waiting.clear()
        for hand in self._busy.values():
            found += self._take_back(hand)
        return found

    def in_hand(self) -> Iterator[Attempt]:
        """All attempts that are with a worker and not known to be done."""
        for hand in self._busy.values():
            yield from hand

    @property
    def crowded(self) -> bool:
        """Somebody waits in a worker's hand."""
        return any(len(hand) > 1 for hand in self._busy.values())

    def _take_back(self, hand: list[Attempt]) -> list[Attempt]:
        back = [attempt for attempt in hand if attempt.recall()]
        hand[:] = [attempt for attempt in hand if not attempt.recalled]
        return back

    def _pace(self, done: Sequence[Attempt]) -> None:
        for attempt in done:
            self._slowest_s = max(attempt.took_s, self._slowest_s * DECAY)
