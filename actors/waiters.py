"""Whoever waits for a task to end: deferred replies, woken by hints from the pool.

A hint may be lost, and a task may end without one (purged, expired); so they are also looked
up every `look_s`; from another process, that is the only way to hear of an end. A result may be
gone from the store before it is looked up, so a hint says how the task ended; and who is not
found is looked up once more, for the hint may be on its way.
"""

from collections.abc import Container, Iterator, Mapping
from datetime import timedelta
from uuid import UUID

from ..runtime import Actor, Envelope, Ref
from ..stores import ByIds, Dead, Done, TaskStatus, TaskView
from .attempt import Attempt
from .errors import UnknownTask
from .messages import (
    STORE_TIMEOUT_S,
    STORE_TROUBLE,
    Ended,
    Find,
    LookAgain,
    LookForEnds,
    StoreMessage,
    WaiterMessage,
    WaitFor,
    hint,
)

LOOK_S = 5.0
LOOK_MAX = 1000
"""How many are looked up in one call."""
OVER = frozenset({TaskStatus.COMPLETED, TaskStatus.CANCELLED, TaskStatus.DEAD_LETTER})
"""The statuses that a wait ends with."""


class Waiters(Actor[WaiterMessage]):
    """Answers each `WaitFor` once the store says that the task has ended.

    What a hint says is looked up, and believed only of what the store knows no longer. When this
    actor crashes, those who wait get `ActorDied` and may ask again.
    """

    def __init__(self, store: str, *, look_s: float = LOOK_S) -> None:
        self._store_path = store
        self._look_s = look_s
        self._waiting: dict[UUID, list[Envelope]] = {}

    async def on_start(self) -> None:
        self._store: Ref[StoreMessage] = self.context.lookup(self._store_path)
        self.context.timers.every("look", self._look_s, LookForEnds())

    async def receive_batch(self, batch: list[Envelope]) -> None:
        look: dict[UUID, None] = {}
        told: dict[UUID, TaskView] = {}
        again: set[UUID] = set()
        for envelope in batch:
            match envelope.message:
                case WaitFor(task_id=task_id):
                    self._waiting.setdefault(task_id, []).append(envelope)
                    look[task_id] = None
                case Ended() as ended:
                    if self._waiting:
                        look.update((t, None) for t in ended.task_ids if t in self._waiting)
                        told.update(self._told(ended))
                case LookAgain(task_ids=task_ids):
                    again.update(task_ids)
                case _:
                    self._sweep()
                    look.update(dict.fromkeys(self._waiting))
        look.update(dict.fromkeys([*told, *(again & self._waiting.keys())]))
        task_ids = list(look)
        for start in range(0, len(task_ids), LOOK_MAX):
            await self._answer(task_ids[start : start + LOOK_MAX], told, again)

    def _told(self, ended: Ended) -> Iterator[tuple[UUID, TaskView]]:
        """How those have ended that somebody waits for."""
        for view in ended.views:
            if view.task_id in self._waiting:
                yield view.task_id, view
        for attempt in ended.attempts:
            if attempt.claimed.row.task_id in self._waiting:
                yield attempt.claimed.row.task_id, view_of(attempt)

    async def _answer(
        self, task_ids: list[UUID], told: Mapping[UUID, TaskView], again: Container[UUID]
    ) -> None:
        """Look these up, some of them `again`; where the store says nothing, go by what is told."""
        try:
            views = await self._store.ask(
                Find(query=ByIds(task_ids=task_ids)), timeout_s=STORE_TIMEOUT_S
            )
        except STORE_TROUBLE:
            return  # they wait on, and are looked up again
        found = {**told, **{view.task_id: view for view in views}}
        unknown: list[UUID] = []
        for task_id in task_ids:
            view = found.get(task_id)
            if view is not None:
                if view.status in OVER:
                    for envelope in self._waiting.pop(task_id):
                        envelope.reply(view)
            elif task_id in again:
                for envelope in self._waiting.pop(task_id):
                    envelope.fail(UnknownTask(task_id))
            else:
                unknown.append(task_id)
        if unknown:
            hint(self.ref, LookAgain(task_ids=unknown))

    def _sweep(self) -> None:
        for task_id, envelopes in list(self._waiting.items()):
            still = [envelope for envelope in envelopes if not envelope.abandoned]
            if still:
                self._waiting[task_id] = still
            else:
                del self._waiting[task_id]


def view_of(attempt: Attempt) -> TaskView:
    """How a task ended, by its last attempt; `completed_at` is reckoned."""
    claimed, settlement = attempt.claimed, attempt.settlement
    assert isinstance(settlement, (Done, Dead)), "only these end a task"
    took = timedelta(seconds=settlement.execution_s)
    is_done = isinstance(settlement, Done)
    return TaskView(
        task_id=settlement.task_id,
        queue_name=claimed.row.queue_name,
        status=TaskStatus.COMPLETED if is_done else TaskStatus.DEAD_LETTER,
        retry_count=claimed.retry_count,
        started_at=claimed.started_at,
        completed_at=claimed.started_at + took,
        execution_s=settlement.execution_s,
        result=settlement.result if isinstance(settlement, Done) else None,
        error=None if isinstance(settlement, Done) else settlement.error,
        worker_id=settlement.worker_id,
    )
