"""How long a failed task waits before it is tried again. Pure."""

from dataclasses import dataclass

JITTER = 0.1
"""Spread of a delay, either way: enough to part tasks that failed together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """`retry_delay * base ** retry_count`, at most `delay_s_max`, spread by `JITTER`."""

    base: float = 2.0
    delay_s_max: float = 3600.0

    def delay_s(self, retry_delay_s: float, retry_count: int, random: float) -> float:
        """Seconds until the next try; `retry_count` is how often it failed before this.

        `random` is in [0, 1).
        """
        try:
            plain = min(retry_delay_s * self.base**retry_count, self.delay_s_max)
        except OverflowError:
            plain = self.delay_s_max if retry_delay_s else 0.0
        return min(plain * (1 + JITTER * (2 * random - 1)), self.delay_s_max)
