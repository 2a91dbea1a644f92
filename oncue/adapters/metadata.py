"""What an adapter says of itself: the `MODULE_METADATA` of its module."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from oncue.settings import QueueSettings


class QueueCapability(StrEnum):
    """What a queue adapter can do."""

    BASIC = "basic"
    PRIORITY = "priority"
    DELAYED = "delayed"
    RETRY = "retry"
    DEAD_LETTER = "dead letter"
    BATCH = "batch"
    PERSISTENCE = "persistence"
    METRICS = "metrics"
    HEALTH = "health"
    TRACKING = "tracking"
    WORKER_POOLS = "worker pools"
    HORIZONTAL_SCALING = "horizontal scaling"
    CRON = "cron"
    RATE_LIMITING = "rate limiting"


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueMetadata:
    """An adapter's description. `id` stays the same over its versions.

    `required_packages` are distributions without which the adapter does not work; a missing
    one is named when the adapter is opened. `settings` is the model of what can be set, and
    reads the URLs of `url_schemes` by its `of_url`.
    """

    id: UUID
    name: str
    provider: str
    version: str
    description: str
    capabilities: frozenset[QueueCapability]
    settings: type[QueueSettings]
    required_packages: tuple[str, ...] = ()
    url_schemes: frozenset[str] = frozenset()
