"""The times of a wall clock that calendar fields name. A wall clock knows no zone."""

from bisect import bisect_left
from calendar import isleap
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime, timedelta
from typing import Final

from ...stores.task import YEARS

SECOND: Final = timedelta(seconds=1)


class WallDays:
    """Days, chosen by a function of the date: it may ask for the month, the day, the weekday and
    the ISO week, not for the year. Patterns with the same days share one: a year takes 0.5 ms.
    """

    __slots__ = ("_calendars", "_is_chosen")

    def __init__(self, is_chosen: Callable[[date], bool]) -> None:
        self._is_chosen = is_chosen
        self._calendars: dict[tuple[bool, bool, int], list[int]] = {}

    def of(self, year: int) -> list[int]:
        """The days of the year, from 0. There are at most 28 different years: the year before
        decides whether a first of January belongs to an ISO week 52 or 53.
        """
        first = date(year, 1, 1)
        kind = (isleap(year), isleap(year - 1), first.weekday())
        days = self._calendars.get(kind)
        if days is None:
            dates = (first + timedelta(days=day) for day in range(366 if isleap(year) else 365))
            days = [day for day, each in enumerate(dates) if self._is_chosen(each)]
            self._calendars[kind] = days
        return days


class WallPattern:
    """Days, and the times that each of them has: all `seconds` of all `minutes` of all `hours`.

    `years` are the years it holds in.
    """

    __slots__ = ("_days", "_minutes", "_seconds", "_years")

    def __init__(
        self,
        *,
        days: WallDays,
        hours: Iterable[int],
        minutes: Iterable[int],
        seconds: Iterable[int] = (0,),
        years: Sequence[int] = YEARS,
    ) -> None:
        within = sorted(minutes)
        self._years = years
        self._days = days
        self._minutes = [60 * hour + minute for hour in sorted(hours) for minute in within]
        self._seconds = sorted(seconds)

    def not_before(self, wall: datetime) -> datetime | None:
        """The first time of the pattern that is not before `wall`; None after the last year."""
        if wall.microsecond:
            wall = wall.replace(microsecond=0) + SECOND
        today = wall.toordinal()
        day = self._day_from(today)
        second = None
        if day == today:
            second = self._second_from(3600 * wall.hour + 60 * wall.minute + wall.second)
            if second is None:
                day = self._day_from(today + 1)
        if day is None:
            return None
        if second is None:
            second = 60 * self._minutes[0] + self._seconds[0]
        return datetime.fromordinal(day) + timedelta(seconds=second)

    def _second_from(self, second: int) -> int | None:
        minute, rest = divmod(second, 60)
        place = bisect_left(self._minutes, minute)
        if place < len(self._minutes) and self._minutes[place] == minute:
            if rest <= self._seconds[-1]:
                return 60 * minute + self._seconds[bisect_left(self._seconds, rest)]
            place += 1
        if place == len(self._minutes):
            return None
        return 60 * self._minutes[place] + self._seconds[0]

    def _day_from(self, ordinal: int) -> int | None:
        place = bisect_left(self._years, date.fromordinal(ordinal).year)
        for year in self._years[place:]:
            first = date(year, 1, 1).toordinal()
            days = self._days.of(year)
            place = bisect_left(days, ordinal - first)
            if place < len(days):
                return first + days[place]
        return None
