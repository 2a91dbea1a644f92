"""A line of a crontab, as cron(5) reads it.

Rules, where readers of other manuals would expect otherwise:
- Weekdays are 0 to 7, and both 0 and 7 are Sunday; so 5-7 and fri-sun end on one.
- Where day of month and day of week are both restricted, a day needs to be one of them. A field
  is restricted when it does not start with `*`.
- A step follows a range or `*`. Seconds, years, `L`, `W`, `#` and `?` are no part of a crontab.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, tzinfo
from functools import lru_cache
from typing import ClassVar, Final, Literal

from . import zones
from .base import (
    AS_JSON,
    TICK,
    Moment,
    check_bounds,
    in_utc_or_none,
    no_later,
    span,
)
from .wall import WallDays, WallPattern
from .zones import Fold, Gap


@dataclass(frozen=True, slots=True, kw_only=True)
class CrontabTrigger:
    """Occurs when the wall clock of `timezone` shows a time of `expression`."""

    __pydantic_config__: ClassVar = AS_JSON

    type: Literal["crontab"] = "crontab"
    expression: str
    timezone: str
    dst_gap: Gap
    dst_fold: Fold
    start: Moment | None = None
    end: Moment | None = None
    jitter_s: float = 0.0

    def __post_init__(self) -> None:
        _pattern(self.expression)
        zones.check(self)
        check_bounds(self.start, self.end, self.jitter_s)

    def after(self, moment: datetime) -> datetime | None:
        if self.start is not None:
            moment = max(moment, self.start - TICK)
        return no_later(zones.after(moment, _pattern(self.expression).not_before, self), self.end)

    def __str__(self) -> str:
        return f"cron {self.expression} {self.timezone}{span(self.start, self.end)}"


def crontab(
    expression: str,
    *,
    timezone: str | tzinfo = "UTC",
    start_date: datetime | None = None,
    end_date: datetime | None = None,
    jitter: float | None = None,
    dst_gap: Gap | None = None,
    dst_fold: Fold | None = None,
) -> CrontabTrigger:
    """`0 9 * * mon-fri`, `@daily`, ...; dates without a zone are read in `timezone`.

    Raises ValueError that quotes the expression, or names what else is wrong.
    """
    if not isinstance(expression, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ValueError(f"{expression!r} is no crontab: it is no text")
    expression = " ".join(expression.split())
    texts = _texts(expression)
    name = zones.name_of(timezone)
    gap, fold = zones.policies(texts["hour"], texts["minute"], dst_gap, dst_fold)
    return CrontabTrigger(
        expression=expression,
        timezone=name,
        dst_gap=gap,
        dst_fold=fold,
        start=in_utc_or_none("start_date", start_date, zones.named(name)),
        end=in_utc_or_none("end_date", end_date, zones.named(name)),
        jitter_s=jitter or 0.0,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Field:
    name: str
    low: int
    high: int
    names: Mapping[str, int] = field(default_factory=dict[str, int])
    allowed: str


# fmt: off
_MONTHS: Final = (
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
)
# fmt: on
_WEEKDAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_FIELDS: Final = (
    _Field(name="minute", low=0, high=59, allowed="0-59"),
    _Field(name="hour", low=0, high=23, allowed="0-23"),
    _Field(name="day of month", low=1, high=31, allowed="1-31"),
    _Field(
        name="month",
        low=1,
        high=12,
        names={name: number for number, name in enumerate(_MONTHS, 1)},
        allowed="1-12 or jan-dec",
    ),
    _Field(
        name="day of week",
        low=0,
        high=7,
        names={name: number for number, name in enumerate(_WEEKDAYS)},
        allowed="0-7 or sun-sat, 0 and 7 are Sunday",
    ),
)
_NICKNAMES: Final = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_VALUE: Final = r"[0-9]{1,2}|[a-z]{3}"
_PART: Final = re.compile(
    rf"(?:\*|(?P<first>{_VALUE})(?:-(?P<last>{_VALUE}))?)(?:/(?P<step>[0-9]{{1,4}}))?",
    re.IGNORECASE,
)


@lru_cache(maxsize=1024)
def _pattern(expression: str) -> WallPattern:
    texts = _texts(expression)
    values = {each.name: _values(each, texts[each.name], expression) for each in _FIELDS}
    either = not any(texts[name].startswith("*") for name in ("day of month", "day of week"))
    days = _days(
        frozenset(values["month"]),
        frozenset(values["day of month"]),
        frozenset(value % 7 for value in values["day of week"]),
        either,
    )
    return WallPattern(days=days, hours=values["hour"], minutes=values["minute"])


@lru_cache(maxsize=1024)
def _days(
    months: frozenset[int], monthdays: frozenset[int], weekdays: frozenset[int], either: bool
) -> WallDays:
    def is_chosen(day: date) -> bool:
        chosen = (day.day in monthdays, day.isoweekday() % 7 in weekdays)
        return day.month in months and (any(chosen) if either else all(chosen))

    return WallDays(is_chosen)


def _texts(expression: str) -> dict[str, str]:
    """The text of each field, by its name."""
    texts = (_nickname(expression) if expression.startswith("@") else expression).split()
    if len(texts) != len(_FIELDS):
        wanted = ", ".join(each.name for each in _FIELDS)
        told = f"it has {len(texts)} fields and needs 5: {wanted}"
        if len(texts) == len(_FIELDS) + 1:
            told += (
                ". Seconds are no part of a crontab: use an interval of seconds, or add_job with "
                "APScheduler's CronTrigger(second=...)"
            )
        raise _no_crontab(expression, told)
    return {each.name: text for each, text in zip(_FIELDS, texts, strict=True)}


def _nickname(expression: str) -> str:
    meant = _NICKNAMES.get(expression.lower())
    if meant is not None:
        return meant
    if expression.lower() == "@reboot":
        told = "@reboot is no time of a clock; enqueue the task where your program starts"
    else:
        told = f"with @ there are {', '.join(_NICKNAMES)}"
    raise _no_crontab(expression, told)


def _values(field: _Field, text: str, expression: str) -> set[int]:
    values: set[int] = set()
    for part in text.split(","):
        try:
            values.update(_part(field, part))
        except ValueError as error:
            told = f"{field.name} is {field.allowed}, got {part!r}{error}"
            raise _no_crontab(expression, told) from None
    return values


def _part(field: _Field, part: str) -> range:
    """The values; or ValueError with what is to be said of the part, if anything."""
    match = _PART.fullmatch(part)
    if match is None:
        raise ValueError
    first, last, step = match["first"], match["last"], match["step"]
    low = _value(field, first) if first else field.low
    high = _value(field, last) if last else low if first else field.high
    if last and last.lower() == "sun" and low > 0:
        high = 7
    if high < low:
        raise ValueError(", which runs backwards")
    if step is None:
        return range(low, high + 1)
    if first and not last:
        raise ValueError(f": a step follows a range, as in {first}-{field.high}/{step}")
    if int(step) == 0:
        raise ValueError(", a step of 0")
    return range(low, high + 1, int(step))


def _value(field: _Field, text: str) -> int:
    value = int(text) if text.isdecimal() else field.names.get(text.lower(), -1)
    if not field.low <= value <= field.high:
        raise ValueError
    return value


def _no_crontab(expression: str, told: str) -> ValueError:
    return ValueError(f"{expression!r} is no crontab: {told}")
