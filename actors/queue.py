"""A queue's actor: the write side of one queue, up while somebody writes.

It admits enqueues by the limits, takes all that wait as one batch to the store, answers each
producer once its rows are committed, and wakes the pool. It stops when it has been idle for
`IDLE_S` and its rate has recovered; the next enqueue starts it again, so a program that makes up
queue names does not grow.
"""

from collections import deque
from collections.abc import Sequence

from ..runtime import Actor, Envelope, Ref
from ..stores import Added, AddOutcome, TaskRow
from .admission import Admission, Refusal
from .errors import RateLimitExceeded
from .events import Listeners
from .job_events import EVENT_JOB_ADDED, task_event
from .messages import (
    STORE_TIMEOUT_S,
    STORE_TROUBLE,
    Add,
    Count,
    Enqueue,
    EventMessage,
    LookForRoom,
    LookIdle,
    PoolMessage,
    Publish,
    QueueMessage,
    StoreMessage,
    Wake,
    hint,
)
from .store import grouped
from .tracing import log_enqueued

IDLE_S = 60.0
ROOM_S = 0.02
"""How often a queue that producers wait for looks for room."""


class QueueActor(Actor[QueueMessage]):
    """Admission to one queue."""

    def __init__(
        self,
        name: str,
        *,
        store: str,
        pool: str,
        events: str,
        listeners: Listeners,
        admission: Admission,
        tracing: bool,
    ) -> None:
        self._tracing = tracing
        self._name = name
        self._paths = store, pool, events
        self._listeners = listeners
        self._admission = admission
        self._held: deque[tuple[Envelope, Sequence[TaskRow]]] = deque()  # waiting for room
        self._used = True

    async def on_start(self) -> None:
        store, pool, events = self._paths
        self._events: Ref[EventMessage] = self.context.lookup(events)
        self._store: Ref[StoreMessage] = self.context.lookup(store)
        self._pool: Ref[PoolMessage] = self.context.lookup(pool)
        self.context.timers.every("idle", IDLE_S, LookIdle())

    async def receive_batch(self, batch: list[Envelope]) -> None:
        arrived = [(e, e.message.rows) for e in batch if isinstance(e.message, Enqueue)]
        if arrived or self._held:
            self._used = True
            await self._take_in(arrived)
        elif any(isinstance(envelope.message, LookIdle) for envelope in batch):
            if not self._used and self._admission.forget(self._name, self.context.now()):
                self.context.stop()
            self._used = False

    async def _take_in(self, arrived: list[tuple[Envelope, Sequence[TaskRow]]]) -> None:
        """Those who wait first, then those who have just come, as far as there is room."""
        candidates = deque([*self._held, *arrived])
        self._held.clear()
        admitted: list[tuple[Envelope, Sequence[TaskRow]]] = []
        try:
            while candidates:
                envelope, rows = candidates[0]
                refusal = None if envelope.abandoned else await self._refusal(rows, admitted)
                if refusal is not None and self._may_wait(refusal):
                    self._held = candidates  # and all behind it: first come, first served
                    self.context.timers.after("room", ROOM_S, LookForRoom())
                    break
                candidates.popleft()
                if refusal is not None:
                    envelope.fail(refusal)
                elif not envelope.abandoned:
                    self._admission.note_added(self._name, rows)
                    admitted.append((envelope, rows))
            if admitted:
                await grouped(self._add, admitted)
        except STORE_TROUBLE as error:
            for envelope, _ in (*admitted, *candidates):
                envelope.fail(error)
            self._held.clear()

    async def _refusal(
        self, rows: Sequence[TaskRow], admitted: Sequence[tuple[Envelope, Sequence[TaskRow]]]
    ) -> Refusal | None:
        refusal = self._admission.refusal(self._name, rows)
        if refusal is not None or not self._admission.knows(self._name):
            counts = await self._store.ask(Count(queue_name=self._name), timeout_s=STORE_TIMEOUT_S)
            on_their_way = [row for _, part in admitted for row in part]
            self._admission.note_counted(self._name, counts, on_their_way)
            refusal = self._admission.refusal(self._name, rows)
        return refusal or self._admission.too_fast(self._name, len(rows), self.context.now())

    def _may_wait(self, refusal: Refusal) -> bool:
        """Not for room that there will never be."""
        limit = self._admission.limits
        if not limit.wait:
            return False
        # More at once than a rate allows passes when the bucket is full.
        return isinstance(refusal, RateLimitExceeded) or refusal.wanted <= refusal.limit

    async def _add(self, rows: Sequence[TaskRow]) -> Sequence[AddOutcome]:
        outcomes = await self._store.ask(Add(rows=rows), timeout_s=STORE_TIMEOUT_S)
        if any(isinstance(outcome, Added) for outcome in outcomes):
            hint(self._pool, Wake(queue_name=self._name))
        if self._tracing:
            for row, outcome in zip(rows, outcomes, strict=True):
                if isinstance(outcome, Added):
                    log_enqueued(row)
        if self._listeners.wants(EVENT_JOB_ADDED):
            events = [
                task_event(EVENT_JOB_ADDED, row.task_id, self._name)
                for row, outcome in zip(rows, outcomes, strict=True)
                if isinstance(outcome, Added) and row.job_id is None  # a run is no job
            ]
            hint(self._events, Publish(events=events))
        return outcomes
