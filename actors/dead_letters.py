"""The dead letters' keeper: gives them new lives, prunes what has expired, and takes stock."""

from ..runtime import Actor, Envelope, Ref
from ..stores import PurgeExpired, RequeueDead, RequeueDeadLetters
from .handlers import Handlers
from .log import emit
from .messages import (
    STORE_TIMEOUT_S,
    STORE_TROUBLE,
    Count,
    DeadLetterMessage,
    Edit,
    Expire,
    PoolMessage,
    Remove,
    Requeue,
    RequeueAll,
    StoreMessage,
    TakeStock,
    Wake,
    hint,
)
from .tally import Tally

EXPIRE_S = 60.0
STOCK_S = 1.0
"""How old the figures of `metrics` may be, where counting costs nothing."""
REQUEUE_MAX = 500
"""How many dead letters one transaction takes along."""


class DeadLetterKeeper(Actor[DeadLetterMessage]):
    """Dying is a settlement, which the pool writes; this is about what comes after."""

    def __init__(
        self,
        *,
        store: str,
        pool: str,
        tally: Tally,
        handlers: Handlers | None,
        stock_s: float,
    ) -> None:
        """`handlers`: whose task types are looked for; None where nothing is worked."""
        self._tally = tally
        self._handlers = handlers
        self._stock_s = stock_s
        self._unhandled: frozenset[str] = frozenset()
        self._paths = store, pool

    async def on_start(self) -> None:
        store, pool = self._paths
        self._store: Ref[StoreMessage] = self.context.lookup(store)
        self._pool: Ref[PoolMessage] = self.context.lookup(pool)
        self.context.timers.every("expire", EXPIRE_S, Expire())
        self.context.timers.every("stock", self._stock_s, TakeStock())

    async def receive_batch(self, batch: list[Envelope]) -> None:
        for envelope in batch:
            try:
                match envelope.message:
                    case Requeue(task_id=task_id):
                        change = RequeueDead(task_id=task_id)
                        edited = await self._store.ask(
                            Edit(changes=[change]), timeout_s=STORE_TIMEOUT_S
                        )
                        envelope.reply(edited[0].count > 0)
                        hint(self._pool, Wake(queue_name=edited[0].queue_name))
                    case RequeueAll(queue_name=queue_name):
                        envelope.reply(await self._requeue_all(queue_name))
                        hint(self._pool, Wake())
                    case TakeStock():
                        await self._take_stock()
                    case _:
                        await self._store.ask(
                            Remove(what=PurgeExpired()), timeout_s=STORE_TIMEOUT_S
                        )
            except STORE_TROUBLE as error:
                envelope.fail(error)

    async def _take_stock(self) -> None:
        counts = await self._store.ask(Count(queue_name=None), timeout_s=STORE_TIMEOUT_S)
        self._tally.counts = counts
        if self._handlers is None:
            return
        unhandled = frozenset(counts.ready_types) - self._handlers.task_types
        for task_type in sorted(unhandled - self._unhandled):
            emit(
                "warning",
                "task_type_unhandled",
                task_type=task_type,
                waiting=counts.ready_types[task_type],
            )
        self._unhandled = unhandled  # what is handled again is told of again

    async def _requeue_all(self, queue_name: str | None) -> int:
        """As many as there are now: some may die again before it is through with the others."""
        counts = await self._store.ask(Count(queue_name=queue_name), timeout_s=STORE_TIMEOUT_S)
        left = counts.dead_letters
        while left > 0:
            change = RequeueDeadLetters(queue_name=queue_name, limit=min(left, REQUEUE_MAX))
            edited = await self._store.ask(Edit(changes=[change]), timeout_s=STORE_TIMEOUT_S)
            if not edited[0].count:  # fewer than asked for is not the end: keys may be shared
                break
            left -= edited[0].count
        return counts.dead_letters - left
