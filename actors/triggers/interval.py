"""Again and again after the same elapsed time, whatever wall clocks do."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, Final, Literal

from .base import AS_JSON, Moment, check_bounds, in_utc, in_utc_or_none, no_later, span

SHORTEST: Final = timedelta(milliseconds=10)
"""Each run is a transaction: what is to run more often is one task with a loop in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IntervalTrigger:
    """Occurs at `start + n * every`, n = 0, 1, 2, ..., up to and with `end`."""

    __pydantic_config__: ClassVar = AS_JSON

    type: Literal["interval"] = "interval"
    start: Moment
    every: timedelta
    end: Moment | None = None
    jitter_s: float = 0.0

    def __post_init__(self) -> None:
        if self.every < SHORTEST:
            raise ValueError(
                f"the interval is {self.every.total_seconds():g} s, and must be at least "
                f"{SHORTEST.total_seconds():g} s: give weeks, days, hours, minutes or seconds"
            )
        check_bounds(self.start, self.end, self.jitter_s)

    def after(self, moment: datetime) -> datetime | None:
        if moment < self.start:
            return no_later(self.start, self.end)
        passed = (moment - self.start) // self.every  # whole microseconds, exact
        try:
            return no_later(self.start + (passed + 1) * self.every, self.end)
        except OverflowError:  # past the last year that there is
            return None

    def __str__(self) -> str:
        return f"every {_length(self.every)}{span(self.start, self.end)}"


def interval(
    *,
    anchor: datetime,
    weeks: float = 0,
    days: float = 0,
    hours: float = 0,
    minutes: float = 0,
    seconds: float = 0,
    start_date: datetime | None = None,
    end_date: datetime | None = None,
    jitter: float | None = None,
) -> IntervalTrigger:
    """From `start_date` on; without it one interval after `anchor`, the store's present moment.

    Dates without a zone are UTC. Raises ValueError naming what is wrong.
    """
    try:
        every = timedelta(weeks=weeks, days=days, hours=hours, minutes=minutes, seconds=seconds)
        start = start_date or anchor + every
    except (OverflowError, ValueError) as error:
        raise ValueError(f"the interval is no length of time, or past all dates: {error}") from None
    return IntervalTrigger(
        start=in_utc("start_date" if start_date else "the first run", start),
        every=every,
        end=in_utc_or_none("end_date", end_date),
        jitter_s=jitter or 0.0,
    )


def _length(every: timedelta) -> str:
    minutes, seconds = divmod(every.seconds, 60)
    hours, minutes = divmod(minutes, 60)
    whole = {"d": every.days, "h": hours, "min": minutes}
    parts = [f"{count} {unit}" for unit, count in whole.items() if count]
    if seconds or every.microseconds:
        exact = f"{seconds}.{every.microseconds:06}".rstrip("0").removesuffix(".")
        parts.append(f"{exact} s")
    return " ".join(parts)
