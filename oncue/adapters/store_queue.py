"""A queue on a store of ours: what the adapters that come with OnCue share, settings and all."""

from abc import abstractmethod
from typing import Annotated

from pydantic import Field

from oncue.actors import Admission, Limits, Parts, RetryPolicy
from oncue.actors.door import DRAIN_MARGIN_S
from oncue.actors.handlers import ExecutorKind
from oncue.adapters.base import QueueBase
from oncue.adapters.metadata import QueueCapability
from oncue.runtime import Clock, Entropy, SeededEntropy, SystemClock
from oncue.settings import QueueSettings
from oncue.stores import Counts, Store

Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Interval = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]


class StoreQueueSettings(QueueSettings):
    """What can be set on every queue of ours. Times are seconds."""

    max_workers: Count = 10
    """Handlers that run at once in this process, over all queues."""
    queues: frozenset[str] | None = None
    """The queues that are worked here; None: all, an empty list: none."""
    thread_pool_max_workers: Count = 20
    """Handlers that run in threads at once, abandoned threads included."""
    process_pool_max_workers: Count = 4
    """Worker processes for handlers that run in processes."""
    retry_exponential_base: Annotated[float, Field(ge=1, allow_inf_nan=False)] = 2.0
    """What a retry's delay is multiplied by from one attempt to the next."""
    retry_delay_max: Seconds = 3600.0
    """Seconds that a retry waits at most."""
    result_cache_limit: Annotated[int, Field(ge=0)] = 1000
    """Results that a store in memory keeps at most; the oldest go first."""
    result_ttl: Seconds = 86_400.0
    """Seconds that a result is kept."""
    dead_letter_ttl: Seconds = 7 * 86_400.0
    """Seconds that a dead letter is kept."""
    shutdown_grace: Seconds = 30.0
    """Seconds that running handlers may take to end when the queue stops."""
    tracing: bool = False
    """Whether each step of each task is logged, for `oncue trace`."""
    poll_interval: Interval = 1.0
    """Seconds after which the store is looked at again though no hint came."""


def figures(counts: Counts) -> dict[str, int]:
    """What the health check of each says of the tasks that the store holds."""
    return {
        "total_tasks": counts.live,
        "pending_tasks": counts.pending + counts.held,
        "delayed_tasks": counts.delayed,
        "processing_tasks": counts.processing,
        "dead_letter_tasks": counts.dead_letters,
    }


CAPABILITIES = frozenset(
    {
        QueueCapability.BASIC,
        QueueCapability.PRIORITY,
        QueueCapability.DELAYED,
        QueueCapability.RETRY,
        QueueCapability.DEAD_LETTER,
        QueueCapability.BATCH,
        QueueCapability.METRICS,
        QueueCapability.HEALTH,
        QueueCapability.TRACKING,
        QueueCapability.WORKER_POOLS,
    }
)
"""What the actors and any store of ours can do; an adapter adds its own."""


class StoreQueue(QueueBase):
    """Its tasks are in `_store`; a subclass says which, and composes the tree."""

    def __init__(
        self,
        name: str,
        settings: StoreQueueSettings,
        *,
        clock: Clock | None,
        entropy: Entropy | None,
        limits: Limits | None = None,
        beat_s: float | None = None,
        executor: ExecutorKind = "thread",
    ) -> None:
        super().__init__(
            name,
            clock=clock or SystemClock(),
            entropy=entropy or SeededEntropy(),
            beat_s=beat_s,
            executor=executor,
        )
        self._common = settings
        self._admission = Admission(limits or Limits())
        self._store: Store = self._make_store()

    @abstractmethod
    def _make_store(self) -> Store:
        """The store, not open yet. Called once."""

    @property
    @abstractmethod
    def node(self) -> str:
        """What the store knows this process as."""

    def _parts(self) -> Parts:
        settings = self._common
        return Parts(
            store=self._store,
            handlers=self._handlers,
            entrance=self._entrance,
            listeners=self._listeners,
            admission=self._admission,
            roster=self._roster,
            tally=self._tally,
            tracing=settings.tracing,
            clock=self._clock,
            entropy=self._entropy,
            policy=RetryPolicy(
                base=settings.retry_exponential_base, delay_s_max=settings.retry_delay_max
            ),
            node=self.node,
            queues=settings.queues,
            workers_max=settings.max_workers,
            threads_max=settings.thread_pool_max_workers,
            processes_max=settings.process_pool_max_workers,
            shutdown_grace_s=settings.shutdown_grace,
            poll_interval_s=settings.poll_interval,
        )

    @property
    def _works(self) -> bool:
        return self._common.queues != frozenset()

    @property
    def _stop_s(self) -> float:
        return self._common.shutdown_grace + 4 * DRAIN_MARGIN_S
