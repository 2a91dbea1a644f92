"""A worker: runs one attempt at a time, and tells the pool how it ended."""

from ..runtime import Actor, Clock, Entropy, Ref
from .attempt import Attempt
from .backoff import RetryPolicy
from .decide import decide
from .execute import execute
from .executors import Executors
from .handlers import Handlers
from .messages import Finished, PoolMessage, Ready


class Worker(Actor[Attempt]):
    """Announces itself to the pool, then runs what it is sent.

    Its mailbox holds one attempt: the pool sends the next when it has heard of the last.
    """

    def __init__(
        self,
        worker_id: str,
        *,
        pool: str,
        handlers: Handlers,
        executors: Executors,
        policy: RetryPolicy,
        clock: Clock,
        entropy: Entropy,
    ) -> None:
        self._worker_id = worker_id
        self._pool_path = pool
        self._handlers = handlers
        self._executors = executors
        self._policy = policy
        self._clock = clock
        self._entropy = entropy

    async def on_start(self) -> None:
        self._pool: Ref[PoolMessage] = self.context.lookup(self._pool_path)
        await self._pool.tell(Ready(worker=self.ref))

    async def receive(self, message: Attempt) -> None:
        attempt = message
        began = self._clock.monotonic()
        outcome = await execute(attempt, self._handlers, self._executors, self._clock)
        settlement = decide(
            attempt.claimed,
            outcome,
            policy=self._policy,
            random=self._entropy.random(),
            execution_s=self._clock.monotonic() - began,
            worker_id=self._worker_id,
        )
        # Waits for room: a settlement is no hint. The pool never waits for a worker.
        await self._pool.tell(Finished(worker=self.ref, attempt=attempt, settlement=settlement))
