"""The fields of APScheduler's CronTrigger, by its own meaning: weekday 0 is Monday, all must match.

What a field's text means is asked of APScheduler 3.11. The search through years, days and times is
ours: it costs the same for a yearly job, ends for 30 February, and knows both kinds of nights.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import ClassVar, Final, Literal

from ...stores.task import YEARS
from . import _apscheduler as aps
from . import zones
from .base import AS_JSON, TICK, Moment, check_bounds, no_later, span
from .wall import WallDays, WallPattern
from .zones import Fold, Gap


@dataclass(frozen=True, slots=True, kw_only=True)
class CronFields:
    """What each field says; None is APScheduler's default for it."""

    __pydantic_config__: ClassVar = AS_JSON

    year: str | None = None
    month: str | None = None
    day: str | None = None
    week: str | None = None
    day_of_week: str | None = None
    hour: str | None = None
    minute: str | None = None
    second: str | None = None

    def given(self) -> dict[str, str]:
        texts = {each.name: getattr(self, each.name) for each in fields(self)}
        return {name: text for name, text in texts.items() if text is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class CronTrigger:
    """Occurs when the wall clock of `timezone` shows a time of `fields`."""

    __pydantic_config__: ClassVar = AS_JSON

    type: Literal["cron"] = "cron"
    fields: CronFields
    timezone: str
    dst_gap: Gap
    dst_fold: Fold
    start: Moment | None = None
    end: Moment | None = None
    jitter_s: float = 0.0

    def __post_init__(self) -> None:
        _pattern(self.fields)
        zones.check(self)
        check_bounds(self.start, self.end, self.jitter_s)

    def after(self, moment: datetime) -> datetime | None:
        if self.start is not None:
            moment = max(moment, self.start - TICK)
        return no_later(zones.after(moment, _pattern(self.fields).not_before, self), self.end)

    def __str__(self) -> str:
        given = "".join(f" {name}={text}" for name, text in self.fields.given().items())
        return f"cron{given} {self.timezone}{span(self.start, self.end)}"


_DAY_FIELDS: Final = ("month", "day", "week", "day_of_week")


@lru_cache(maxsize=1024)
def _pattern(given: CronFields) -> WallPattern:
    cron = aps.CronTrigger(**given.given(), timezone=UTC)
    by_name = {field.name: field for field in cron.fields}

    def times(name: str, values: range) -> list[int]:
        midnight, unit = datetime(2000, 1, 1), timedelta(**{f"{name}s": 1})
        return [each for each in values if _matches(by_name[name], midnight + each * unit)]

    return WallPattern(
        days=_days(*(str(by_name[name]) for name in _DAY_FIELDS)),
        hours=times("hour", range(24)),
        minutes=times("minute", range(60)),
        seconds=times("second", range(60)),
        years=_years(by_name["year"]),
    )


@lru_cache(maxsize=1024)
def _days(month: str, day: str, week: str, day_of_week: str) -> WallDays:
    cron = aps.CronTrigger(month=month, day=day, week=week, day_of_week=day_of_week, timezone=UTC)
    of_days = [field for field in cron.fields if field.name in _DAY_FIELDS and str(field) != "*"]
    return WallDays(lambda day: all(_matches(field, day) for field in of_days))


def _years(field: aps.CronField) -> Sequence[int]:
    if str(field) == "*":
        return YEARS
    return [year for year in YEARS if _matches(field, date(year, 1, 1))]


def _matches(field: aps.CronField, moment: date) -> bool:
    return field.get_next_value(moment) == field.get_value(moment)
