"""Calendar intervals go by dates, and keep the time of day."""

from datetime import date, datetime, time, timedelta
from itertools import chain, islice
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oncue.actors.triggers import CalendarTrigger, from_apscheduler
from tests.actors.triggers.kit import MOMENTS, ApsCalendar, following, oracle_walk, utc, walk


def every(
    *,
    start: str,
    end: str | None = None,
    at: str = "09:00",
    timezone: str = "UTC",
    **steps: Any,  # years, months, weeks, days
) -> CalendarTrigger:
    return CalendarTrigger(
        start=date.fromisoformat(start),
        end=date.fromisoformat(end) if end else None,
        at=time.fromisoformat(at),
        timezone=timezone,
        **steps,
    )


def test_a_month_without_a_31st_is_passed_over() -> None:
    trigger = every(months=1, start="2026-01-31")
    assert following(trigger, "2026-01-01", 4) == [
        "2026-01-31 09:00",
        "2026-03-31 09:00",
        "2026-05-31 09:00",
        "2026-07-31 09:00",
    ]
    assert str(trigger) == "every 1 month at 09:00:00 UTC from 2026-01-31"


def test_a_leap_day_comes_every_four_years_and_not_in_2100() -> None:
    trigger = every(years=1, start="2024-02-29")
    assert following(trigger, "2096-01-01", 2) == ["2096-02-29 09:00", "2104-02-29 09:00"]


def test_it_starts_with_its_start_and_ends_with_its_end() -> None:
    trigger = every(weeks=1, days=1, start="2026-01-01", end="2026-01-17")
    assert following(trigger, "2025-01-01") == [
        "2026-01-01 09:00",
        "2026-01-09 09:00",
        "2026-01-17 09:00",
    ]
    assert str(trigger) == "every 1 week, 1 day at 09:00:00 UTC from 2026-01-01 until 2026-01-17"


def test_months_are_added_before_days() -> None:
    trigger = every(months=1, days=1, start="2026-01-30")
    assert following(trigger, "2026-01-01", 3) == [
        "2026-01-30 09:00",
        "2026-03-31 09:00",  # no 30 February
        "2026-06-01 09:00",  # no 31 April; 31 May and a day
    ]


MONTHS = st.fixed_dictionaries({"years": st.integers(0, 3), "months": st.integers(1, 14)})
DAYS = st.fixed_dictionaries({"weeks": st.integers(0, 5), "days": st.integers(1, 40)})
BOTH = st.tuples(MONTHS, DAYS).map(lambda two: two[0] | two[1])
STEPS = st.one_of(MONTHS, DAYS, BOTH)
DATES = st.dates(date(2000, 1, 1), date(2030, 1, 1))


@settings(derandomize=True, deadline=None, max_examples=150)
@given(STEPS, DATES, st.integers(4, 23))
def test_the_dates_are_apschedulers(steps: dict[str, Any], start: date, hour: int) -> None:
    """Away from the nights, in which APScheduler counts on from a date that it passed over."""
    oracle = ApsCalendar(**steps, start_date=start, hour=hour, timezone="Europe/Berlin")
    ours = from_apscheduler(oracle)
    first = next(walk(ours, utc("1999-01-01")))
    assert list(islice(walk(ours, first), 30)) == list(islice(oracle_walk(oracle, first), 30))


@settings(derandomize=True, deadline=None, max_examples=150)
@given(STEPS, DATES, MOMENTS)
def test_any_moment_finds_its_place_in_the_sequence(
    steps: dict[str, Any], start: date, moment: datetime
) -> None:
    """By arithmetic where it can be, it must be what a walk from the start finds."""
    oracle = ApsCalendar(**steps, start_date=start, timezone="UTC")
    first = utc(start.isoformat())
    sequence = chain([first], oracle_walk(oracle, first))
    expected = next(each for each in sequence if each > moment)
    ours = from_apscheduler(oracle)
    assert ours.after(moment) == expected
    assert ours.after(expected - timedelta.resolution) == expected


def test_the_nights() -> None:
    """As APScheduler: not in the gap, and only the first in the fold, unless told otherwise."""
    daily = every(days=1, start="2026-03-01", at="02:30", timezone="Europe/Berlin")
    assert following(daily, "2026-03-28 12:00", 1) == ["2026-03-30 00:30"]
    assert following(daily, "2026-10-24 12:00", 2) == ["2026-10-25 00:30", "2026-10-26 01:30"]
    oracle = ApsCalendar(
        days=1, start_date="2026-03-01", hour=2, minute=30, timezone="Europe/Berlin"
    )
    otherwise = from_apscheduler(oracle, dst_gap="next", dst_fold="both")
    assert following(otherwise, "2026-03-28 12:00", 1) == ["2026-03-29 01:00"]
    assert following(otherwise, "2026-10-24 12:00", 2) == ["2026-10-25 00:30", "2026-10-25 01:30"]


@pytest.mark.parametrize(
    "steps", [{"days": 10**12}, {"years": 10**12}, {"years": 1, "days": 10**9}]
)
def test_a_step_past_all_dates_occurs_once(steps: dict[str, Any]) -> None:
    assert following(every(start="2026-01-01", **steps), "2025-01-01") == ["2026-01-01 09:00"]


def test_where_there_is_no_such_date_any_more_it_ends() -> None:
    """After 2800 APScheduler goes on looking, and past the year 9999 for ever."""
    centuries = every(years=100, start="2000-02-29")
    assert following(centuries, "2001-01-01") == ["2400-02-29 09:00", "2800-02-29 09:00"]


def test_what_is_wrong_is_named() -> None:
    with pytest.raises(ValueError, match="years, months, weeks and days are"):
        every(start="2026-01-01")
    with pytest.raises(ValueError, match="years, months, weeks and days are"):
        every(start="2026-01-01", months=1, days=-1)
    with pytest.raises(ValueError, match="end_date 2025-01-01 is before start_date 2026-01-01"):
        every(start="2026-01-01", end="2025-01-01", days=1)
    with pytest.raises(ValueError, match="start_date is 1900-01-01: the year must be"):
        every(start="1900-01-01", days=1)
    with pytest.raises(ValueError, match=r"the time is 09:00:00\.5\d*: it must be hours"):
        every(start="2026-01-01", days=1, at="09:00:00.5")
    with pytest.raises(ValueError, match="no timezone 'Mars'"):
        every(start="2026-01-01", days=1, timezone="Mars")
