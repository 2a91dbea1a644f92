"""A claimer's standing with the store: its incarnation, and lease numbers that it uses once."""

from collections.abc import Callable, Collection, Sequence

from ..runtime import Ref
from ..stores import ClaimedTask, Claims
from ..stores.lease import drawn_lease
from .messages import STORE_TIMEOUT_S, Join, Leave, Reconcile, Rescue, StoreMessage
from .roster import Roster

LOOK_AT_LEASES_S = 5.0
"""How often leases are compared with the store's at least."""
LEAVE_S = 2.0
"""How long a claimer that stops waits for the store to take back what it held."""


class Claimer:
    """Joins as `node`. Each call but the first two may raise one of `STORE_TROUBLE`."""

    def __init__(
        self,
        node: str,
        store: Ref[StoreMessage],
        roster: Roster,
        now: Callable[[], float],
        random: Callable[[], float],
    ) -> None:
        self.node = node
        self._store = store
        self._roster = roster
        self._now = now
        self._random = random
        self._incarnation = 0
        self._next_lease = 0

    @property
    def has_joined(self) -> bool:
        """Not before it has, and not once the node was given up."""
        return self._incarnation == self._roster.incarnation_of(self.node)

    @property
    def was_given_up(self) -> bool:
        """It had joined, and has lost that: what it holds is not its own any more."""
        return self._incarnation > 0 and not self.has_joined

    def offer(self, count: int) -> int:
        """The first of `count` leases. None is used twice, though an answer be lost."""
        first = self._next_lease
        self._next_lease += count
        return first

    def take_back(self, claims: Claims, claimed: Sequence[ClaimedTask]) -> None:
        """Of an answered claim, the numbers that went to nobody, if none were offered since.

        A busy pool asks for more than it gets, thousands of times a second: its numbers would
        last for days, and not for years.
        """
        self._take_back(claims.first_lease, sum(each.limit for each in claims.queues), claimed)

    def _take_back(self, first: int, count: int, used: Sequence[ClaimedTask]) -> None:
        if self._next_lease == first + count:
            self._next_lease = max((each.lease + 1 for each in used), default=first)

    async def join(self) -> None:
        """Take a new incarnation. What an earlier life in this process held is put back."""
        sent_at_s = self._now()
        request = Join(
            node=self.node,
            beat_s=self._roster.beat_s,
            restarted=self._roster.incarnation_of(self.node) is not None,
        )
        self._incarnation = await self._store.ask(request, timeout_s=STORE_TIMEOUT_S)
        self._next_lease = drawn_lease(self._incarnation, self._random())
        self._roster.note(self.node, self._incarnation, sent_at_s)

    async def reconcile(self, held: Collection[int]) -> frozenset[int]:
        """Put back what it does not know that it holds; which of `held` are void."""
        request = Reconcile(node=self.node, incarnation=self._incarnation, held=held)
        return (await self._store.ask(request, timeout_s=STORE_TIMEOUT_S)).void

    async def rescue(self, limit: int) -> list[ClaimedTask]:
        """Take over tasks whose holder is gone."""
        first = self.offer(limit)
        request = Rescue(node=self.node, first_lease=first, limit=limit)
        rescued = await self._store.ask(request, timeout_s=STORE_TIMEOUT_S)
        self._take_back(first, limit, rescued)
        return rescued

    async def leave(self) -> None:
        """Put back what it holds. A node that was given up leaves nothing: see `Store.rescue`."""
        if self.has_joined:
            request = Leave(node=self.node, incarnation=self._incarnation)
            await self._store.ask(request, timeout_s=LEAVE_S)
            self._roster.drop(self.node)
