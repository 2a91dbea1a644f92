"""APScheduler's own trigger objects become ours; nothing else does."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from oncue.actors.triggers import (
    AndTrigger,
    CalendarTrigger,
    CronFields,
    CronTrigger,
    DateTrigger,
    IntervalTrigger,
    OrTrigger,
    from_apscheduler,
)
from tests.actors.triggers.kit import (
    ApsAnd,
    ApsCalendar,
    ApsCron,
    ApsDate,
    ApsInterval,
    ApsOr,
    utc,
)

BERLIN = ZoneInfo("Europe/Berlin")


def test_a_date() -> None:
    assert from_apscheduler(ApsDate(datetime(2026, 7, 1, 9), timezone=BERLIN)) == DateTrigger(
        at=utc("2026-07-01 07:00")
    )


def test_an_interval_keeps_the_anchor_that_its_object_has() -> None:
    there = ApsInterval(
        hours=7,
        start_date=datetime(2026, 7, 1, 9, tzinfo=BERLIN),
        end_date="2026-08-01 09:00:00",
        timezone=BERLIN,
        jitter=3,
    )
    assert from_apscheduler(there) == IntervalTrigger(
        start=utc("2026-07-01 07:00"),
        every=timedelta(hours=7),
        end=utc("2026-08-01 07:00"),
        jitter_s=3.0,
    )
    anchored_at_once = ApsInterval(hours=7, timezone=BERLIN)
    assert from_apscheduler(anchored_at_once) == from_apscheduler(anchored_at_once)


def test_a_cron() -> None:
    there = ApsCron(
        hour="9-17/2", day="last", start_date="2026-07-01", timezone="Europe/Berlin", jitter=60
    )
    assert from_apscheduler(there, dst_gap="skip", dst_fold="both") == CronTrigger(
        fields=CronFields(day="last", hour="9-17/2"),
        timezone="Europe/Berlin",
        dst_gap="skip",
        dst_fold="both",
        start=utc("2026-06-30 22:00"),
        jitter_s=60.0,
    )


def test_a_calendar_interval() -> None:
    there = ApsCalendar(
        years=1, months=2, weeks=3, days=4, hour=5, minute=6, second=7,
        start_date="2026-01-31", end_date="2027-01-31", timezone="Asia/Tokyo", jitter=8,
    )  # fmt: skip
    assert from_apscheduler(there) == CalendarTrigger(
        years=1,
        months=2,
        weeks=3,
        days=4,
        at=time(5, 6, 7),
        start=date(2026, 1, 31),
        end=date(2027, 1, 31),
        timezone="Asia/Tokyo",
        jitter_s=8.0,
    )


def test_combinations_with_the_policies_for_what_reads_a_clock() -> None:
    once, cron = ApsDate(utc("2026-01-01")), ApsCron(hour=9, timezone="UTC")
    ours = from_apscheduler(ApsAnd([ApsOr([once, cron]), cron], jitter=5), dst_gap="skip")
    read = CronTrigger(
        fields=CronFields(hour="9"), timezone="UTC", dst_gap="skip", dst_fold="first"
    )
    inner = OrTrigger(triggers=(DateTrigger(at=utc("2026-01-01")), read))
    assert ours == AndTrigger(triggers=(inner, read), jitter_s=5.0)


def test_jitter_inside_a_combination_is_refused_with_the_remedy() -> None:
    with pytest.raises(ValueError, match="give it to the outermost trigger"):
        from_apscheduler(ApsOr([ApsCron(hour=9, timezone="UTC", jitter=5)]))


class Derived(ApsCron):  # type: ignore[misc]
    """Might do anything."""


@pytest.mark.parametrize(
    ("trigger", "named"),
    [
        (Derived(hour=9, timezone="UTC"), "Derived"),
        (ApsOr([Derived(hour=9, timezone="UTC")]), "Derived"),
        ("0 9 * * *", "builtins.str"),
        (None, "builtins.NoneType"),
        (DateTrigger(at=utc("2026-01-01")), "DateTrigger"),
    ],
)
def test_what_could_not_be_told_from_json_is_refused_by_its_name(trigger: Any, named: str) -> None:
    with pytest.raises(TypeError, match=rf"a \S*{named} cannot be stored. Use APScheduler's own"):
        from_apscheduler(trigger)


@pytest.mark.parametrize("zone", [UTC, "UTC", ZoneInfo("UTC")])
def test_utc_has_one_name(zone: Any) -> None:
    trigger = from_apscheduler(ApsCron(hour=9, timezone=zone))
    assert isinstance(trigger, CronTrigger)
    assert trigger.timezone == "UTC"


def test_a_zone_without_a_name_is_refused() -> None:
    """A fixed offset, as an aware start_date may bring along."""
    start = datetime.fromisoformat("2026-01-01T09:00:00+02:00")
    with pytest.raises(ValueError, match="has no IANA name; give ZoneInfo"):
        from_apscheduler(ApsCron(hour=9, start_date=start))
