"""The `memory` adapter: in-process, fastest; nothing survives the process."""

import os
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field

from oncue.actors import Admission, Limits, Parts, RetryPolicy, memory_graph
from oncue.actors.door import DRAIN_MARGIN_S
from oncue.adapters.base import QueueBase
from oncue.adapters.metadata import QueueCapability, QueueMetadata
from oncue.runtime import Clock, Entropy, SeededEntropy, SupervisorSpec, SystemClock
from oncue.settings import QueueSettings
from oncue.stores import CallableStoreClock, Counts
from oncue.stores.memory import MemoryStore

Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]

NEARLY_FULL_PERCENT = 90.0


class MemorySettings(QueueSettings):
    """What can be set on the memory queue. Times are seconds."""

    max_workers: Count = 10
    """Handlers that run at once in this process, over all queues."""
    queues: frozenset[str] | None = None
    """The queues that are worked here; None: all."""
    thread_pool_max_workers: Count = 20
    """Handlers that run in threads at once, abandoned threads included."""
    process_pool_max_workers: Count = 4
    """Worker processes for handlers with `executor="process"`."""
    retry_exponential_base: Annotated[float, Field(ge=1, allow_inf_nan=False)] = 2.0
    """What a retry's delay is multiplied by from one attempt to the next."""
    retry_delay_max: Seconds = 3600.0
    """Seconds that a retry waits at most."""
    max_tasks_per_queue: Count | None = 10_000
    """Live tasks that one queue holds; None: no limit."""
    max_memory_usage: Count | None = 100_000_000
    """Bytes of encoded payload that all queues hold together; None: no limit."""
    enable_rate_limiting: bool = False
    """Whether `rate_limit_per_second` holds."""
    rate_limit_per_second: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 100.0
    """Tasks that one queue takes a second, in bursts of as many."""
    when_full: Literal["raise", "wait"] = "raise"
    """What `enqueue` does over a limit."""
    result_cache_limit: Annotated[int, Field(ge=0)] = 1000
    """Results kept at most; the oldest go first."""
    result_ttl: Seconds = 86_400.0
    """Seconds that a result is kept."""
    dead_letter_ttl: Seconds = 7 * 86_400.0
    """Seconds that a dead letter is kept."""
    shutdown_grace: Seconds = 30.0
    """Seconds that running handlers may take to end when the queue stops."""
    tracing: bool = False
    """Whether each step of each task is logged, for `oncue trace`."""
    poll_interval: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0
    """Seconds after which the store is looked at again though no hint came."""

    @classmethod
    def of_url(cls, url: str) -> dict[str, Any]:
        """`memory://`, which says nothing more."""
        if url != "memory://":
            raise ValueError(f"a memory queue has no address: memory://, not {url!r}")
        return {}


class MemoryQueue(QueueBase):
    """A queue in this process's memory. What waits is kept between two runs of one object."""

    def __init__(
        self,
        settings: MemorySettings | None = None,
        *,
        clock: Clock | None = None,
        entropy: Entropy | None = None,
    ) -> None:
        super().__init__("memory", clock=clock or SystemClock(), entropy=entropy or SeededEntropy())
        self.settings = settings or MemorySettings()
        self._admission = Admission(
            Limits(
                tasks_max=self.settings.max_tasks_per_queue,
                payload_bytes_max=self.settings.max_memory_usage,
                rate_per_s=(
                    self.settings.rate_limit_per_second
                    if self.settings.enable_rate_limiting
                    else None
                ),
                wait=self.settings.when_full == "wait",
            )
        )
        self._store = MemoryStore(
            clock=CallableStoreClock(self._clock.now),
            result_ttl_s=self.settings.result_ttl,
            dead_letter_ttl_s=self.settings.dead_letter_ttl,
            result_cache_limit=self.settings.result_cache_limit,
        )

    def child_spec(self) -> SupervisorSpec:
        settings = self.settings
        return memory_graph(
            self.name,
            Parts(
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
                node=f"memory-{os.getpid()}",
                queues=settings.queues,
                workers_max=settings.max_workers,
                threads_max=settings.thread_pool_max_workers,
                processes_max=settings.process_pool_max_workers,
                shutdown_grace_s=settings.shutdown_grace,
                poll_interval_s=settings.poll_interval,
            ),
        )

    def _health(self, counts: Counts) -> tuple[dict[str, Any], list[str]]:
        limit = self.settings.max_memory_usage
        percent = 100 * counts.store_payload_bytes / limit if limit else 0.0
        warnings = (
            [f"payloads take {percent:.0f} percent of max_memory_usage"]
            if percent >= NEARLY_FULL_PERCENT
            else []
        )
        section = {
            "memory_usage": counts.store_payload_bytes,
            "memory_limit": limit,
            "memory_usage_percent": percent,
            "total_tasks": counts.live,
            "pending_tasks": counts.pending + counts.held,
            "delayed_tasks": counts.delayed,
            "processing_tasks": counts.processing,
            "dead_letter_tasks": counts.dead_letters,
        }
        return section, warnings

    @property
    def _stop_s(self) -> float:
        return self.settings.shutdown_grace + 4 * DRAIN_MARGIN_S


Queue = MemoryQueue

MODULE_METADATA = QueueMetadata(
    id=UUID("34574c15-aa23-46e2-b37c-d5038dc40e23"),
    name="memory",
    provider="oncue",
    version="1",
    description="In this process's memory: fastest, and gone with the process.",
    capabilities=frozenset(
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
            QueueCapability.RATE_LIMITING,
        }
    ),
    settings=MemorySettings,
    url_schemes=frozenset({"memory"}),
)
