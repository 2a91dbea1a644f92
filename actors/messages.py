"""What the actors of a queue say to each other.

Asks point one way (door to queue to store; pool to store); whatever goes back up is a tell.
"""

from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID

from ..runtime import ActorDied, ActorStopped, AskTimeout, MailboxFull, Ref, Request
from ..stores import (
    AddOutcome,
    Beat,
    Change,
    ClaimedTask,
    Claims,
    Counts,
    Edited,
    Exchanged,
    NodeView,
    Pulse,
    Purge,
    Query,
    Reconciled,
    Settlement,
    StoreUnavailable,
    TaskRow,
    TaskView,
)
from .attempt import Attempt
from .job_events import JobEvent
from .outcome import Outcome

M = TypeVar("M")

STORE_TIMEOUT_S = 60.0
"""For every ask of the store: longer than any store waits for its own lock (SQLite: 30 s)."""
STORE_TROUBLE = (StoreUnavailable, ActorDied, ActorStopped, AskTimeout)
"""What such an ask may end in through no fault of the asker's."""

# -- to the store ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Add(Request[Sequence[AddOutcome]]):
    """Store these rows; one outcome each, in order, once they are committed."""

    rows: Sequence[TaskRow]


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange(Request[Exchanged]):
    """Settlements out, claims in, in one transaction."""

    settlements: Sequence[Settlement]
    claims: Claims | None
    survey: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit(Request[Sequence[Edited]]):
    """Change tasks or queues; one outcome each, in order."""

    changes: Sequence[Change]


@dataclass(frozen=True, slots=True, kw_only=True)
class Find(Request[Sequence[TaskView]]):
    """Look at tasks."""

    query: Query


@dataclass(frozen=True, slots=True, kw_only=True)
class Count(Request[Counts]):
    """The figures of one queue, or of all."""

    queue_name: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListQueues(Request[Sequence[str]]):
    """The names of the queues that hold something or are paused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remove(Request[int]):
    """Remove tasks for good; how many."""

    what: Purge


@dataclass(frozen=True, slots=True, kw_only=True)
class Join(Request[int]):
    """A new incarnation of `node`; see `Store.join`."""

    node: str
    beat_s: float | None
    restarted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Leave(Request[int]):
    """This incarnation of `node` stops: put back what it holds."""

    node: str
    incarnation: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat(Request[Sequence[Pulse]]):
    """These nodes live; one answer each, in order."""

    beats: Sequence[Beat]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconcile(Request[Reconciled]):
    """Compare the leases that this incarnation of `node` has with those that it knows of."""

    node: str
    incarnation: int
    held: Collection[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rescue(Request[list[ClaimedTask]]):
    """Up to `limit` tasks whose holder is gone, for `node`."""

    node: str
    first_lease: int
    limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ListNodes(Request[Sequence[NodeView]]):
    """The nodes of the store."""


StoreMessage = (
    Add
    | Exchange
    | Edit
    | Find
    | Count
    | ListQueues
    | Remove
    | Join
    | Leave
    | Heartbeat
    | Reconcile
    | Rescue
    | ListNodes
)

# -- to a queue -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Enqueue(Request[Sequence[AddOutcome]]):
    """Admit and store these tasks, all of this queue; one outcome each, in order."""

    rows: Sequence[TaskRow]


@dataclass(frozen=True, slots=True, kw_only=True)
class LookIdle:
    """Has the queue been idle since the last time?"""


@dataclass(frozen=True, slots=True, kw_only=True)
class LookForRoom:
    """May producers that wait be served now?"""


QueueMessage = Enqueue | LookIdle | LookForRoom

# -- to a worker ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Run these, one after the other, and answer in them; for this life of the worker only."""

    attempts: Sequence[Attempt]
    life: int


# -- to the pool ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """A worker is up and has nothing in hand. From a new life: what it had is lost."""

    worker: Ref[Run]
    life: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """Attempts that this worker was handed are done: look at them."""

    worker: Ref[Run]


@dataclass(frozen=True, slots=True, kw_only=True)
class LookAtWorkers:
    """Time to see whether somebody waits behind a slow attempt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wake:
    """A hint: this queue, or (None) any queue, may have something ready. May be lost."""

    queue_name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelAttempt:
    """Stop running this task: its lease is void."""

    task_id: UUID
    lease: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Drain(Request[None]):
    """Claim no more; answered when all attempts are over and settled.

    After `grace_s` those still running are cancelled and handed back.
    """

    grace_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """The door is open (again): a drain, if there was one, is over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GraceOver:
    """The grace of a drain has passed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LookAround:
    """Time to ask the store what is ready: an alarm, or the poll."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LookAtLeases:
    """Time to compare leases with the store, and to look for tasks whose holder is gone."""


PoolMessage = (
    Ready
    | Finished
    | LookAtWorkers
    | Wake
    | CancelAttempt
    | Drain
    | Opened
    | GraceOver
    | LookAround
    | LookAtLeases
)

# -- to the membership ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class SendBeats:
    """Time for a heartbeat."""


# -- to the waiters -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitFor(Request[TaskView]):
    """Answered with the task's view once it has ended; fails with `UnknownTask`."""

    task_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A hint: these tasks may have ended."""

    task_ids: Sequence[UUID]


@dataclass(frozen=True, slots=True, kw_only=True)
class LookForEnds:
    """Time to forget those who wait no more, and to look the others up."""


WaiterMessage = WaitFor | Ended | LookForEnds

# -- to the dead letters ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Requeue(Request[bool]):
    """Give this dead letter a new life."""

    task_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class RequeueAll(Request[int]):
    """Give the dead letters of one queue, or of all, a new life; how many."""

    queue_name: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Expire:
    """Time to prune what is past its time to live."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeStock:
    """Time to count what the store holds."""


DeadLetterMessage = Requeue | RequeueAll | Expire | TakeStock


# -- to the puller ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Pull(Request[ClaimedTask | None]):
    """Claim the next task of this queue, or (None) of any, for somebody outside."""

    queue_name: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SettlePulled(Request[bool]):
    """How a pulled task ended; False when it is not in anybody's hands any more."""

    task_id: UUID
    outcome: Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class GiveBack:
    """A pulled task's timeout has passed."""

    task_id: UUID
    lease: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LookAtPulled:
    """Time to compare the leases of what is in somebody's hands with the store's."""


PullerMessage = Pull | SettlePulled | GiveBack | LookAtPulled

# -- to the events ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Publish:
    """Pass these on to whoever listens."""

    events: Sequence[JobEvent]


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenersChanged:
    """A listener has come, or gone."""


EventMessage = Publish | ListenersChanged


def hint(ref: Ref[M], message: M) -> None:
    """Tell, if it can be told: for messages that may be lost."""
    with suppress(MailboxFull, ActorStopped):
        ref.tell_nowait(message)
