"""What the actors of a queue say to each other.

Asks point one way (door to queue to store; pool to store); whatever goes back up is a tell.
"""

from collections.abc import Collection, Sequence
from contextlib import suppress
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
    record,
)
from .attempt import Attempt
from .job_events import SchedulerEvent
from .planning import ChangeSchedules, DueSchedules, FindSchedules, FireSchedules

M = TypeVar("M")

STORE_TIMEOUT_S = 60.0
"""For every ask of the store: longer than any store waits for its own lock (SQLite: 30 s)."""
STORE_TROUBLE = (StoreUnavailable, ActorDied, ActorStopped, AskTimeout)
"""What such an ask may end in through no fault of the asker's."""

# -- to the store ---------------------------------------------------------------------------


@record
class Add(Request[Sequence[AddOutcome]]):
    """Store these rows; one outcome each, in order, once they are committed."""

    rows: Sequence[TaskRow]


@record
class Exchange(Request[Exchanged]):
    """Settlements out, claims in, in one transaction."""

    settlements: Sequence[Settlement]
    claims: Claims | None
    survey: bool = False


@record
class Edit(Request[Sequence[Edited]]):
    """Change tasks or queues; one outcome each, in order."""

    changes: Sequence[Change]


@record
class Find(Request[Sequence[TaskView]]):
    """Look at tasks."""

    query: Query


@record
class Count(Request[Counts]):
    """The figures of one queue, or of all."""

    queue_name: str | None


@record
class ListQueues(Request[Sequence[str]]):
    """The names of the queues that hold something or are paused."""


@record
class Remove(Request[int]):
    """Remove tasks for good; how many."""

    what: Purge


@record
class Join(Request[int]):
    """A new incarnation of `node`; see `Store.join`."""

    node: str
    beat_s: float | None
    restarted: bool


@record
class Leave(Request[int]):
    """This incarnation of `node` stops: put back what it holds."""

    node: str
    incarnation: int


@record
class Heartbeat(Request[Sequence[Pulse]]):
    """These nodes live; one answer each, in order."""

    beats: Sequence[Beat]


@record
class Reconcile(Request[Reconciled]):
    """Compare the leases that this incarnation of `node` has with those that it knows of."""

    node: str
    incarnation: int
    held: Collection[int]


@record
class Rescue(Request[list[ClaimedTask]]):
    """Up to `limit` tasks whose holder is gone, for `node`."""

    node: str
    first_lease: int
    limit: int


@record
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
    | ChangeSchedules
    | FindSchedules
    | DueSchedules
    | FireSchedules
)

# -- to a queue -----------------------------------------------------------------------------


@record
class Enqueue(Request[Sequence[AddOutcome]]):
    """Admit and store these tasks, all of this queue; one outcome each, in order."""

    rows: Sequence[TaskRow]


@record
class LookIdle:
    """Has the queue been idle since the last time?"""


@record
class LookForRoom:
    """May producers that wait be served now?"""


QueueMessage = Enqueue | LookIdle | LookForRoom

# -- to a worker ----------------------------------------------------------------------------


@record
class Run:
    """Run these, one after the other, and answer in them; for this life of the worker only."""

    attempts: Sequence[Attempt]
    life: int


# -- to the pool ----------------------------------------------------------------------------


@record
class Ready:
    """A worker is up and has nothing in hand. From a new life: what it had is lost."""

    worker: Ref[Run]
    life: int


@record
class Finished:
    """Attempts that this worker was handed are done: look at them."""

    worker: Ref[Run]


@record
class LookAtWorkers:
    """Time to see whether somebody waits behind a slow attempt."""


@record
class Wake:
    """A hint: this queue, or (None) any queue, may have something ready. May be lost."""

    queue_name: str | None = None


@record
class CancelAttempt:
    """Stop running this task: its lease is void."""

    task_id: UUID
    lease: int


@record
class Drain(Request[None]):
    """Claim no more; answered when all attempts are over and settled.

    After `grace_s` those still running are cancelled and handed back.
    """

    grace_s: float


@record
class Opened:
    """The door is open (again): a drain, if there was one, is over."""


@record
class GraceOver:
    """The grace of a drain has passed."""


@record
class LookAround:
    """Time to ask the store what is ready: an alarm, or the poll."""


@record
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


@record
class SendBeats:
    """Time for a heartbeat."""


# -- to the ears ----------------------------------------------------------------------------


@record
class Listen:
    """Wait for the next hint of another process."""


# -- to the waiters -------------------------------------------------------------------------


@record
class WaitFor(Request[TaskView]):
    """Answered with the task's view once it has ended; fails with `UnknownTask`."""

    task_id: UUID


@record
class Ended:
    """A hint: these tasks may have ended.

    `attempts`, which the store has recorded, and `views` say how. Where the store does not keep
    it, that is the answer.
    """

    task_ids: Sequence[UUID] = ()
    attempts: Sequence[Attempt] = ()
    views: Sequence[TaskView] = ()


@record
class LookAgain:
    """The store knows nothing of these. Has somebody told of them by now?"""

    task_ids: Sequence[UUID]


@record
class LookForEnds:
    """Time to forget those who wait no more, and to look the others up."""


WaiterMessage = WaitFor | Ended | LookAgain | LookForEnds

# -- to the dead letters ----------------------------------------------------------------------


@record
class Requeue(Request[bool]):
    """Give this dead letter a new life."""

    task_id: UUID


@record
class RequeueAll(Request[int]):
    """Give the dead letters of one queue, or of all, a new life; how many."""

    queue_name: str | None


@record
class Expire:
    """Time to prune what is past its time to live."""


@record
class TakeStock:
    """Time to count what the store holds."""


DeadLetterMessage = Requeue | RequeueAll | Expire | TakeStock

# -- to the events ----------------------------------------------------------------------------


@record
class Publish:
    """Pass these on to whoever listens."""

    events: Sequence[SchedulerEvent]


@record
class ListenersChanged:
    """A listener has come, or gone."""


EventMessage = Publish | ListenersChanged


def hint(ref: Ref[M], message: M) -> None:
    """Tell, if it can be told: for messages that may be lost."""
    with suppress(MailboxFull, ActorStopped):
        ref.tell_nowait(message)
