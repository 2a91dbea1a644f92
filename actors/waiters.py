"""Whoever waits for a task to end: deferred replies, woken by hints from the pool.

A hint may be lost, and a task may end without one (purged, expired); so they are also looked
up every `look_s`; from another process, that is the only way to hear of an end.
"""

from uuid import UUID

from ..runtime import Actor, Envelope, Ref
from ..stores import ByIds, TaskStatus, TaskView
from .errors import UnknownTask
from .messages import (
    STORE_TIMEOUT_S,
    STORE_TROUBLE,
    Ended,
    Find,
    LookForEnds,
    StoreMessage,
    WaiterMessage,
    WaitFor,
)

LOOK_S = 5.0
LOOK_MAX = 1000
"""How many are looked up in one call."""
OVER = frozenset({TaskStatus.COMPLETED, TaskStatus.CANCELLED, TaskStatus.DEAD_LETTER})
"""The statuses that a wait ends with."""


class Waiters(Actor[WaiterMessage]):
    """Answers each `WaitFor` once the store says that the task has ended.

    What a hint says is looked up, not believed. When this actor crashes, those who wait get
    `ActorDied` and may ask again.
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
        for envelope in batch:
            match envelope.message:
                case WaitFor(task_id=task_id):
                    self._waiting.setdefault(task_id, []).append(envelope)
                    look[task_id] = None
                case Ended(task_ids=task_ids):
                    if self._waiting:
                        look.update((t, None) for t in task_ids if t in self._waiting)
                case _:
                    self._sweep()
                    look.update(dict.fromkeys(self._waiting))
        task_ids = list(look)
        for start in range(0, len(task_ids), LOOK_MAX):
            await self._answer(task_ids[start : start + LOOK_MAX])

    async def _answer(self, task_ids: list[UUID]) -> None:
        try:
            views = await self._store.ask(
                Find(query=ByIds(task_ids=task_ids)), timeout_s=STORE_TIMEOUT_S
            )
        except STORE_TROUBLE:
            return  # they wait on, and are looked up again
        found: dict[UUID, TaskView] = {view.task_id: view for view in views}
        for task_id in task_ids:
            view = found.get(task_id)
            if view is None:
                for envelope in self._waiting.pop(task_id):
                    envelope.fail(UnknownTask(task_id))
            elif view.status in OVER:
                for envelope in self._waiting.pop(task_id):
                    envelope.reply(view)

    def _sweep(self) -> None:
        for task_id, envelopes in list(self._waiting.items()):
            still = [envelope for envelope in envelopes if not envelope.abandoned]
            if still:
                self._waiting[task_id] = still
            else:
                del self._waiting[task_id]
