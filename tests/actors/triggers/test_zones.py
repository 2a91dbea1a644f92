"""The two nights, to the second, and everything else that an offset may do."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oncue.actors.triggers import Fold, Gap, Trigger, crontab, from_apscheduler
from tests.actors.triggers.kit import ApsCron, between, following, told, utc

NEW_YORK, BERLIN, LORD_HOWE = "America/New_York", "Europe/Berlin", "Australia/Lord_Howe"


def seconds(hour: int, minute: int, second: str, *, dst_fold: Fold = "first") -> Trigger:
    fields = ApsCron(hour=hour, minute=minute, second=second, timezone=NEW_YORK)
    return from_apscheduler(fields, dst_fold=dst_fold)


# --- spring: a wall time that does not exist -------------------------------------------------


@pytest.mark.parametrize(
    ("timezone", "expression", "evening", "instant"),
    [
        (NEW_YORK, "30 2 * * *", "2026-03-07 12:00", "2026-03-08 07:00"),
        (BERLIN, "30 2 * * *", "2026-03-28 12:00", "2026-03-29 01:00"),
        (LORD_HOWE, "15 2 * * *", "2026-10-03 12:00", "2026-10-03 15:30"),
    ],
)
def test_a_time_in_the_gap_comes_at_the_first_instant_after_it(
    timezone: str, expression: str, evening: str, instant: str
) -> None:
    trigger = crontab(expression, timezone=timezone)
    assert trigger.dst_gap == "next"
    assert following(trigger, evening, 1) == [instant]
    zone, second = ZoneInfo(timezone), timedelta(seconds=1)
    behind, before = (at.astimezone(zone) for at in (utc(instant), utc(instant) - second))
    assert behind.utcoffset() != before.utcoffset()


@pytest.mark.parametrize(
    ("timezone", "expression", "evening", "next_day"),
    [
        (NEW_YORK, "30 2 * * *", "2026-03-07 12:00", "2026-03-09 06:30"),
        (BERLIN, "30 2 * * *", "2026-03-28 12:00", "2026-03-30 00:30"),
        (LORD_HOWE, "15 2 * * *", "2026-10-03 12:00", "2026-10-04 15:15"),
    ],
)
def test_or_not_at_all(timezone: str, expression: str, evening: str, next_day: str) -> None:
    trigger = crontab(expression, timezone=timezone, dst_gap="skip")
    assert following(trigger, evening, 1) == [next_day]


def test_the_seconds_beside_a_gap_are_kept_and_those_in_it_are_one() -> None:
    last = seconds(1, 59, "58,59")
    assert following(last, "2026-03-08 06:00", 2) == ["2026-03-08 06:59:58", "2026-03-08 06:59:59"]
    inside = seconds(2, 59, "0,59")
    assert following(inside, "2026-03-08 06:00", 2) == ["2026-03-08 07:00", "2026-03-09 06:59"]
    first = seconds(3, 0, "0,1")
    assert following(first, "2026-03-08 06:00", 2) == ["2026-03-08 07:00", "2026-03-08 07:00:01"]


def test_what_the_gap_moves_and_what_is_due_there_anyway_are_one_occurrence() -> None:
    trigger = crontab("0,30 2,3 * * *", timezone=NEW_YORK)
    assert following(trigger, "2026-03-08 06:00") == [
        "2026-03-08 07:00",
        "2026-03-08 07:30",
        "2026-03-09 06:00",
    ]


# --- autumn: a wall time that comes twice ----------------------------------------------------


@pytest.mark.parametrize(
    ("timezone", "expression", "evening", "first", "second", "next_day"),
    [
        (NEW_YORK, "30 1 * * *", "2026-10-31 12:00",
         "2026-11-01 05:30", "2026-11-01 06:30", "2026-11-02 06:30"),
        (BERLIN, "30 2 * * *", "2026-10-24 12:00",
         "2026-10-25 00:30", "2026-10-25 01:30", "2026-10-26 01:30"),
        (LORD_HOWE, "45 1 * * *", "2026-04-04 12:00",
         "2026-04-04 14:45", "2026-04-04 15:15", "2026-04-05 15:15"),
    ],
)  # fmt: skip
def test_a_time_that_comes_twice_is_taken_once_or_both_times(
    timezone: str, expression: str, evening: str, first: str, second: str, next_day: str
) -> None:
    once = crontab(expression, timezone=timezone)
    assert once.dst_fold == "first"
    assert following(once, evening, 2) == [first, next_day]
    both = crontab(expression, timezone=timezone, dst_fold="both")
    assert following(both, evening, 3) == [first, second, next_day]


def test_the_seconds_beside_a_fold_come_once_and_those_in_it_twice() -> None:
    for hour, minute, second, come in [
        (0, 59, "59", ["2026-11-01 04:59:59"]),
        (1, 0, "0", ["2026-11-01 05:00", "2026-11-01 06:00"]),
        (1, 59, "59", ["2026-11-01 05:59:59", "2026-11-01 06:59:59"]),
        (2, 0, "0", ["2026-11-01 07:00"]),
    ]:
        both = seconds(hour, minute, second, dst_fold="both")
        once = seconds(hour, minute, second, dst_fold="first")
        assert following(both, "2026-11-01 04:00", len(come)) == come
        assert following(once, "2026-11-01 04:00", 2)[0] == come[0]
        assert following(once, "2026-11-01 04:00", 2)[1].startswith("2026-11-02")


def test_from_within_the_second_pass_the_first_is_over() -> None:
    once = crontab("30,50 1 * * *", timezone=NEW_YORK)
    assert following(once, "2026-11-01 06:10", 1) == ["2026-11-02 06:30"]
    both = crontab("30,50 1 * * *", timezone=NEW_YORK, dst_fold="both")
    assert following(both, "2026-11-01 06:30", 1) == ["2026-11-01 06:50"]


def test_the_first_second_behind_a_fold_is_not_in_it_whatever_fraction_one_asks_from() -> None:
    folds: list[Fold] = ["first", "both"]
    for fold in folds:
        trigger = seconds(2, 0, "0", dst_fold=fold)
        for moment in ("2026-11-01 05:30:00.5", "2026-11-01 06:59:59.999999"):
            assert following(trigger, moment, 1) == ["2026-11-01 07:00"]


def test_wildcards_run_on_by_the_elapsed_clock() -> None:
    """D3.7. cron(8): jobs with a wildcard in the hour or the minute run by the new time."""
    trigger = crontab("*/30 * * * *", timezone=NEW_YORK)
    for night in ("2026-03-08 05:00", "2026-11-01 04:00"):
        found = between(trigger, utc(night), utc(night) + timedelta(hours=4))
        apart = [later - each for each, later in pairwise(found)]
        assert set(apart) == {timedelta(minutes=30)}
    hourly = crontab("30 * * * *", timezone=NEW_YORK)
    assert following(hourly, "2026-03-08 06:00", 2) == ["2026-03-08 06:30", "2026-03-08 07:30"]


@pytest.mark.parametrize(
    ("expression", "fold"),
    [
        ("30 1 * * *", "first"),
        ("0-59 1 * * *", "first"),
        ("30 1-2 * * sun", "first"),
        ("30 * * * *", "both"),
        ("* 1 * * *", "both"),
        ("*/15 1 * * *", "both"),
        ("0 */2 * * *", "both"),
        ("@hourly", "both"),
        ("@daily", "first"),
    ],
)
def test_the_policy_is_settled_when_the_trigger_is_made(expression: str, fold: Fold) -> None:
    trigger = crontab(expression, timezone=BERLIN)
    gap = "next" if fold == "first" else "skip"
    assert (trigger.dst_gap, trigger.dst_fold) == (gap, fold)
    other = crontab(expression, timezone=BERLIN, dst_gap="skip", dst_fold="first")
    assert (other.dst_gap, other.dst_fold) == ("skip", "first")


# --- other clocks ----------------------------------------------------------------------------


def test_without_daylight_saving_a_day_has_24_hours() -> None:
    trigger = crontab("30 2 * * *", timezone="Asia/Kolkata")
    found = between(trigger, utc("2026-01-01"), utc("2027-01-01"))
    assert len(found) == 365
    assert {told(each)[11:] for each in found} == {"21:00"}


def test_the_day_that_samoa_left_out() -> None:
    trigger = crontab("0 9 * * *", timezone="Pacific/Apia")
    assert following(trigger, "2011-12-29 18:00") == [
        "2011-12-29 19:00",  # the 29th, ten hours behind UTC
        "2011-12-30 10:00",  # the 30th never was: midnight of the 31st
        "2011-12-30 19:00",  # the 31st, fourteen ahead
    ]
    skipping = crontab("0 9 * * *", timezone="Pacific/Apia", dst_gap="skip")
    assert following(skipping, "2011-12-29 18:00", 2) == ["2011-12-29 19:00", "2011-12-30 19:00"]


def test_offsets_are_those_of_the_day() -> None:
    """Moscow: +4 until October 2014, +3 since, without daylight saving on either side."""
    trigger = crontab("0 9 25-26 10 *", timezone="Europe/Moscow")
    assert following(trigger, "2014-10-01 00:00", 2) == ["2014-10-25 05:00", "2014-10-26 06:00"]


def test_what_crosses_both_nights_is_not_moved_by_them() -> None:
    trigger = crontab("0 12 1 1 *", timezone=NEW_YORK)
    assert following(trigger, "2026-01-01 17:00", 2) == ["2027-01-01 17:00", "2028-01-01 17:00"]


def test_a_moment_without_a_zone_is_refused() -> None:
    for trigger in (crontab("@daily"), from_apscheduler(ApsCron(timezone="UTC"))):
        with pytest.raises(TypeError, match="offset-naive"):
            trigger.after(datetime(2026, 1, 1))


def test_a_moment_may_be_told_in_any_zone() -> None:
    """Also in the trigger's own, where Python compares wall clocks and not instants."""
    trigger = crontab("*/20 * * * *", timezone=NEW_YORK)
    for minute in range(-120, 180, 7):
        moment = utc("2026-11-01 06:00") + timedelta(minutes=minute)
        assert trigger.after(moment.astimezone(ZoneInfo(NEW_YORK))) == trigger.after(moment)


@pytest.mark.parametrize(
    ("timezone", "nearest"),
    [("Europe/Berln", "Europe/Berlin"), ("america/new_york ", "America/New_York")],
)
def test_an_unknown_zone_is_refused_with_the_nearest(timezone: str, nearest: str) -> None:
    with pytest.raises(ValueError, match=f"no timezone '{timezone}'; the nearest is '{nearest}'"):
        crontab("@daily", timezone=timezone)


@pytest.mark.parametrize("timezone", ["", "../etc/passwd", "/etc/passwd", "Europe", "a\0b"])
def test_what_is_no_name_of_a_zone_reads_no_file(timezone: str) -> None:
    with pytest.raises(ValueError, match="no timezone"):
        crontab("@daily", timezone=timezone)


def test_localtime_is_refused_because_each_node_has_its_own() -> None:
    with pytest.raises(ValueError, match="no timezone 'localtime'"):
        crontab("@daily", timezone="localtime")


# --- an oracle that walks every minute -------------------------------------------------------

NIGHTS = [
    (NEW_YORK, "2026-03-08 07:00"),
    (NEW_YORK, "2026-11-01 06:00"),
    (BERLIN, "2026-03-29 01:00"),
    (BERLIN, "2026-10-25 01:00"),
    (LORD_HOWE, "2026-04-04 15:00"),
    (LORD_HOWE, "2026-10-03 15:30"),
    ("Pacific/Apia", "2011-12-30 10:00"),
    ("Africa/Casablanca", "2026-02-15 02:00"),
    ("Asia/Kolkata", "2026-03-29 01:00"),
]
MINUTE = timedelta(minutes=1)


def minute_by_minute(
    matches: Callable[[datetime], bool],
    zone: tzinfo,
    start: datetime,
    end: datetime,
    gap: Gap,
    fold: Fold,
) -> Iterator[datetime]:
    """The occurrences in (start, end], from watching the wall clock, minute by minute."""
    instant, shown = start, start.astimezone(zone).replace(tzinfo=None)
    while instant < end:
        instant += MINUTE
        local = instant.astimezone(zone)
        wall = local.replace(tzinfo=None, fold=0)
        left_out: list[datetime] = []
        while (shown := shown + MINUTE) < wall:
            left_out.append(shown)
        shown = wall
        regular = matches(wall) and (fold == "both" or not local.fold)
        if regular or (gap == "next" and any(map(matches, left_out))):
            yield instant


@settings(derandomize=True, deadline=None, max_examples=150)
@given(
    st.sampled_from(NIGHTS),
    st.sets(st.integers(0, 23), min_size=1),
    st.sets(st.integers(0, 59), min_size=1, max_size=4),
    st.sampled_from(["next", "skip"]),
    st.sampled_from(["first", "both"]),
)
def test_every_night_is_as_if_somebody_had_watched_the_clock(
    night: tuple[str, str], hours: set[int], minutes: set[int], gap: Gap, fold: Fold
) -> None:
    timezone, change = night
    text = f"{','.join(map(str, minutes))} {','.join(map(str, hours))} * * *"
    trigger = crontab(text, timezone=timezone, dst_gap=gap, dst_fold=fold)
    start, end = utc(change) - timedelta(hours=15), utc(change) + timedelta(hours=15)
    seen = minute_by_minute(
        lambda wall: wall.hour in hours and wall.minute in minutes,
        ZoneInfo(timezone), start, end, gap, fold,
    )  # fmt: skip
    expected = list(seen)
    assert between(trigger, start, end) == expected
    for moment in expected:  # `after` has no state, so each half minute before gives the same
        assert trigger.after(moment - timedelta(seconds=1)) == moment
    assert all(each.tzinfo is UTC for each in expected)
