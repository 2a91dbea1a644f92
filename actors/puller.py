"""Tasks pulled by hand: claimed one at a time, settled by whoever pulled them.

It claims as a node of its own, so the pool's hand-back does not touch what is in somebody's
hands. What is not settled within the task's `timeout` is put back, and so is everything
when this actor stops; a settlement that comes later is refused.
"""

from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID

from ..runtime import Actor, Entropy, Ref
from ..stores import Back, Claim, ClaimedTask, Claims, Settlement
from .backoff import RetryPolicy
from .claimer import Claimer
from .decide import decide
from .messages import (
    STORE_TIMEOUT_S,
    STORE_TROUBLE,
    Ended,
    Exchange,
    GiveBack,
    ListQueues,
    LookAtPulled,
    PoolMessage,
    Pull,
    PullerMessage,
    SettlePulled,
    StoreMessage,
    WaiterMessage,
    Wake,
    hint,
)
from .roster import Roster

LOOK_AT_LEASES_S = 5.0
BY_HAND = "/by-hand"
"""What a puller's name ends in."""


@dataclass(frozen=True, slots=True)
class Pulled:
    """A task in somebody's hands, since `at_s` (event loop seconds)."""

    task: ClaimedTask
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
        policy: RetryPolicy,
        entropy: Entropy,
        roster: Roster,
    ) -> None:
        self._node = node
        self._roster = roster
        self._paths = store, pool, waiters
        self._policy = policy
        self._random = entropy.random
        self._pulled: dict[UUID, Pulled] = {}

    async def on_start(self) -> None:
        store, pool, waiters = self._paths
        self._store: Ref[StoreMessage] = self.context.lookup(store)
        self._pool: Ref[PoolMessage] = self.context.lookup(pool)
        self._waiters: Ref[WaiterMessage] = self.context.lookup(waiters)
        self._claimer = Claimer(self._node, self._store, self._roster, self.context.now)
        self.context.timers.every("leases", LOOK_AT_LEASES_S, LookAtPulled())

    async def on_stop(self, reason: Exception | None) -> None:
        if reason is None:
            with suppress(*STORE_TROUBLE):
                await self._claimer.leave()

    async def receive(self, message: PullerMessage) -> object:
        match message:
            case Pull(queue_name=queue_name):
                return await self._pull(queue_name)
            case SettlePulled():
                return await self._settle(message)
            case GiveBack(task_id=task_id, lease=lease):
                pulled = self._pulled.get(task_id)
                if pulled is not None and pulled.task.lease == lease:
                    del self._pulled[task_id]
                    await self._exchange([_back(pulled.task)])
                return None
            case LookAtPulled():
                await self._compare_leases()
                return None

    async def _compare_leases(self) -> None:
        """An answer that was lost left a task with us that we know nothing of."""
        if self._claimer.has_joined:
            leases = {pulled.task.lease: task_id for task_id, pulled in self._pulled.items()}
            with suppress(*STORE_TROUBLE):
                for lease in await self._claimer.reconcile(leases):
                    del self._pulled[leases[lease]]

    async def _pull(self, queue_name: str | None) -> ClaimedTask | None:
        if not self._claimer.has_joined:
            await self._claimer.join()
        names = [queue_name]
        if queue_name is None:
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
                self._hold(task)
                return task
        return None

    def _hold(self, task: ClaimedTask) -> None:
        task_id = task.row.task_id
        self._pulled[task_id] = Pulled(task, self.context.now())
        if task.row.timeout_s is not None:
            self.context.timers.after(
                str(task_id), task.row.timeout_s, GiveBack(task_id=task_id, lease=task.lease)
            )

    async def _settle(self, message: SettlePulled) -> bool:
        pulled = self._pulled.pop(message.task_id, None)
        if pulled is None:
            return False
        self.context.timers.cancel(str(message.task_id))
        settlement = decide(
            pulled.task,
            message.outcome,
            policy=self._policy,
            random=self._random(),
            execution_s=self.context.now() - pulled.at_s,
            worker_id=self._node,
        )
        assert settlement is not None  # nobody pulls a cancel
        taken = await self._exchange([settlement])
        hint(self._waiters, Ended(task_ids=[message.task_id]))
        return taken

    async def _exchange(self, settlements: list[Settlement]) -> bool:
        """Settle; whether all was taken."""
        answer = await self._store.ask(
            Exchange(settlements=settlements, claims=None), timeout_s=STORE_TIMEOUT_S
        )
        hint(self._pool, Wake())
        return not answer.refused


def _back(task: ClaimedTask) -> Back:
    return Back(task_id=task.row.task_id, lease=task.lease)
