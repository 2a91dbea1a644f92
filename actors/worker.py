"""A worker: runs what the pool hands it, one attempt at a time.

It opens one cancel scope for all attempts, and a new one only after an attempt was cut off:
a scope and a timer for each would cost more than a short handler does. Timeouts are alarms
of the system's one sleeper.
"""

from collections import deque
from contextvars import copy_context

from anyio import CancelScope

from ..runtime import Actor, Entropy, Ref
from ..stores import decode_claimed
from .attempt import Attempt, Timeouts
from .backoff import RetryPolicy
from .decide import decide
from .execute import execute, judge
from .executors import Executors
from .handlers import Handlers
from .isolated import Isolated, is_unchanged
from .messages import Finished, PoolMessage, Ready, Run
from .outcome import Outcome, Raised, Returned, Stop
from .tracing import enter_task, log_started

FLUSH_S = 0.001
"""How long an ended attempt may wait for the next one's end before the pool is told."""


class Worker(Actor[Run]):
    """Announces itself to the pool, then runs what it is sent.

    Its mailbox holds one `Run`, the pool sends the next when it has heard of the last; and one
    that an earlier life left behind, which is passed over: the pool deals that anew.
    """

    def __init__(
        self,
        worker_id: str,
        *,
        pool: str,
        handlers: Handlers,
        executors: Executors,
        policy: RetryPolicy,
        entropy: Entropy,
        tracing: bool,
    ) -> None:
        self._tracing = tracing
        self._worker_id = worker_id
        self._pool_path = pool
        self._handlers = handlers
        self._executors = executors
        self._policy = policy
        self._random = entropy.random
        self._told_s = 0.0

    async def on_start(self) -> None:
        self._now = self.context.now
        self._timeouts = Timeouts(self.context.alarms, self._now)
        self._pool: Ref[PoolMessage] = self.context.lookup(self._pool_path)
        await self._pool.tell(Ready(worker=self.ref, life=self.context.generation))

    async def receive(self, message: Run) -> None:
        if message.life != self.context.generation:
            return
        waiting = deque(message.attempts)
        self._told_s = self._now()
        while waiting:
            await Isolated(self._run_until_cut(waiting))
        await self._tell()

    async def _run_until_cut(self, waiting: deque[Attempt]) -> None:
        """Run what waits until nothing does, or an attempt was cut off, or left variables set."""
        attempt: Attempt | None = None
        self._found = copy_context()
        escaped: Exception | None = None
        # Two nets: a handler that owns a task group and fails while it is cancelled raises
        # through the inner one on trio.
        try:
            with CancelScope() as scope:
                while (
                    waiting
                    and (attempt is None or attempt.stopped is None)
                    and is_unchanged(self._found)
                ):
                    attempt = waiting.popleft()
                    if not attempt.recalled:
                        await self._run(attempt, scope)
        except Exception as error:
            escaped = error
        if attempt is not None and not attempt.done and not attempt.recalled:
            await self._conclude(attempt, escaped)

    async def _run(self, attempt: Attempt, scope: CancelScope) -> None:
        row = attempt.claimed.row
        began_s = self._now()
        handler = self._handlers.get(row.task_type)
        if handler is None:
            attempt.stop(Stop.UNHANDLED)
        attempt.begin(began_s, scope)
        if handler is None or attempt.stopped is not None:
            await self._conclude(attempt, None)
            return
        if row.timeout_s is not None:
            self._timeouts.watch(attempt, began_s + row.timeout_s)
        enter_task(attempt.claimed, self._worker_id)
        self._found = copy_context()
        if self._tracing:
            log_started(attempt.claimed, self._worker_id)
        end: Returned | Exception
        try:
            end = await execute(handler, decode_claimed(attempt.claimed), self._executors)
        except Exception as error:
            end = error
        if attempt.stopped is not None and isinstance(end, Exception):
            return  # it is concluded outside the scope, where a hook can still wait
        await self._conclude(attempt, end)

    async def _conclude(self, attempt: Attempt, end: Returned | Exception | None) -> None:
        """Decide what becomes of the task, and tell the pool when it is time to."""
        if isinstance(end, Returned):
            outcome: Outcome = end
        else:
            outcome = await self._judge(attempt, end)
        now = self._now()
        took_s = 0.0 if attempt.began_s is None else now - attempt.began_s
        settlement = decide(
            attempt.claimed,
            outcome,
            policy=self._policy,
            random=self._random(),
            execution_s=took_s,
            worker_id=self._worker_id,
        )
        attempt.end(settlement, took_s)
        if now - self._told_s >= FLUSH_S:
            await self._tell()
            self._told_s = now

    async def _judge(self, attempt: Attempt, end: Exception | None) -> Outcome:
        handler = self._handlers.get(attempt.claimed.row.task_type)
        try:
            task = decode_claimed(attempt.claimed)
        except ValueError as error:  # a store let it through: no attempt will ever read it
            return Raised(error=f"the task cannot be read: {error}", retry=False)
        return await judge(attempt, end, handler, task)

    async def _tell(self) -> None:
        # Waits for room: a settlement is no hint. The pool never waits for a worker.
        await self._pool.tell(Finished(worker=self.ref))
