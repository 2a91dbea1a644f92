"""A queue's actor: the write side of one queue, up while somebody writes.

It takes all enqueues that wait as one batch to the store, answers each producer once its
rows are committed, and wakes the pool. It stops when it has been idle for `IDLE_S`; the next
enqueue starts it again, so a program that makes up queue names does not grow.
"""

from collections.abc import Sequence

from ..runtime import Actor, ActorDied, ActorStopped, AskTimeout, Envelope, Ref
from ..stores import Added, AddOutcome, TaskRow
from .events import Listeners
from .job_events import EVENT_JOB_ADDED, task_event
from .messages import (
    STORE_TIMEOUT_S,
    Add,
    Enqueue,
    EventMessage,
    LookIdle,
    PoolMessage,
    Publish,
    QueueMessage,
    StoreMessage,
    Wake,
    hint,
)
from .store import grouped

IDLE_S = 60.0


class QueueActor(Actor[QueueMessage]):
    """Admission to one queue."""

    def __init__(self, name: str, store: str, pool: str, events: str, listeners: Listeners) -> None:
        self._name = name
        self._paths = store, pool, events
        self._listeners = listeners
        self._used = True

    async def on_start(self) -> None:
        store, pool, events = self._paths
        self._events: Ref[EventMessage] = self.context.lookup(events)
        self._store: Ref[StoreMessage] = self.context.lookup(store)
        self._pool: Ref[PoolMessage] = self.context.lookup(pool)
        self.context.timers.every("idle", IDLE_S, LookIdle())

    async def receive_batch(self, batch: list[Envelope]) -> None:
        enqueues = [(e, e.message.rows) for e in batch if isinstance(e.message, Enqueue)]
        if enqueues:
            self._used = True
            try:
                await grouped(self._add, enqueues)
            except (ActorDied, ActorStopped, AskTimeout) as error:
                # The store's trouble is no crash of this actor: each producer is told.
                for envelope, _ in enqueues:
                    envelope.fail(error)
        elif self._used:
            self._used = False
        else:
            self.context.stop()

    async def _add(self, rows: Sequence[TaskRow]) -> Sequence[AddOutcome]:
        outcomes = await self._store.ask(Add(rows=rows), timeout_s=STORE_TIMEOUT_S)
        if any(isinstance(outcome, Added) for outcome in outcomes):
            hint(self._pool, Wake(queue_name=self._name))
        if self._listeners.wants(EVENT_JOB_ADDED):
            events = [
                task_event(EVENT_JOB_ADDED, row.task_id, self._name)
                for row, outcome in zip(rows, outcomes, strict=True)
                if isinstance(outcome, Added)
            ]
            hint(self._events, Publish(events=events))
        return outcomes
