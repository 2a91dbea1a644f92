"""How a queue's facade reaches the actors of its graph: what every call on it goes through."""

from collections.abc import Callable, Sequence
from math import inf
from typing import Any, TypeVar
from uuid import UUID

from anyio import sleep

from oncue.actors import Entrance, Inside, Listeners, QueueNotRunning
from oncue.actors.job_events import SchedulerEvent, task_event
from oncue.actors.messages import STORE_TIMEOUT_S, Edit, Enqueue, Publish, Wake, hint
from oncue.runtime import ActorDied, ActorStopped, AskTimeout, Clock, Entropy, Ref, Request
from oncue.stores import AddOutcome, Change, Edited, StoreUnavailable, TaskRow

R = TypeVar("R")

RESTART_S = 0.01
"""How often to look whether the supervisor of the queues' actors is up again."""


class QueueAsks:
    """Asks, edits and enqueues, while the entrance is open. It keeps no task and no figure."""

    def __init__(self, name: str, *, clock: Clock, entropy: Entropy) -> None:
        self.name = name
        self._clock = clock
        self._entropy = entropy
        self._entrance = Entrance(name)
        self._listeners = Listeners()

    def _publish(self, code: int, make: Callable[[], SchedulerEvent]) -> None:
        if self._listeners.wants(code):
            hint(self._inside.events, Publish(events=[make()]))

    def _publish_change(self, code: int, task_id: UUID, edited: Edited) -> None:
        if edited.count:
            self._publish(code, lambda: task_event(code, task_id, edited.queue_name or ""))

    @property
    def _inside(self) -> Inside:
        return self._entrance.inside

    async def _ask(self, request: Request[R], *, timeout_s: float = STORE_TIMEOUT_S) -> R:
        return await self._ask_of(self._inside.store, request, timeout_s=timeout_s)

    async def _ask_of(
        self, actor: Ref[Any], request: Request[R], *, timeout_s: float = STORE_TIMEOUT_S
    ) -> R:
        """For what the store has to answer, directly or through another actor.

        Raises `StoreUnavailable` where it is too slow or crashes over it.
        """
        try:
            return await actor.ask(request, timeout_s=timeout_s)
        except ActorStopped:  # with the whole graph: these are never stopped alone
            raise QueueNotRunning(self.name) from None
        except (AskTimeout, ActorDied) as error:
            raise self._unavailable(error) from error

    def _unavailable(self, error: AskTimeout | ActorDied) -> StoreUnavailable:
        """What people are told, who know of no actors. To be raised from `error`."""
        return StoreUnavailable(self.name, str(error))

    async def _edit(self, change: Change) -> Edited:
        (edited,) = await self._ask(Edit(changes=[change]))
        return edited

    def _wake(self, queue_name: str | None = None) -> None:
        if self._entrance.is_open:
            hint(self._inside.pool, Wake(queue_name=queue_name))

    async def _add_within(self, connection: object, row: TaskRow) -> AddOutcome:
        """Store `row` in the transaction of `connection`: for adapters on SQL to override."""
        raise ValueError(
            f"connection: the {self.name} queue is not on an SQL store, so it cannot take part in "
            f"the transaction of a {type(connection).__name__}; leave connection out and enqueue "
            "once you have committed, or keep the queue in an SQL store"
        )

    async def _add(self, queue_name: str, rows: Sequence[TaskRow]) -> Sequence[AddOutcome]:
        request = Enqueue(rows=rows)
        repeated = False
        while True:
            inside = self._inside
            try:
                queue = inside.known_queue(queue_name) or await inside.start_queue(queue_name)
            except ActorStopped:  # their supervisor is down: it restarts, or the graph ends
                await sleep(RESTART_S)
                continue
            try:
                return await queue.ask(request, timeout_s=inf)  # it may wait for room
            except ActorStopped:
                # It was idle, and is started again; or it is ending, and still has its place.
                inside.forget(queue_name)
                await sleep(RESTART_S)
            except AskTimeout as error:  # the queue's actor has asked the store
                raise self._unavailable(error) from error
            except ActorDied as error:
                # The outcome is unknown; the same rows again are idempotent.
                if repeated:
                    raise self._unavailable(error) from error
                repeated = True
