"""An interval is elapsed time from an anchor."""

from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oncue.actors.triggers import DateTrigger, IntervalTrigger, from_apscheduler, interval
from tests.actors.triggers.kit import MOMENTS, ApsInterval, following, oracle_walk, utc, walk

NOW = utc("2026-01-01 12:00")


def test_the_first_run_comes_one_interval_after_the_anchor() -> None:
    trigger = interval(hours=1, minutes=30, anchor=NOW)
    assert following(trigger, "2026-01-01 12:00", 2) == ["2026-01-01 13:30", "2026-01-01 15:00"]
    assert str(trigger) == "every 1 h 30 min from 2026-01-01T13:30:00Z"


def test_or_at_its_start_date_whenever_it_was_added() -> None:
    for anchor in (NOW, NOW + timedelta(days=3, seconds=7)):
        trigger = interval(hours=7, start_date=datetime(2026, 1, 1), anchor=anchor)
        assert following(trigger, "2025-12-31", 2) == ["2026-01-01 00:00", "2026-01-01 07:00"]


def test_it_ends_with_its_end_date() -> None:
    end = datetime(2026, 1, 1, 14)
    trigger = interval(hours=1, anchor=NOW, end_date=end)
    assert following(trigger, "2026-01-01 12:00") == ["2026-01-01 13:00", "2026-01-01 14:00"]


@given(
    MOMENTS,
    st.timedeltas(timedelta(milliseconds=10), timedelta(days=10_000)),
    st.integers(0, 10**6),
)
def test_every_occurrence_is_a_whole_number_of_intervals_away(
    start: datetime, every: timedelta, later_s: int
) -> None:
    trigger = IntervalTrigger(start=start, every=every)
    moment = start + timedelta(seconds=later_s)
    found = trigger.after(moment)
    assert found is not None
    assert moment < found <= moment + every
    assert (found - start) % every == timedelta(0)


@settings(derandomize=True, deadline=None)
@given(MOMENTS, st.integers(1, 10**6), MOMENTS)
def test_the_occurrences_are_apschedulers(start: datetime, every_s: int, moment: datetime) -> None:
    start, moment = start.replace(microsecond=0), max(start, moment).replace(microsecond=0)
    oracle = ApsInterval(seconds=every_s, start_date=start, timezone="UTC")
    ours = from_apscheduler(oracle)
    first = ours.after(moment)
    assert first is not None
    expected = list(islice(oracle_walk(oracle, first), 10))
    assert list(islice(walk(ours, first), 10)) == expected


def test_a_day_is_24_hours_across_the_nights_too() -> None:
    trigger = interval(days=1, start_date=utc("2026-03-07 07:30"), anchor=NOW)
    assert following(trigger, "2026-03-07 12:00", 2) == ["2026-03-08 07:30", "2026-03-09 07:30"]


def test_jitter_moves_no_occurrence() -> None:
    plain = interval(seconds=60, anchor=NOW)
    spread = interval(seconds=60, anchor=NOW, jitter=30)
    assert spread.jitter_s == 30
    assert list(islice(walk(spread, NOW), 20)) == list(islice(walk(plain, NOW), 20))


def test_an_interval_of_nothing_is_refused() -> None:
    """APScheduler makes a second of it."""
    with pytest.raises(ValueError, match=r"the interval is 0 s, and must be at least 0\.01 s"):
        interval(anchor=NOW)
    with pytest.raises(ValueError, match="the interval is -60 s"):
        interval(minutes=-1, anchor=NOW)
    with pytest.raises(ValueError, match=r"the interval is 0\.009 s"):
        interval(seconds=0.009, anchor=NOW)


@pytest.mark.parametrize("days", [float("nan"), float("inf"), 1e300, 3_000_000])
def test_what_is_no_length_of_time_is_refused(days: float) -> None:
    with pytest.raises(ValueError, match="the interval is no length of time, or past all dates"):
        interval(days=days, anchor=NOW)


def test_what_else_is_wrong_is_named() -> None:
    with pytest.raises(ValueError, match=r"end_date .* is before start_date"):
        interval(hours=1, anchor=NOW, end_date=NOW)
    with pytest.raises(ValueError, match=r"jitter is -0\.5: it must be 0 to 31536000 seconds"):
        interval(hours=1, anchor=NOW, jitter=-0.5)
    with pytest.raises(ValueError, match=r"the first run is 3[0-9]{3}-.*: the year must be from"):
        interval(days=365_000, anchor=NOW + timedelta(days=365))


def test_the_last_years_have_no_occurrences() -> None:
    trigger = IntervalTrigger(start=NOW, every=timedelta(days=300_000))
    assert following(trigger, "2026-01-02") == ["2847-05-17 12:00"]
    huge = IntervalTrigger(start=NOW, every=timedelta.max)
    assert huge.after(NOW) is None
    assert huge.after(datetime.min.replace(tzinfo=UTC)) == NOW


def test_a_date_occurs_once() -> None:
    trigger = DateTrigger(at=NOW)
    assert trigger.after(NOW - timedelta(microseconds=1)) == NOW
    assert trigger.after(NOW) is None
    assert str(trigger) == "once at 2026-01-01T12:00:00Z"
    assert trigger.jitter_s == 0
