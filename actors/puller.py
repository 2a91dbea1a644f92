"""Tasks pulled by hand: claimed one at a time, settled by whoever pulled them.

It claims as a node of its own, so the pool's hand-back does not touch what is in somebody's
hands. What is not settled within the task's `timeout` is put back, and so is what was claimed
for somebody who has gone meanwhile, and everything when this actor stops; a settlement that
comes later is refused.
"""

from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID

from ..runtime import Actor, Entropy, Envelope, Ref
from ..stores import Back, Claim, ClaimedTask, Claims
from .attempt import Attempt
from .backoff import RetryPolicy
from .claimer import LOOK_AT_LEASES_S, Claimer
from .decide import decide
from .events import Listeners
from .execute import HandlerFailed
from .herald import Herald
from .messages import (
    STORE_TIMEOUT_S,
    STORE_TROUBLE,
    Exchange,
    ListQueues,
    PoolMessage,
    StoreMessage,
    Wake,
    hint,
)
from .outcome import Raised
from .pulling import Forgo, GiveBack, LookAtPulled, Pull, PullerMessage, SettlePulled
from .roster import Roster
from .tally import Tally

BY_HAND = "/by-hand"
"""What a puller's name ends in."""


@dataclass(frozen=True, slots=True)
class Pulled:
    """A task in the hands of whoever asked `request`, since `at_s` (event loop seconds)."""

    task: ClaimedTask
    request: Pull
    at_s: float


class Puller(Actor[PullerMessage]):
    """Serves `dequeue` and `settle`."""

    def __init__(
        self,
        *,
        node: str,
        store: str,
        pool: str,
        waiters: str,
        events: str,
        listeners: Listeners,
        tally: Tally,
        tracing: bool,
        policy: RetryPolicy,
        entropy: Entropy,
        roster: Roster,
    ) -> None:
        self._node = node
        self._roster = roster
        self._paths = store, pool, waiters, events
        self._listeners = listeners
        self._tally = tally
        self._tracing = tracing
        self._policy = policy
        self._random = entropy.random
        self._pulled: dict[UUID, Pulled] = {}

    async def on_start(self) -> None:
        store, pool, waiters, events = self._paths
        self._store: Ref[StoreMessage] = self.context.lookup(store)
        self._pool: Ref[PoolMessage] = self.context.lookup(pool)
        self._herald = Herald(
            waiters=self.context.lookup(waiters),
            events=self.context.lookup(events),
            listeners=self._listeners,
            tally=self._tally,
            tracing=self._tracing,
        )
        self._claimer = Claimer(
            self._node, self._store, self._roster, self.context.now, self._random
        )
        self.context.timers.every("leases", LOOK_AT_LEASES_S, LookAtPulled())

    async def on_stop(self, reason: Exception | None) -> None:
        if reason is None:
            with suppress(*STORE_TROUBLE):
                await self._claimer.leave()

    async def receive_batch(self, batch: list[Envelope]) -> None:
        for envelope in batch:
            try:
                envelope.reply(await self._serve(envelope))
            except STORE_TROUBLE as error:
                envelope.fail(error)  # whether it was done, comparing leases will tell

    async def _serve(self, envelope: Envelope) -> object:
        match envelope.message:
            case Pull() as request:
                return await self._pull(request, envelope)
            case SettlePulled() as settled:
                return await self._settle(settled)
            case GiveBack(task_id=task_id, lease=lease):
                pulled = self._pulled.get(task_id)
                if pulled is not None and pulled.task.lease == lease:
                    await self._give_back(pulled)
            case Forgo(request=request):
                for pulled in [p for p in self._pulled.values() if p.request is request]:
                    await self._give_back(pulled)
            case LookAtPulled():
                await self._compare_leases()
            case other:
                raise TypeError(f"the puller takes no {type(other).__name__}")
        return None

    async def _compare_leases(self) -> None:
        """An answer that was lost left a task with us that we know nothing of."""
        if self._claimer.has_joined:
            leases = {pulled.task.lease: task_id for task_id, pulled in self._pulled.items()}
            for lease in await self._claimer.reconcile(leases):
                del self._pulled[leases[lease]]

    async def _pull(self, request: Pull, envelope: Envelope) -> ClaimedTask | None:
        if self._roster.superseded is not None:
            return None  # the queue is about to end; its names are somebody else's
        if not self._claimer.has_joined:
            await self._claimer.join()
        names = [request.queue_name]
        if request.queue_name is None:
            names = list(await self._store.ask(ListQueues(), timeout_s=STORE_TIMEOUT_S))
        for name in names:
            claims = Claims(
                node=self._node,
                first_lease=self._claimer.offer(1),
                task_types=None,
                queues=[Claim(queue_name=name or "", limit=1)],
            )
            answer = await self._store.ask(
                Exchange(settlements=[], claims=claims), timeout_s=STORE_TIMEOUT_S
            )
            for task in answer.claimed:
                pulled = self._hold(task, request)
                if envelope.abandoned:
                    await self._give_back(pulled)
                    return None
                return task
        return None

    def _hold(self, task: ClaimedTask, request: Pull) -> Pulled:
        task_id = task.row.task_id
        pulled = self._pulled[task_id] = Pulled(task, request, self.context.now())
        if task.row.timeout_s is not None:
            self.context.timers.after(
                str(task_id), task.row.timeout_s, GiveBack(task_id=task_id, lease=task.lease)
            )
        return pulled

    async def _give_back(self, pulled: Pulled) -> None:
        task_id = pulled.task.row.task_id
        del self._pulled[task_id]
        self.context.timers.cancel(str(task_id))
        await self._exchange(self._back(pulled))

    async def _settle(self, message: SettlePulled) -> bool:
        pulled = self._pulled.get(message.task_id)
        if pulled is None:
            return False
        attempt = Attempt(pulled.task)
        if isinstance(message.outcome, Raised):
            attempt.error = HandlerFailed(message.outcome.error)
        took_s = self.context.now() - pulled.at_s
        settlement = decide(
            pulled.task,
            message.outcome,
            policy=self._policy,
            random=self._random(),
            execution_s=took_s,
            worker_id=self._node,
        )
        attempt.end(settlement, took_s)
        taken = await self._exchange(attempt)
        # Only now: where the store did not answer, it may be settled once more.
        del self._pulled[message.task_id]
        self.context.timers.cancel(str(message.task_id))
        return taken

    def _back(self, pulled: Pulled) -> Attempt:
        attempt = Attempt(pulled.task)
        back = Back(task_id=pulled.task.row.task_id, lease=pulled.task.lease)
        attempt.end(back, self.context.now() - pulled.at_s)
        return attempt

    async def _exchange(self, attempt: Attempt) -> bool:
        """Settle; whether it was taken."""
        assert attempt.settlement is not None  # nobody pulls a cancel
        answer = await self._store.ask(
            Exchange(settlements=[attempt.settlement], claims=None), timeout_s=STORE_TIMEOUT_S
        )
        self._herald.announce([attempt], answer.refused, self.context.now())
        hint(self._pool, Wake())
        return not answer.refused
