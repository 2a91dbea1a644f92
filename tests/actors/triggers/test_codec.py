"""Triggers are kept as readable JSON, exactly."""

from datetime import UTC, date, datetime, time, timedelta
from itertools import islice
from json import loads
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oncue.actors.triggers import (
    AndTrigger,
    CalendarTrigger,
    CronFields,
    CronTrigger,
    DateTrigger,
    IntervalTrigger,
    OrTrigger,
    Trigger,
    TriggerNotUnderstood,
    crontab,
    decode,
    encode,
)
from tests.actors.triggers.kit import number_texts, utc, walk

MOMENTS = st.datetimes(datetime(1971, 1, 2), datetime(2999, 12, 30), timezones=st.just(UTC))
ZONES = st.sampled_from(["UTC", "Europe/Berlin", "Australia/Lord_Howe", "Pacific/Apia"])
JITTERS = st.floats(0, 1000)
POLICIES: dict[str, Any] = {
    "dst_gap": st.sampled_from(["next", "skip"]),
    "dst_fold": st.sampled_from(["first", "both"]),
}


def lasting(ends: tuple[datetime, datetime], every: timedelta, jitter_s: float) -> IntervalTrigger:
    return IntervalTrigger(start=min(ends), end=max(ends), every=every, jitter_s=jitter_s)


def simple(jitters: st.SearchStrategy[float]) -> st.SearchStrategy[Trigger]:
    intervals = st.builds(
        lasting, st.tuples(MOMENTS, MOMENTS), st.timedeltas(timedelta(milliseconds=10)), jitters
    )
    crons = st.builds(
        CronTrigger,
        fields=st.builds(CronFields, hour=number_texts(0, 23), second=number_texts(0, 59)),
        timezone=ZONES,
        start=st.none() | MOMENTS,
        jitter_s=jitters,
        **POLICIES,
    )
    crontabs = st.builds(
        crontab,
        st.tuples(number_texts(0, 59), number_texts(0, 23)).map(
            lambda two: f"{two[0]} {two[1]} * * *"
        ),
        timezone=ZONES,
        end_date=st.none() | MOMENTS,
        jitter=jitters,
        **POLICIES,
    )
    calendars = st.builds(
        CalendarTrigger,
        months=st.integers(0, 30),
        days=st.integers(1, 400),
        at=st.times(timezones=st.none()).map(lambda at: at.replace(microsecond=0, fold=0)),
        start=st.dates(date(1971, 1, 1), date(2999, 1, 1)),
        timezone=ZONES,
        jitter_s=jitters,
        **POLICIES,
    )
    return st.one_of(st.builds(DateTrigger, at=MOMENTS), intervals, crons, crontabs, calendars)


def combined(parts: st.SearchStrategy[Trigger]) -> st.SearchStrategy[Trigger]:
    several = st.lists(parts, min_size=1, max_size=3).map(tuple)
    return st.one_of(*(st.builds(kind, triggers=several) for kind in (AndTrigger, OrTrigger)))


TRIGGERS = simple(JITTERS) | st.recursive(simple(st.just(0.0)), combined, max_leaves=6)


@settings(derandomize=True, deadline=None, max_examples=300)
@given(TRIGGERS, MOMENTS)
def test_what_is_decoded_is_what_was_encoded(trigger: Trigger, moment: datetime) -> None:
    text = encode(trigger)
    again = decode(text)
    assert again == trigger
    assert hash(again) == hash(trigger)
    assert encode(again) == text
    assert str(again) == str(trigger)
    if not isinstance(trigger, AndTrigger | OrTrigger):  # an `and` may find no agreement
        assert list(islice(walk(again, moment), 3)) == list(islice(walk(trigger, moment), 3))


def test_it_reads_like_what_was_said() -> None:
    trigger = crontab("0 9 * * mon-fri", timezone="Europe/Berlin", start_date=datetime(2026, 7, 1))
    assert loads(encode(trigger)) == {
        "type": "crontab",
        "expression": "0 9 * * mon-fri",
        "timezone": "Europe/Berlin",
        "dst_gap": "next",
        "dst_fold": "first",
        "start": "2026-06-30T22:00:00Z",
        "jitter_s": 0.0,
    }
    hourly = IntervalTrigger(start=utc("2026-01-01 00:00:00.25"), every=timedelta(minutes=90))
    cron = CronTrigger(fields=CronFields(hour="9"), timezone="UTC", dst_gap="skip", dst_fold="both")
    yearly = CalendarTrigger(years=1, at=time(9, 30), start=date(2026, 1, 31), timezone="UTC")
    assert loads(encode(OrTrigger(triggers=(hourly, cron, yearly), jitter_s=2.5))) == {
        "type": "or",
        "triggers": [
            {
                "type": "interval",
                "start": "2026-01-01T00:00:00.250000Z",
                "every": "PT1H30M",
                "jitter_s": 0.0,
            },
            {
                "type": "cron",
                "fields": {"hour": "9"},
                "timezone": "UTC",
                "dst_gap": "skip",
                "dst_fold": "both",
                "jitter_s": 0.0,
            },
            {
                "type": "calendar",
                "years": 1,
                "months": 0,
                "weeks": 0,
                "days": 0,
                "at": "09:30:00",
                "start": "2026-01-31",
                "timezone": "UTC",
                "dst_gap": "skip",
                "dst_fold": "first",
                "jitter_s": 0.0,
            },
        ],
        "jitter_s": 2.5,
    }


def test_a_moment_with_an_offset_is_the_same_moment() -> None:
    trigger = decode('{"type": "date", "at": "2026-01-01T09:00:00+02:00"}')
    assert trigger == DateTrigger(at=utc("2026-01-01 07:00"))
    assert encode(trigger) == '{"type":"date","at":"2026-01-01T07:00:00Z"}'


CRONTAB = '{"type":"crontab","expression":"%s","timezone":"%s","dst_gap":"%s","dst_fold":"first"}'
CRON = '{"type":"cron","fields":%s,"timezone":"UTC","dst_gap":"next","dst_fold":"first"}'
INTERVAL = '{"type":"interval","start":%s,"every":%s}'


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "Invalid JSON"),
        ("{", "Invalid JSON"),
        ("[" * 500, "Invalid JSON"),
        ("[]", "Input should be an object"),
        ("{}", "Unable to extract tag"),
        ('{"type":"lunar"}', "Input tag 'lunar'"),
        ('{"type":"date"}', "date.at: Field required"),
        ('{"type":"date","at":"2026-01-01T00:00:00"}', "date.at: Input should have timezone"),
        ('{"type":"date","at":1767225600}', "date.at: Input should be a valid datetime"),
        ('{"type":"date","at":"9000-01-01T00:00:00Z"}', "date.at: a moment is 9000"),
        ('{"type":"date","at":"2026-01-01T00:00:00Z","zone":"UTC"}', "date.zone: Unexpected"),
        (CRONTAB % ("61 * * * *", "UTC", "next"), "crontab: '61 * * * *' is no crontab: minute"),
        (CRONTAB % ("@daily", "Mars/Olympus", "next"), "crontab: no timezone 'Mars/Olympus'"),
        (CRONTAB % ("@daily", "UTC", "later"), "crontab.dst_gap: Input should be 'next' or 'skip'"),
        (CRON % '{"hour":"99"}', "cron: Error validating expression '99'"),
        (CRON % '{"hour":9}', "cron.fields.hour: Input should be a valid string"),
        (CRON % '{"hours":"9"}', "cron.fields.hours: Unexpected"),
        (INTERVAL % ('"2026-01-01T00:00:00Z"', '"PT0S"'), "interval: the interval is 0 s"),
        (INTERVAL % ('"2026-01-01T00:00:00Z"', '"soon"'), "interval.every: Input should be a"),
        (INTERVAL % ('"2026-01-01T00:00:00Z"', '"PT1S","jitter_s":-1'), "interval: jitter is -1"),
        ('{"type":"and","triggers":[]}', "and: a combination needs at least one"),
        ('{"type":"and","triggers":[{"type":"date"}]}', "and.triggers.0.date.at: Field required"),
    ],
)
def test_what_is_not_understood_says_why(text: str, reason: str) -> None:
    with pytest.raises(TriggerNotUnderstood) as told:
        decode(text)
    assert told.value.text == text
    assert told.value.reason.startswith(reason)
    assert str(told.value) == f"{text!r} is not understood as a trigger: {told.value.reason}"
    assert isinstance(told.value, ValueError)
