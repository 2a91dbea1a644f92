"""The ears: hints from other processes, passed on to the pool.

A hint may be lost, and so may the connection that it comes by: polling always remains. A stop
need not wait for a hint: this actor's `shutdown_s` is 0, which cancels the wait.
"""

from ..runtime import Actor, Envelope, Ref
from ..stores import Hinting, StoreClosed, StoreUnavailable
from .messages import Listen, LookAtLeases, PoolMessage, Wake, hint

DEAF_S = 1.0
"""How long to wait before it listens again to a store that could not be reached."""


class Ears(Actor[Listen]):
    """Waits for one hint at a time. It borrows the store's listening side only."""

    def __init__(self, store: Hinting, *, pool: str) -> None:
        self._store = store
        self._pool_path = pool

    async def on_start(self) -> None:
        self._pool: Ref[PoolMessage] = self.context.lookup(self._pool_path)
        self.context.timers.after("listen", 0, Listen())

    async def receive_batch(self, batch: list[Envelope]) -> None:
        for envelope in batch:
            envelope.reply()  # done with: a stop that ends the wait leaves no message behind
        wait_s = 0.0
        name: str | None = None
        try:
            name = await self._store.next_hint()
        except (StoreUnavailable, StoreClosed):  # closed: the store's actor is starting again
            wait_s = DEAF_S
        if name is None:  # look everywhere; also for what was said meanwhile and not heard
            hint(self._pool, LookAtLeases())
        hint(self._pool, Wake(queue_name=name))
        self.context.timers.after("listen", wait_s, Listen())
