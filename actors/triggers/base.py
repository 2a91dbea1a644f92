"""What triggers share: moments, the span they keep to, and how both are written.

A trigger is a frozen dataclass with `jitter_s`, `after` and a `__str__` for listings:

- `after(moment)` is the first occurrence strictly later than `moment`, or None: no more. Both are
  aware UTC. It has no state, so a schedule can be resumed, moved, skipped and combined.
- A run is delayed by 0 to `jitter_s` seconds. That never moves an occurrence.
"""

from datetime import UTC, datetime, timedelta, tzinfo
from typing import Annotated, Final

from pydantic import AfterValidator, AwareDatetime, ConfigDict

from ...stores.task import YEARS

TICK: Final = timedelta.resolution
FIRST: Final = datetime(YEARS.start, 1, 1, tzinfo=UTC)
LAST: Final = datetime(YEARS.stop, 1, 1, tzinfo=UTC) - TICK
JITTER_S_MAX: Final = 365 * 86_400.0

AS_JSON: Final = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)
"""How the codec reads a trigger: nothing that it does not know, and nothing converted."""


def in_utc(name: str, moment: datetime, zone: tzinfo = UTC) -> datetime:
    """`moment` in UTC; one without a zone is read in `zone`. Raises TypeError and ValueError naming
    `name`."""
    if not isinstance(moment, datetime):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"{name} must be a datetime, not {moment!r}")
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone)
    if moment.year not in YEARS:
        raise ValueError(
            f"{name} is {moment}: the year must be from {YEARS.start} to {YEARS.stop - 1}"
        )
    return moment.astimezone(UTC)


def in_utc_or_none(name: str, moment: datetime | None, zone: tzinfo = UTC) -> datetime | None:
    return None if moment is None else in_utc(name, moment, zone)


Moment = Annotated[AwareDatetime, AfterValidator(lambda moment: in_utc("a moment", moment))]


def check_bounds(start: datetime | None, end: datetime | None, jitter_s: float) -> None:
    """Raises ValueError naming what our callers call `end_date` or `jitter`."""
    if start is not None and end is not None and end < start:
        raise ValueError(f"end_date {written(end)} is before start_date {written(start)}")
    if isinstance(jitter_s, bool) or not isinstance(jitter_s, (int, float)):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"jitter must be a number of seconds, not {jitter_s!r}")
    if not 0 <= jitter_s <= JITTER_S_MAX:
        raise ValueError(f"jitter is {jitter_s}: it must be 0 to {JITTER_S_MAX:.0f} seconds")


def no_later(moment: datetime | None, end: datetime | None) -> datetime | None:
    """`moment`, unless it is past `end` or past what a store can keep."""
    return None if moment is None or moment > (end or LAST) else moment


def written(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def span(start: datetime | None, end: datetime | None) -> str:
    """` from ... until ...`, as far as they are there."""
    first = f" from {written(start)}" if start else ""
    return f"{first} until {written(end)}" if end else first
