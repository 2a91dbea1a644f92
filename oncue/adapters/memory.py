"""The `memory` adapter: in-process, fastest; nothing survives the process."""

import os
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field

from oncue.actors import Limits, memory_graph
from oncue.adapters.metadata import QueueCapability, QueueMetadata
from oncue.adapters.store_queue import CAPABILITIES, Count, StoreQueue, StoreQueueSettings, figures
from oncue.runtime import Clock, Entropy, SupervisorSpec
from oncue.stores import CallableStoreClock, Counts
from oncue.stores.memory import MemoryStore

NEARLY_FULL_PERCENT = 90.0


class MemorySettings(StoreQueueSettings):
    """What can be set on the memory queue. Times are seconds."""

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

    @classmethod
    def of_url(cls, url: str) -> dict[str, Any]:
        """`memory://`, which says nothing more."""
        if url != "memory://":
            raise ValueError(f"a memory queue has no address: memory://, not {url!r}")
        return {}


class MemoryQueue(StoreQueue):
    """A queue in this process's memory. What waits is kept between two runs of one object."""

    def __init__(
        self,
        settings: MemorySettings | None = None,
        *,
        clock: Clock | None = None,
        entropy: Entropy | None = None,
    ) -> None:
        self.settings = settings = settings or MemorySettings()
        limits = Limits(
            tasks_max=settings.max_tasks_per_queue,
            payload_bytes_max=settings.max_memory_usage,
            rate_per_s=(settings.rate_limit_per_second if settings.enable_rate_limiting else None),
            wait=settings.when_full == "wait",
        )
        super().__init__("memory", settings, clock=clock, entropy=entropy, limits=limits)

    def _make_store(self) -> MemoryStore:
        return MemoryStore(
            clock=CallableStoreClock(self._clock.now),
            result_ttl_s=self.settings.result_ttl,
            dead_letter_ttl_s=self.settings.dead_letter_ttl,
            result_cache_limit=self.settings.result_cache_limit,
        )

    @property
    def node(self) -> str:
        return f"memory-{os.getpid()}"

    def child_spec(self) -> SupervisorSpec:
        return memory_graph(self.name, self._parts())

    async def _health(self, counts: Counts) -> tuple[dict[str, Any], list[str]]:
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
            **figures(counts),
        }
        return section, warnings


Queue = MemoryQueue

MODULE_METADATA = QueueMetadata(
    id=UUID("34574c15-aa23-46e2-b37c-d5038dc40e23"),
    name="memory",
    provider="oncue",
    version="1",
    description="In this process's memory: fastest, and gone with the process.",
    capabilities=CAPABILITIES | {QueueCapability.RATE_LIMITING},
    settings=MemorySettings,
    url_schemes=frozenset({"memory"}),
)
