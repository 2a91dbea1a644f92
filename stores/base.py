"""The store port: where tasks are kept. Every store passes `oncue.testing.store_suite`.

Rules:
- A store moves rows and decides nothing: what is retried, how long a back-off is, what is
  admitted, is its callers' business.
- A few batch calls. Each is one transaction: all of it happened or nothing, and one row's
  refusal is that row's alone.
- The live table holds live tasks only. Settling for good deletes from it and writes the
  outcome among results or dead letters in the same transaction.
- An id is in one place at a time: live, a result, or a dead letter.
- Order of claims within a queue: priority (high first), then `run_at`, then order of adding.
  `run_at` is when the task became or becomes due; a hand-back or a resume keeps it.
- What is due is judged by the store's own clock (`StoreClock`), never by the caller's.
- A cancelled call has an unknown outcome: all or nothing. Repeating `add` with the same ids
  and `exchange` with the same settlements is harmless.
- Calls raise `StoreUnavailable` when the store does not answer and `StoreClosed` when it is
  not open; nothing else is raised for what is in the store.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from .records import AddOutcome, ClaimedTask, Counts, Holder, TaskRow, TaskView
from .requests import Change, Claims, Purge, Query, Settlement


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchanged:
    """What an exchange brought.

    `claimed` is in the order of the claims, within each in the order of the queue.
    `refused` are the settlements whose lease was no longer the task's; nothing of them was
    written. `more` names the claimed queues that gave all that was asked and may have more
    ready. `queues` names all queues with live tasks. `next_due_s` is how long until the
    next delayed task of any queue is due (0: at once; None: none is delayed).
    """

    claimed: list[ClaimedTask]
    refused: list[Settlement]
    more: frozenset[str]
    queues: tuple[str, ...]
    next_due_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Edited:
    """What a change did: how many tasks (or queues) it changed, 0 where it did not apply.

    `queue_name` is the queue of the task changed; `holder` had the lease that a cancel voided.
    """

    count: int
    queue_name: str | None = None
    holder: Holder | None = None


class Store(Protocol):
    """Where tasks are kept.

    Settings of the store itself, not of its calls: `result_ttl_s`, `dead_letter_ttl_s`, and
    whether results are also limited in number.
    """

    async def open(self) -> None:
        """Connect and prepare what is needed. Harmless when open.

        Raises StoreUnavailable; may be tried again.
        """
        ...

    async def close(self) -> None:
        """Let go of connections. Harmless when closed. What is kept is still there at `open`."""
        ...

    async def join(self, node: str) -> int:
        """A new incarnation of `node`: a number greater than any this store ever gave.

        The claimer's lease numbers start at `lease.first_lease` of it.
        """
        ...

    async def add(self, rows: Sequence[TaskRow]) -> list[AddOutcome]:
        """Take new tasks; one outcome per row, in order.

        The same id twice in one call is known the second time. Each row becomes due at the
        later of now + `delay_s` and `scheduled_at`. When the call returns, the tasks are as
        durable as the store makes anything.
        """
        ...

    async def exchange(
        self, settlements: Sequence[Settlement], claims: Claims | None = None
    ) -> Exchanged:
        """Settle what ended, then claim what is ready: one transaction.

        A task settled into "due now" may be claimed by the same call. A paused queue gives
        nothing. Each claim writes the lease, the node and `started_at`.
        """
        ...

    async def edit(self, changes: Sequence[Change]) -> list[Edited]:
        """Apply changes in order; one outcome per change. What does not apply has count 0."""
        ...

    async def hand_back(self, node: str, before: int) -> int:
        """Put back all tasks that `node` holds under incarnations lower than `before`.

        For a pool that died between claim and start: its next incarnation calls this first.
        Like `Back` it counts as no attempt. Returns how many.
        """
        ...

    async def find(self, query: Query) -> list[TaskView]:
        """Look, changing nothing. One instant's view."""
        ...

    async def count(self, queue_name: str | None = None) -> Counts:
        """The figures of one queue (all zero for a name never heard of) or of the whole store."""
        ...

    async def queues(self) -> list[str]:
        """The names of all queues that hold live tasks or dead letters or are paused, sorted."""
        ...

    async def purge(self, what: Purge) -> int:
        """Remove rows for good, whatever runs excepted. Returns how many.

        Their ids are unknown afterwards and may be added again.
        """
        ...
