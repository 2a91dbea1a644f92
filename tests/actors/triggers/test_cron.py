"""APScheduler's cron fields mean what they mean there."""

from datetime import datetime, timedelta
from itertools import islice, takewhile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oncue.actors.triggers import CronFields, CronTrigger, from_apscheduler
from tests.actors.triggers.kit import (
    MOMENTS,
    ApsCron,
    following,
    number_texts,
    oracle_walk,
    utc,
    walk,
)

WEEKDAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]


def named(names: list[str]) -> st.SearchStrategy[str]:
    places = st.integers(0, len(names) - 1)
    ranges = st.tuples(places, places).map(sorted)
    return st.one_of(
        places.map(lambda place: names[place]),
        ranges.map(lambda ends: f"{names[ends[0]]}-{names[ends[1]]}"),
    )


POSITIONS = st.tuples(
    st.sampled_from(["1st", "2nd", "3rd", "4th", "5th", "last"]), st.sampled_from(WEEKDAYS)
).map(" ".join)
DAYS = st.one_of(
    number_texts(1, 31), POSITIONS, st.just("last"), POSITIONS.map(lambda each: f"{each},15")
)
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "year": st.sampled_from(["*", "2024-2031", "*/2", "2025,2028"]),
        "month": st.one_of(number_texts(1, 12), named(MONTHS)),
        "day": DAYS,
        "week": number_texts(1, 53),
        "day_of_week": st.one_of(number_texts(0, 6), named(WEEKDAYS)),
        "hour": number_texts(0, 23),
        "minute": number_texts(0, 59),
        "second": number_texts(0, 59),
    },
)
ELSEWHERE = st.sampled_from(["UTC", "Asia/Kolkata", "America/Phoenix"])


@settings(derandomize=True, deadline=None, max_examples=300)
@given(FIELDS, ELSEWHERE, MOMENTS)
def test_the_occurrences_of_a_year_are_apschedulers(
    fields: dict[str, str], timezone: str, moment: datetime
) -> None:
    # Its own search would go on to the year 9999, so an end is set.
    oracle = ApsCron(**fields, timezone=timezone, end_date=moment + timedelta(days=366))
    ours = from_apscheduler(oracle)
    assert list(islice(walk(ours, moment), 25)) == list(islice(oracle_walk(oracle, moment), 25))


@settings(derandomize=True, deadline=None, max_examples=100)
@given(FIELDS, st.sampled_from(["Europe/Berlin", "America/New_York"]), st.integers(0, 3))
def test_so_they_are_with_daylight_saving_but_for_its_two_nights(
    fields: dict[str, str], timezone: str, quarter: int
) -> None:
    moment = utc("2026-01-01") + quarter * timedelta(days=92)
    fields = {"minute": "0", "second": "0"} | fields | {"hour": "4-23/3"}
    oracle = ApsCron(**fields, timezone=timezone, end_date=moment + timedelta(days=200))
    ours = from_apscheduler(oracle)
    limit = takewhile(lambda each: each <= moment + timedelta(days=200), walk(ours, moment))
    assert list(islice(limit, 300)) == list(islice(oracle_walk(oracle, moment), 300))


def test_weekday_0_is_monday_and_all_fields_must_match() -> None:
    fields = from_apscheduler(ApsCron(day=13, day_of_week=4, hour=9, timezone="UTC"))
    assert following(fields, "2026-01-01", 2) == ["2026-02-13 09:00", "2026-03-13 09:00"]
    monday = from_apscheduler(ApsCron(day_of_week=0, timezone="UTC"))
    assert following(monday, "2026-01-01", 1) == ["2026-01-05 00:00"]


def test_only_what_was_given_is_kept() -> None:
    trigger = from_apscheduler(ApsCron(hour=9, day_of_week="mon-fri", timezone="Europe/Berlin"))
    assert trigger == CronTrigger(
        fields=CronFields(hour="9", day_of_week="mon-fri"),
        timezone="Europe/Berlin",
        dst_gap="next",
        dst_fold="first",
    )
    assert str(trigger) == "cron day_of_week=mon-fri hour=9 Europe/Berlin"


@pytest.mark.parametrize(
    ("fields", "fold"),
    [
        ({"hour": 1}, "first"),
        ({"hour": "1-2", "minute": "*/15"}, "both"),
        ({"minute": 30}, "both"),
        ({"second": "*/10"}, "both"),
        ({"day": 1}, "first"),
        ({}, "both"),
    ],
)
def test_the_policy_follows_from_hour_and_minute(fields: dict[str, str], fold: str) -> None:
    trigger = from_apscheduler(ApsCron(**fields, timezone="Europe/Berlin"))
    assert isinstance(trigger, CronTrigger)
    assert (trigger.dst_gap, trigger.dst_fold) == ("next" if fold == "first" else "skip", fold)


def test_a_clock_set_back_names_no_occurrence_twice() -> None:
    """APScheduler's own goes back before the last one when `now` does."""
    trigger = from_apscheduler(ApsCron(minute="*/10", timezone="UTC"))
    last = utc("2026-01-01 12:00")
    assert trigger.after(last) == last + timedelta(minutes=10)


def test_a_year_far_away_is_found_and_a_past_one_is_no_more() -> None:
    far = from_apscheduler(ApsCron(year=2996, month=2, day="last", timezone="UTC"))
    assert following(far, "2026-01-01") == ["2996-02-29 00:00"]
    past = from_apscheduler(ApsCron(year="1999-2005", timezone="UTC"))
    assert following(past, "2026-01-01") == []


def test_a_year_begins_in_week_53_only_after_a_leap_year_or_on_a_friday() -> None:
    """2022 and 2033 both begin on a Saturday and have 365 days."""
    trigger = from_apscheduler(ApsCron(week=53, month=1, day=1, timezone="UTC"))
    assert following(trigger, "2021-06-01", 2) == ["2027-01-01 00:00", "2033-01-01 00:00"]


def test_start_and_end_are_in() -> None:
    start, end = utc("2026-01-01 10:00"), utc("2026-01-01 11:00")
    hourly = ApsCron(minute=0, timezone="UTC", start_date=start, end_date=end)
    trigger = from_apscheduler(hourly)
    assert following(trigger, "2025-01-01") == ["2026-01-01 10:00", "2026-01-01 11:00"]
    assert str(trigger).endswith(" UTC from 2026-01-01T10:00:00Z until 2026-01-01T11:00:00Z")
