"""The store port: where tasks are kept. Every store passes `oncue.testing.store_suite`.

docs/writing-a-store.md goes through it with an example.

Rules:
- A store moves rows and decides nothing: what is retried, how long a back-off is, what is
  admitted, is its callers' business.
- A few batch calls. Each is one transaction: all of it happened or nothing, and one row's
  refusal is that row's alone. Where an engine cannot, `Store.guarantees` has no `WHOLE_CALLS`.
- The live table holds live tasks only. Settling for good deletes from it and writes the
  outcome among results or dead letters in the same transaction.
- An id is in one place at a time: live, a result, or a dead letter.
- Order of claims within a queue: priority (high first), then `run_at`, then order of adding.
  `run_at` is when the task became or becomes due; a hand-back or a resume keeps it. A dead letter
  that is given a new life is added anew, behind all others.
- A schedule's version is one more after each change and never comes back, not even when the
  schedule is removed and another added under its id: so of all who fire one version, one does.
- What is due, and which node is dead, is judged by the store's own clock (`StoreClock`),
  never by the caller's.
- A cancelled call has an unknown outcome: all or nothing, or without `WHOLE_CALLS` a part.
  Repeating `add` with the same ids and `exchange` with the same settlements is harmless; a
  `fire` repeated is overtaken.
- Calls raise `StoreUnavailable` when the store does not answer and `StoreClosed` when it is
  not open; nothing else is raised for what is in the store. What the caller got wrong is a
  ValueError or TypeError, before anything has changed.
- Calls of one store may overlap: `next_hint` and `durability` do. `open` and `close` may be called
  by different tasks, and between two openings the event loop may be another.
- Durations that are negative or no number count as 0 and a hundred years is the longest
  (`duration_us`): one of them must not spoil the batch that it is in.
- What `task.TaskData` takes, all stores take: names of 255 characters (1020 bytes), and payloads
  and results of 4 MiB.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from enum import Enum
from typing import Final, Protocol, runtime_checkable
from uuid import UUID

from ._record import record
from .records import (
    AddOutcome,
    ClaimedTask,
    Counts,
    FireOutcome,
    Holder,
    NodeView,
    ScheduleView,
    TaskRow,
    TaskView,
)
from .requests import Beat, Change, Claims, Fire, Purge, Query, ScheduleChange, Settlement

BEATS_MISSED_MAX: Final = 4
"""A node is dead once its last heartbeat is so many of its intervals old; or an interval ahead of
the store's clock, which was set back: else who died before that would hold its tasks until then.
`is_alive` is this rule."""


def is_alive(beat_s: float | None, silent_s: float) -> bool:
    """Whether a node lives that beats each `beat_s` and was last heard of `silent_s` ago.

    By the store's clock; without `beat_s` it is never judged.
    """
    return beat_s is None or -beat_s < silent_s < BEATS_MISSED_MAX * beat_s


@record
class Survey:
    """Where there is work. `queues` names all queues with live tasks; `next_due_s` is how long
    until the next delayed task of any queue is due (0: at once; None: none is delayed).
    """

    queues: tuple[str, ...]
    next_due_s: float | None


@record
class Exchanged:
    """What an exchange brought.

    `claimed` is in the order of the claims, within each in the order of the queue.
    `refused` are the settlements whose lease was no longer the task's; nothing of them was
    written. `more` names the claimed queues that gave all that was asked and may have more
    ready. `survey` is there when it was asked for, and when a claim came back short.
    """

    claimed: list[ClaimedTask]
    refused: list[Settlement]
    more: frozenset[str]
    survey: Survey | None


class Pulse(Enum):
    """What the store answers to a heartbeat."""

    ALIVE = "alive"
    """It was noted: what the node holds is its own."""
    LOST = "lost"
    """The node was given up, or never joined: what it held is, or will be, handed on."""
    SUPERSEDED = "superseded"
    """Somebody joined under the node's name since: two processes have one name."""


@record
class Reconciled:
    """What a claimer and the store did not agree on.

    `void` are the leases that the claimer holds and that are no task's any more: cancelled, or
    handed on. `returned` is how many tasks the store counted as the claimer's, and put back.
    """

    void: frozenset[int]
    returned: int


@record
class Edited:
    """What a change did: how many tasks (or queues) it changed, 0 where it did not apply.

    `queue_name` is the queue of the task changed; `holder` had the lease that a cancel voided.
    """

    count: int
    queue_name: str | None = None
    holder: Holder | None = None


@record
class Due:
    """The schedules to fire at `now`, the store's time, in the order of (`next_run_at`, `job_id`).

    `next_due_s` is how long until the next one of those that are not due yet (None: there is
    none, or each of them is paused).
    """

    now: datetime
    schedules: list[ScheduleView]
    next_due_s: float | None


@runtime_checkable
class Hinting(Protocol):
    """A store by which processes can give each other hints has this as well."""

    async def next_hint(self) -> str | None:
        """Wait for the next one: the queue that may have something ready, or None: anything.

        A hint may be lost. It waits only, and holds up no other call; cancelled, it ends at once.
        Raises StoreUnavailable and StoreClosed.
        """
        ...


@record
class Durability:
    """What an acknowledged task outlives, as the server is set at the moment.

    `summary` names the settings; `warnings` are sentences on when a task can be lost all the same.
    """

    summary: str
    warnings: tuple[str, ...]


@runtime_checkable
class Assuring(Protocol):
    """A store whose server decides how durable things are has this as well."""

    async def durability(self) -> Durability:
        """Ask the server. Raises StoreUnavailable and StoreClosed."""
        ...


class Guarantee(Enum):
    """What most engines give, and not all.

    `WHOLE_CALLS`: a call is one transaction. Without it each row moves by itself: who looks, or
    was cancelled, may find a part of them moved, and to repeat the call moves the others.
    A `purge` may go in parts either way.
    `WHOLE_FIRES`: a schedule moves on in the instant in which its runs are there. Without it they
    are there first.
    """

    WHOLE_CALLS = "whole calls"
    WHOLE_FIRES = "whole fires"


class Store(Protocol):
    """Where tasks are kept.

    Settings of the store itself, not of its calls: `result_ttl_s`, `dead_letter_ttl_s`, and
    whether results are also limited in number.
    """

    @property
    def guarantees(self) -> frozenset[Guarantee]:
        """What this store gives; by its server, once it has been opened."""
        ...

    async def open(self) -> None:
        """Connect and prepare what is needed. Harmless when open.

        Raises StoreUnavailable; may be tried again. What was written by a version that this one
        cannot read is refused with an error of the store's own, and left as it is.
        """
        ...

    async def close(self) -> None:
        """Let go of connections, also when cancelled. Harmless when closed.

        What is kept is still there at `open`. Whoever waits for a hint is cancelled first.
        """
        ...

    # -- nodes ------------------------------------------------------------------------------

    async def join(self, node: str, *, beat_s: float | None = None, restarted: bool = False) -> int:
        """A new incarnation of `node`: a number greater than any this store ever gave.

        The claimer's lease numbers start at `lease.drawn_lease` of it, and so at or above
        `lease.first_lease`. From now on the node is dead when no `heartbeat` came for
        `BEATS_MISSED_MAX` times `beat_s` seconds (None: it is never judged). What its older
        incarnations hold is for `rescue`; with `restarted` it is put back instead, as by
        `Back`: then the process lives on, and only the actor in it that claims has died.
        """
        ...

    async def leave(self, node: str, incarnation: int) -> int:
        """The node stops: what it holds is put back, as by `Back`, and its name forgotten.

        What older incarnations of it hold, too. Returns how many; 0 as well where the incarnation
        is no longer the node's.
        """
        ...

    async def heartbeat(self, beats: Sequence[Beat]) -> list[Pulse]:
        """Note that these nodes live; one answer per beat, in order.

        A beat that comes too late revives nobody: its node may have been rescued from. But where
        the last one lies in the future the clock was set back, and who beats now is alive.
        """
        ...

    async def reconcile(self, node: str, incarnation: int, held: Collection[int]) -> Reconciled:
        """Compare the leases that `node` holds under `incarnation` with `held`, its own list.

        What only the store has is put back, as by `Back`: an answer was lost on its way. What only
        `held` has is void. What older incarnations hold is left for `rescue`. The claimer calls
        this while none of its exchanges is under way.
        """
        ...

    async def rescue(self, node: str, first_lease: int, limit: int) -> list[ClaimedTask]:
        """Take over up to `limit` running tasks whose holder is gone, for `node` to settle.

        Gone is who is dead, has left, or has joined anew since (see `join`). They get the
        leases `first_lease`, `first_lease + 1`, ... in the order returned, and keep
        `started_at`. A dead node that holds nothing any more is forgotten. Who is gone itself
        gets nothing.
        """
        ...

    async def nodes(self) -> list[NodeView]:
        """The nodes that have joined and neither left nor been forgotten, sorted by name."""
        ...

    # -- tasks ------------------------------------------------------------------------------

    async def add(self, rows: Sequence[TaskRow]) -> list[AddOutcome]:
        """Take new tasks; one outcome per row, in order.

        The same id twice in one call is known the second time. Each row becomes due at the
        later of now + `delay_s` and `scheduled_at`. When the call returns, the tasks are as
        durable as the store makes anything.
        """
        ...

    async def exchange(
        self,
        settlements: Sequence[Settlement],
        claims: Claims | None = None,
        *,
        survey: bool = False,
    ) -> Exchanged:
        """Settle what ended, then claim what is ready, then look around: one transaction.

        A task settled into "due now" may be claimed by the same call. A paused queue gives
        nothing, and who is gone (see `rescue`; its incarnation is that of `first_lease`) gets
        nothing: others would take it over at once. But its settlements count while it has the
        leases. Each claim writes the lease, the node and `started_at`, which a hand-back keeps.
        Raises ValueError for a limit below 0.
        """
        ...

    async def edit(self, changes: Sequence[Change]) -> list[Edited]:
        """Apply changes in order; one outcome per change. What does not apply has count 0."""
        ...

    async def find(self, query: Query) -> list[TaskView]:
        """Look, changing nothing.

        One instant's view; or of a long list a view of each of its parts, with no task twice.
        """
        ...

    async def count(self, queue_name: str | None = None) -> Counts:
        """The figures of one queue (all zero for a name never heard of) or of the whole store."""
        ...

    async def queues(self) -> list[str]:
        """The names of all queues that hold live tasks or dead letters or are paused, sorted."""
        ...

    async def purge(self, what: Purge) -> int:
        """Remove rows for good, whatever runs excepted. Returns how many.

        Their ids are unknown afterwards and may be added again. It may go in parts, so that nobody
        waits for it: what failed or was cancelled has removed some, and is repeated for the others.
        """
        ...

    # -- schedules --------------------------------------------------------------------------

    async def plan(self, changes: Sequence[ScheduleChange]) -> list[bool]:
        """Apply changes in order; whether each applied."""
        ...

    async def due(self, limit: int, after: tuple[datetime, UUID] | None = None) -> Due:
        """Look for up to `limit` schedules that are due, changing nothing.

        `after` is the `next_run_at` and `job_id` of the last one seen, to go on behind it: so those
        that nobody here can fire block nobody. `next_due_s` is the same on every page.
        """
        ...

    async def fire(self, fires: Sequence[Fire]) -> list[FireOutcome]:
        """Fire schedules, in order; one outcome each.

        The runs are added as by `add`. Each fire either moves its schedule on and adds its runs,
        or finds it overtaken and does nothing.
        """
        ...

    async def schedules(
        self, job_ids: Sequence[UUID] | None = None, *, limit: int = 1000, after: int = 0
    ) -> list[ScheduleView]:
        """Up to `limit` schedules in the order added, beginning behind the one numbered `after`.

        With `job_ids`, those of them that are there, all and in the order asked.
        """
        ...
