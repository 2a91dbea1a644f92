"""Whether a queue takes more: its length, the memory of all queues, and its rate.

What a queue holds is estimated from above: what was last counted, and all that was added
since. Only when that meets a limit is the store asked to count again, so a queue far from
its limits pays nothing. The estimates and buckets outlive the queues' actors, which borrow
them, and change them only while they handle a message.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from ..stores import Counts, TaskRow
from .errors import MemoryLimitExceeded, QueueFull, RateLimitExceeded

Refusal = QueueFull | MemoryLimitExceeded | RateLimitExceeded


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """None: no limit. `wait`: an enqueue over a limit waits for room instead of failing."""

    tasks_max: int | None = None
    payload_bytes_max: int | None = None
    rate_per_s: float | None = None
    wait: bool = False


@dataclass(slots=True)
class _Bucket:
    """A token bucket that holds one second's worth."""

    tokens: float
    filled_at_s: float


@dataclass(slots=True)
class Admission:
    """The judge of one graph's enqueues."""

    limits: Limits
    _tasks: dict[str, int] = field(default_factory=dict[str, int])
    _payload_bytes: int = 0
    _buckets: dict[str, _Bucket] = field(default_factory=dict[str, _Bucket])

    def refusal(
        self, queue: str, rows: Sequence[TaskRow]
    ) -> QueueFull | MemoryLimitExceeded | None:
        """Why these rows do not fit, going by the estimates; None when they do."""
        limits = self.limits
        held = self._tasks.get(queue, 0)
        if limits.tasks_max is not None and held + len(rows) > limits.tasks_max:
            return QueueFull(queue, limits.tasks_max, held, len(rows))
        if limits.payload_bytes_max is not None:
            wanted = payload_bytes(rows)
            if self._payload_bytes + wanted > limits.payload_bytes_max:
                return MemoryLimitExceeded(
                    queue, limits.payload_bytes_max, self._payload_bytes, wanted
                )
        return None

    def too_fast(self, queue: str, count: int, now: float) -> RateLimitExceeded | None:
        """Take `count` tokens of the queue's bucket at `now` (event loop seconds), or say no."""
        rate = self.limits.rate_per_s
        if rate is None:
            return None
        burst = max(rate, 1.0)
        bucket = self._buckets.setdefault(queue, _Bucket(burst, now))
        # A new event loop's clock may begin anew.
        bucket.tokens = min(burst, bucket.tokens + max(0.0, now - bucket.filled_at_s) * rate)
        bucket.filled_at_s = now
        # More at once than the bucket ever holds may pass when it is full, and leaves a debt.
        if bucket.tokens < min(count, burst):
            return RateLimitExceeded(queue, rate, max(0, int(bucket.tokens)), count)
        bucket.tokens -= count
        return None

    def note_added(self, queue: str, rows: Sequence[TaskRow]) -> None:
        """These are being added."""
        self._tasks[queue] = self._tasks.get(queue, 0) + len(rows)
        if self.limits.payload_bytes_max is not None:
            self._payload_bytes += payload_bytes(rows)

    def note_counted(self, queue: str, counts: Counts, on_their_way: Sequence[TaskRow]) -> None:
        """The store has counted again, without the rows that are about to be added."""
        self._tasks[queue] = counts.live + len(on_their_way)
        self._payload_bytes = counts.store_payload_bytes + payload_bytes(on_their_way)


def payload_bytes(rows: Sequence[TaskRow]) -> int:
    return sum(len(row.payload) for row in rows)
