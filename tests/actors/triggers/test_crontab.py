"""A crontab means what cron(5) says, and what is none is told so."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oncue.actors.triggers import crontab
from tests.actors.triggers.kit import MOMENTS, between, following, number_texts, utc

# 2026-01-04 is a Sunday.


@pytest.mark.parametrize("sunday", ["0", "7", "sun", "SUN", "7-7", "sun-sun"])
def test_sunday_is_0_and_7(sunday: str) -> None:
    trigger = crontab(f"0 9 * * {sunday}")
    assert following(trigger, "2026-01-01 00:00", 2) == ["2026-01-04 09:00", "2026-01-11 09:00"]


@pytest.mark.parametrize(
    ("weekdays", "days"),
    [
        ("5-7", "2 3 4"),
        ("fri-sun", "2 3 4"),
        ("Fri-Sun", "2 3 4"),
        ("0-2", "4 5 6"),
        ("sun-tue", "4 5 6"),
        ("mon-fri", "1 2 5 6 7"),
        ("0-7", "1 2 3 4 5 6 7"),
        ("sun-sat", "1 2 3 4 5 6 7"),
        ("*/2", "1 3 4 6"),
        ("mon-fri/2", "2 5 7"),
        ("mon,3", "5 7"),
    ],
)
def test_weekdays_are_counted_from_sunday(weekdays: str, days: str) -> None:
    found = between(crontab(f"0 9 * * {weekdays}"), utc("2026-01-01"), utc("2026-01-08"))
    assert " ".join(str(each.day) for each in found) == days


def test_day_of_month_or_day_of_week_when_both_are_restricted() -> None:
    found = between(crontab("0 9 13 * fri"), utc("2026-01-01"), utc("2026-02-01"))
    assert [each.day for each in found] == [2, 9, 13, 16, 23, 30]


@pytest.mark.parametrize(
    ("expression", "days"),
    [
        ("0 9 */13 * fri", []),  # the 1st, 14th, 27th; none of January's Fridays
        ("0 9 */2 * fri", [9, 23]),
        ("0 9 13,23 * */5", [23]),
        ("0 9 1-31 * fri", list(range(1, 32))),
    ],
)
def test_and_when_one_starts_with_a_star(expression: str, days: list[int]) -> None:
    found = between(crontab(expression), utc("2026-01-01"), utc("2026-02-01"))
    assert [each.day for each in found] == days


@pytest.mark.parametrize(
    ("nickname", "expression"),
    [
        ("@yearly", "0 0 1 1 *"),
        ("@annually", "0 0 1 1 *"),
        ("@monthly", "0 0 1 * *"),
        ("@weekly", "0 0 * * 0"),
        ("@daily", "0 0 * * *"),
        ("@midnight", "0 0 * * *"),
        ("@Hourly", "0 * * * *"),
    ],
)
def test_a_nickname_is_short_for_five_fields(nickname: str, expression: str) -> None:
    short, long = crontab(nickname), crontab(expression)
    assert following(short, "2026-01-01", 5) == following(long, "2026-01-01", 5)
    assert (short.expression, short.dst_fold) == (nickname, long.dst_fold)


def test_29_february_is_found_at_once_and_30_february_never() -> None:
    assert following(crontab("30 2 29 2 *"), "2026-01-01", 2) == [
        "2028-02-29 02:30",
        "2032-02-29 02:30",
    ]
    assert following(crontab("30 2 29 2 *"), "2096-03-01", 1) == ["2104-02-29 02:30"]
    assert following(crontab("30 2 30 2 *"), "2026-01-01") == []


def test_start_and_end_are_in_and_are_read_in_the_zone() -> None:
    trigger = crontab(
        "0 9 * * *",
        timezone="Europe/Berlin",
        start_date=datetime(2026, 7, 1, 9),
        end_date=datetime(2026, 7, 2, 7, tzinfo=UTC),
    )
    assert following(trigger, "2026-01-01") == ["2026-07-01 07:00", "2026-07-02 07:00"]
    assert str(trigger) == (
        "cron 0 9 * * * Europe/Berlin from 2026-07-01T07:00:00Z until 2026-07-02T07:00:00Z"
    )


def test_no_occurrence_is_later_than_a_store_can_keep() -> None:
    assert following(crontab("@yearly"), "2998-12-31 23:59") == ["2999-01-01 00:00"]
    assert crontab("@daily").after(datetime.max.replace(tzinfo=UTC)) is None
    assert crontab("@daily").after(datetime.min.replace(tzinfo=UTC)) == utc("1971-01-01")


# --- what is no crontab ----------------------------------------------------------------------

REFUSED = [
    ("61 * * * *", "minute is 0-59, got '61'"),
    ("* 24 * * *", "hour is 0-23, got '24'"),
    ("* * 0 * *", "day of month is 1-31, got '0'"),
    ("* * 32 * *", "day of month is 1-31, got '32'"),
    ("* * * 13 *", "month is 1-12 or jan-dec, got '13'"),
    ("* * * janu *", "month is 1-12 or jan-dec, got 'janu'"),
    ("* * * sun *", "month is 1-12 or jan-dec, got 'sun'"),
    ("* * * * 8", "day of week is 0-7 or sun-sat, 0 and 7 are Sunday, got '8'"),
    ("mon * * * *", "minute is 0-59, got 'mon'"),
    ("0 9 * * 1,,2", "got ''"),
    ("0,1, * * * *", "got ''"),
    ("30-10 * * * *", "minute is 0-59, got '30-10', which runs backwards"),
    ("0 9 * * sat-mon", "got 'sat-mon', which runs backwards"),
    ("0 9 * * fri-0", "got 'fri-0', which runs backwards"),
    ("*/0 * * * *", "minute is 0-59, got '*/0', a step of 0"),
    ("5/15 * * * *", "got '5/15': a step follows a range, as in 5-59/15"),
    ("*/x * * * *", "got '*/x'"),
    ("-5 * * * *", "got '-5'"),
    ("*-5 * * * *", "got '*-5'"),
    ("1.5 * * * *", "got '1.5'"),
    ("٣ * * * *", "got '٣'"),
    ("0 9 L * *", "got 'L'"),
    ("0 9 ? * mon", "got '?'"),
    ("0 9 * * mon#1", "got 'mon#1'"),
    ("0 9 last * *", "got 'last'"),
    ("", "it has 0 fields and needs 5: minute, hour, day of month, month, day of week"),
    ("* * * *", "it has 4 fields and needs 5"),
    ("0 0 9 * * *", "Seconds are no part of a crontab: use an interval of seconds, or add_job"),
    ("@reboot", "enqueue the task where your program starts"),
    ("@fortnightly", "with @ there are @yearly, @annually, @monthly"),
]


@pytest.mark.parametrize(("expression", "told"), REFUSED)
def test_what_is_no_crontab_is_quoted_with_what_is_allowed(expression: str, told: str) -> None:
    with pytest.raises(ValueError, match="is no crontab") as refused:
        crontab(expression)
    assert str(refused.value).startswith(f"{expression!r} is no crontab: ")
    assert told in str(refused.value)
    assert refused.value.__cause__ is None


@settings(derandomize=True)
@given(st.text(st.sampled_from("0123456789*/,-@ sunmofrjaLW#?"), max_size=20))
def test_any_text_is_a_crontab_or_told_that_it_is_none(text: str) -> None:
    try:
        crontab(text).after(utc("2026-01-01"))
    except ValueError as error:
        if "is no crontab" not in str(error):
            raise


def test_what_else_is_wrong_is_named() -> None:
    start, end = utc("2026-01-02"), utc("2026-01-01")
    with pytest.raises(ValueError, match=r"end_date 2026-01-01.* is before start_date 2026-01-02"):
        crontab("@daily", start_date=start, end_date=end)
    with pytest.raises(ValueError, match="jitter is -1"):
        crontab("@daily", jitter=-1)
    with pytest.raises(ValueError, match="jitter is nan"):
        crontab("@daily", jitter=float("nan"))
    with pytest.raises(
        ValueError, match=r"end_date is 9999-01-01.*: the year must be from 1971 to"
    ):
        crontab("@daily", end_date=utc("9999-01-01"))
    with pytest.raises(ValueError, match="dst_gap is 'later'"):
        crontab("@daily", dst_gap="later")  # type: ignore[arg-type]  # pyright: ignore
    with pytest.raises(ValueError, match="dst_fold is 'second'"):
        crontab("@daily", dst_fold="second")  # type: ignore[arg-type]  # pyright: ignore


# --- an oracle that asks each minute ---------------------------------------------------------


def numbers(text: str, low: int, high: int) -> set[int]:
    """What a field of numbers names, by the plainest reading of cron(5)."""
    named: set[int] = set()
    for part in text.split(","):
        ends, _, step = part.partition("/")
        first, _, last = (f"{low}-{high}" if ends == "*" else ends).partition("-")
        named |= set(range(int(first), int(last or first) + 1, int(step or 1)))
    return named


def fires(expression: str, wall: datetime) -> bool:
    """Whether cron would run a line in the minute `wall`."""
    minute, hour, day, month, weekday = expression.split()
    if wall.minute not in numbers(minute, 0, 59) or wall.hour not in numbers(hour, 0, 23):
        return False
    if wall.month not in numbers(month, 1, 12):
        return False
    by_day = wall.day in numbers(day, 1, 31)
    by_weekday = bool({wall.isoweekday(), wall.isoweekday() % 7} & numbers(weekday, 0, 7))
    if day.startswith("*") or weekday.startswith("*"):
        return by_day and by_weekday
    return by_day or by_weekday


EXPRESSIONS = st.tuples(
    number_texts(0, 59),
    number_texts(0, 23),
    number_texts(1, 31),
    number_texts(1, 12),
    number_texts(0, 7),
).map(" ".join)


@settings(derandomize=True, deadline=None, max_examples=60)
@given(EXPRESSIONS, MOMENTS)
def test_it_runs_in_just_those_minutes_in_which_cron_would(
    expression: str, moment: datetime
) -> None:
    start = moment.replace(second=0, microsecond=0)
    minutes = [start + timedelta(minutes=minute) for minute in range(1, 3 * 1440)]
    expected = [minute for minute in minutes if fires(expression, minute)]
    assert between(crontab(expression), start, minutes[-1]) == expected


@settings(derandomize=True, deadline=None, max_examples=60)
@given(EXPRESSIONS, MOMENTS)
def test_it_runs_on_just_those_days_of_a_year(expression: str, moment: datetime) -> None:
    expression = " ".join(["0", "12", *expression.split()[2:]])
    noon = moment.replace(hour=12, minute=0, second=0, microsecond=0)
    noons = [noon + timedelta(days=day) for day in range(1, 400)]
    expected = [each for each in noons if fires(expression, each)]
    assert between(crontab(expression), noon, noons[-1]) == expected
