"""Every so many years, months, weeks and days, at the same time of day.

The dates are APScheduler's: years and months are added to a date, again and again until there is
such a date (a 31st passes over June), then weeks and days.
"""

from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import ClassVar, Final, Literal

from ...stores.task import YEARS
from . import zones
from .base import AS_JSON, check_bounds, no_later
from .zones import Fold, Gap

_END: Final = date(YEARS.stop, 1, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class CalendarTrigger:
    """Occurs at `at` on `start`, and from there on at each step, up to and with `end`."""

    __pydantic_config__: ClassVar = AS_JSON

    type: Literal["calendar"] = "calendar"
    years: int = 0
    months: int = 0
    weeks: int = 0
    days: int = 0
    at: time
    start: date
    end: date | None = None
    timezone: str
    dst_gap: Gap = "skip"
    dst_fold: Fold = "first"
    jitter_s: float = 0.0

    def __post_init__(self) -> None:
        steps = (self.years, self.months, self.weeks, self.days)
        if min(steps) < 0 or max(steps) == 0:
            raise ValueError(f"years, months, weeks and days are {steps}: none < 0, one > 0")
        if self.at.tzinfo or self.at.microsecond:
            raise ValueError(f"the time is {self.at}: it must be hours, minutes and seconds")
        for name, day in (("start_date", self.start), ("end_date", self.end)):
            if day is not None and day.year not in YEARS:
                raise ValueError(
                    f"{name} is {day}: the year must be {YEARS.start}-{YEARS.stop - 1}"
                )
        if self.end is not None and self.end < self.start:
            raise ValueError(f"end_date {self.end} is before start_date {self.start}")
        zones.check(self)
        check_bounds(None, None, self.jitter_s)

    def after(self, moment: datetime) -> datetime | None:
        return no_later(zones.after(moment, self._not_before, self), None)

    def __str__(self) -> str:
        steps = {"year": self.years, "month": self.months, "week": self.weeks, "day": self.days}
        every = ", ".join(
            f"{count} {unit}{'s' if count > 1 else ''}" for unit, count in steps.items() if count
        )
        until = f" until {self.end}" if self.end else ""
        return f"every {every} at {self.at} {self.timezone} from {self.start}{until}"

    def _not_before(self, wall: datetime) -> datetime | None:
        for day in self._dates(wall.date()):
            if self.end is not None and day > self.end:
                return None
            if (found := datetime.combine(day, self.at)) >= wall:
                return found
        return None

    def _dates(self, near: date) -> Iterator[date]:
        """The dates of the sequence from one that is not after `near`, or else from `start`."""
        months, days = 12 * self.years + self.months, 7 * self.weeks + self.days
        day = self.start
        if not months:
            day += timedelta(max(0, (near - day).days // days) * days)
        elif not days:
            day = self._last_month(near, months)
        # Steps of both kinds depend on all before them, but each is a month or longer.
        while True:
            yield day
            following = _added(day, months, days)
            if following is None:
                return
            day = following

    def _last_month(self, near: date, months: int) -> date:
        steps = max(0, (_month(near) - _month(self.start) - 1) // months)
        while (day := _in_month(_month(self.start) + steps * months, self.start.day)) is None:
            steps -= 1
        return day


def _added(day: date, months: int, days: int) -> date | None:
    """The date one step on; None where it is past all that a store can keep."""
    month = _month(day) + months
    while month < _month(_END):
        if (moved := _in_month(month, day.day)) is not None:
            return moved + timedelta(days) if days < (_END - moved).days else None
        month += months
    return None


def _month(day: date) -> int:
    return 12 * day.year + day.month - 1


def _in_month(month: int, day: int) -> date | None:
    """That day of the month, if it has it."""
    year, zero_based = divmod(month, 12)
    if day > monthrange(year, zero_based + 1)[1]:
        return None
    return date(year, zero_based + 1, day)
