"""From the wall clock of a zone to instants, and the two nights on which they do not match.

In spring a stretch of wall time is left out (the gap), in autumn one comes twice (the fold):

- `dst_gap`, for a time that is left out: "next" occurs at the first instant after the gap, once
  for all of them and for a regular time at that instant; "skip" does not occur.
- `dst_fold`, for a time that comes twice: "first" occurs the first time only; "both", twice.

A gap or fold is any change of the offset, of whatever length: Lord Howe's 30 minutes, Samoa's day.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from difflib import get_close_matches
from functools import lru_cache
from typing import Final, Literal, Protocol
from zoneinfo import ZoneInfo, available_timezones

from .base import FIRST, LAST, TICK

Gap = Literal["next", "skip"]
Fold = Literal["first", "both"]

WallTimes = Callable[[datetime], datetime | None]
"""The first wall time that is not before this one, or None. Both are naive."""

_SECOND: Final = timedelta(seconds=1)
_HERE: Final = "localtime"
"""A name that databases have for the system's own zone: another one on each node."""


class Zoned(Protocol):
    """What a trigger says about its wall clock."""

    @property
    def timezone(self) -> str: ...
    @property
    def dst_gap(self) -> Gap: ...
    @property
    def dst_fold(self) -> Fold: ...


def after(moment: datetime, times: WallTimes, zoned: Zoned) -> datetime | None:
    """The first instant later than `moment` on which the zone's wall clock shows one of `times`.

    First passes come in the order of the wall clock. A second pass can only be next while the
    clock shows what it shows twice, so only there is it looked for.
    """
    zone = named(zoned.timezone)
    local = max(FIRST - TICK, min(moment, LAST)).astimezone(zone)
    wall = local.replace(tzinfo=None, fold=0)
    start = wall + TICK
    before, behind = _offsets(wall, zone)
    if before > behind:
        wall = wall.replace(microsecond=0)
        change = _change(wall - before, wall - behind, zone)
        twice_from, twice_until = change + behind, change + before
        passes: list[tuple[datetime, timedelta]] = []
        if not local.fold:
            passes.append((start, before))
        if zoned.dst_fold == "both":
            passes.append((start if local.fold else twice_from, behind))
        for begin, offset in passes:
            found = times(begin)
            if found is not None and found < twice_until:
                return (found - offset).replace(tzinfo=UTC)
        start = twice_until
    return _first_pass(start, times, zone, zoned.dst_gap)


def _first_pass(start: datetime, times: WallTimes, zone: tzinfo, gap: Gap) -> datetime | None:
    while (wall := times(start)) is not None:
        before, behind = _offsets(wall, zone)
        if before >= behind:
            return (wall - before).replace(tzinfo=UTC)
        change = _change(wall - behind, wall - before, zone)
        if gap == "next":
            return change.replace(tzinfo=UTC)
        start = change + behind  # where the clock goes on
    return None


def _offsets(wall: datetime, zone: tzinfo) -> tuple[timedelta, timedelta]:
    """What the zone is ahead of UTC before and behind the change that `wall` falls into (PEP 495).

    Where it falls into none, they are the same. In a gap the first is the smaller one.
    """
    first, second = wall.replace(tzinfo=zone, fold=0), wall.replace(tzinfo=zone, fold=1)
    return first.utcoffset() or timedelta(0), second.utcoffset() or timedelta(0)


def _change(low: datetime, high: datetime, zone: tzinfo) -> datetime:
    """The instant in (low, high], naive UTC, from which on the offset is no longer that of `low`.

    zoneinfo does not tell its transitions. They come on whole seconds, so this finds one.
    """

    def offset(instant: datetime) -> timedelta | None:
        return instant.replace(tzinfo=UTC).astimezone(zone).utcoffset()

    old = offset(low)
    seconds_low, seconds_high = 0, (high - low) // _SECOND
    while seconds_high - seconds_low > 1:
        middle = (seconds_low + seconds_high) // 2
        if offset(low + middle * _SECOND) == old:
            seconds_low = middle
        else:
            seconds_high = middle
    return low + seconds_high * _SECOND


@lru_cache(maxsize=1024)  # zoneinfo's own cache holds eight, and ours no more names than IANA has
def named(timezone: str) -> tzinfo:
    """The zone. Raises ValueError naming it, with the nearest that exists."""
    if timezone == "UTC":  # known without a time-zone database
        return UTC
    try:
        if timezone != _HERE:
            return ZoneInfo(timezone)
    except (LookupError, OSError, ValueError):
        pass
    known = available_timezones() - {_HERE}
    if not known:
        raise ValueError(
            f"no timezone {timezone!r}: this system has no time-zone database; install tzdata"
        )
    near = get_close_matches(timezone, sorted(known), n=1, cutoff=0.0)
    raise ValueError(f"no timezone {timezone!r}; the nearest is {near[0]!r}")


def name_of(timezone: str | tzinfo) -> str:
    """The IANA name by which a store can keep the zone. Raises ValueError when it has none."""
    name = timezone if isinstance(timezone, str) else getattr(timezone, "key", None)
    if timezone is UTC:
        name = "UTC"
    if name is None:
        raise ValueError(f"timezone {timezone!r} has no IANA name; give ZoneInfo('Area/City')")
    named(name)
    return str(name)


def policies(hour: str, minute: str, gap: Gap | None, fold: Fold | None) -> tuple[Gap, Fold]:
    """What a trigger with these fields does on the two nights, where its maker did not say.

    As cron(8) of Debian: on a change of the clock, jobs at a set time run once; jobs with a
    wildcard in the hour or the minute run by the new time at once. What such a job names in a
    gap is left out, and comes twice in a fold: so it runs on by the elapsed clock.
    """
    if hour.startswith("*") or minute.startswith("*"):
        return gap or "skip", fold or "both"
    return gap or "next", fold or "first"


def check(zoned: Zoned) -> None:
    """Raises ValueError naming what is wrong."""
    named(zoned.timezone)
    if zoned.dst_gap not in ("next", "skip"):
        raise ValueError(f"dst_gap is {zoned.dst_gap!r}: it must be 'next' or 'skip'")
    if zoned.dst_fold not in ("first", "both"):
        raise ValueError(f"dst_fold is {zoned.dst_fold!r}: it must be 'first' or 'both'")
