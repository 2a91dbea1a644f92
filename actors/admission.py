"""Whether a queue takes more: its length, the memory of all queues, and its rate.

What a queue holds is estimated from above: what was last counted, and all that was added
since. Only when that meets a limit is the store asked to count again, so a queue far from
its limits pays nothing. The estimates and buckets outlive a crash of the queues' actors, which
borrow them, and change them only while they handle a message. An actor that stops because its
queue is idle has them forgotten: names come and go without end.
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


class _Bucket:
    """A token bucket that holds one second's worth, and at least one token."""

    __slots__ = ("_filled_at_s", "_rate_per_s", "burst", "tokens")

    def __init__(self, rate_per_s: float, now: float) -> None:
        self.burst = self.tokens = max(rate_per_s, 1.0)
        self._rate_per_s = rate_per_s
        self._filled_at_s = now

    def fill(self, now: float) -> None:
        # A new event loop's clock may begin anew.
        new = max(0.0, now - self._filled_at_s) * self._rate_per_s
        self.tokens = min(self.burst, self.tokens + new)
        self._filled_at_s = now


@dataclass(slots=True)
class Admission:
    """The judge of one graph's enqueues."""

    limits: Limits
    _tasks: dict[str, int] = field(default_factory=dict[str, int])
    _payload_bytes: int = 0
    _buckets: dict[str, _Bucket] = field(default_factory=dict[str, _Bucket])

    def __len__(self) -> int:
        """How many queues it remembers something of."""
        return len(self._tasks.keys() | self._buckets.keys())

    def knows(self, queue: str) -> bool:
        """Whether there is an estimate to go by; what no limit asks for is never counted."""
        limits = self.limits
        is_bounded = limits.tasks_max is not None or limits.payload_bytes_max is not None
        return not is_bounded or queue in self._tasks

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
        bucket = self._buckets.setdefault(queue, _Bucket(rate, now))
        bucket.fill(now)
        # More at once than the bucket ever holds may pass when it is full, and leaves a debt.
        if bucket.tokens < min(count, bucket.burst):
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

    def forget(self, queue: str, now: float) -> bool:
        """Let go of an idle queue; False while its rate still counts against it."""
        bucket = self._buckets.get(queue)
        if bucket is not None:
            bucket.fill(now)
            if bucket.tokens < bucket.burst:
                return False
            del self._buckets[queue]
        self._tasks.pop(queue, None)
        return True


def payload_bytes(rows: Sequence[TaskRow]) -> int:
    return sum(len(row.payload) for row in rows)
