"""And, or, and the two nested."""

from datetime import timedelta
from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oncue.actors.triggers import (
    AndTrigger,
    DateTrigger,
    IntervalTrigger,
    NoAgreement,
    OrTrigger,
    Trigger,
    crontab,
    from_apscheduler,
)
from tests.actors.triggers.kit import (
    ApsAnd,
    ApsCron,
    ApsOr,
    between,
    following,
    number_texts,
    utc,
    walk,
)

START = utc("2026-01-01 00:00")


def every(start: str = "2026-01-01", **length: float) -> IntervalTrigger:
    return IntervalTrigger(start=utc(start), every=timedelta(**length))


def test_or_is_each_occurrence_of_each_once() -> None:
    """APScheduler passes the last of any to all, so an interval loses occurrences."""
    trigger = OrTrigger(triggers=(every(hours=5), crontab("0 */4 * * *"), every(hours=10)))
    found = between(trigger, START, START + timedelta(hours=24))
    assert [each.hour for each in found] == [4, 5, 8, 10, 12, 15, 16, 20, 0]


def test_or_ends_with_its_last_part() -> None:
    trigger = OrTrigger(triggers=(DateTrigger(at=utc("2026-05-01")), DateTrigger(at=START)))
    assert following(trigger, "2025-01-01") == ["2026-01-01 00:00", "2026-05-01 00:00"]


def test_and_is_where_all_agree() -> None:
    trigger = AndTrigger(triggers=(crontab("0 9 * * fri"), crontab("0 9 13 * *")))
    assert following(trigger, "2026-01-01") == [
        "2026-02-13 09:00",
        "2026-03-13 09:00",
        "2026-11-13 09:00",
    ]


def test_an_interval_may_agree() -> None:
    """With APScheduler's this hangs."""
    trigger = AndTrigger(triggers=(every(hours=7), crontab("0 9 * * *")))
    found = following(trigger, "2026-01-01", 2)
    assert found == ["2026-01-05 09:00", "2026-01-12 09:00"]


def test_and_ends_with_its_first_part() -> None:
    once = DateTrigger(at=utc("2026-02-13 09:00"))
    trigger = AndTrigger(triggers=(crontab("0 9 * * *"), once, every(hours=1)))
    assert following(trigger, "2026-01-01") == ["2026-02-13 09:00"]


def test_what_never_agrees_is_told_and_not_looked_for_for_ever() -> None:
    trigger = AndTrigger(triggers=(every("2026-01-01 00:00:00.5", seconds=7), crontab("* * * * *")))
    with pytest.raises(NoAgreement, match="agree on no moment after 2026-01-01") as told:
        trigger.after(START)
    assert (told.value.trigger, told.value.since) == (trigger, START)
    assert str(trigger) in str(told.value)


def test_the_slowest_agreement_of_whole_minutes_is_found() -> None:
    """A minute earlier each day: 1439 days until it is the same again."""
    trigger = AndTrigger(triggers=(every("2026-01-01", minutes=1439), crontab("0 0 * * *")))
    assert following(trigger, "2026-01-01", 1) == ["2029-12-10 00:00"]


def test_combinations_nest() -> None:
    workday, holiday = crontab("0 9 * * mon-fri"), crontab("0 9 1 1 *")
    noon = AndTrigger(triggers=(crontab("0 */3 * * *"), OrTrigger(triggers=(workday, holiday))))
    assert following(noon, "2026-12-31 12:00", 2) == ["2027-01-01 09:00", "2027-01-04 09:00"]
    assert str(noon) == (
        "all of (cron 0 */3 * * * UTC; any of (cron 0 9 * * mon-fri UTC; cron 0 9 1 1 * UTC))"
    )


def test_where_zones_differ_instants_are_compared() -> None:
    """In the fold, at 01:30 of New York, wall clocks would take 06:30 for 05:30."""
    there = crontab("30 1 * * *", timezone="America/New_York", dst_fold="both")
    here = crontab("30 6 * * *")
    trigger = AndTrigger(triggers=(there, here))
    assert following(trigger, "2026-11-01 00:00", 1) == ["2026-11-01 06:30"]


@settings(derandomize=True, deadline=None)
@given(st.lists(number_texts(0, 23), min_size=2, max_size=3), st.booleans())
def test_of_cron_triggers_the_occurrences_are_apschedulers(hours: list[str], either: bool) -> None:
    """Asked for without the last one: with it, APScheduler's `and` of crons hangs as well."""
    end = START + timedelta(days=9)
    oracle = (ApsOr if either else ApsAnd)(
        [ApsCron(hour=each, timezone="UTC", end_date=end) for each in hours]
    )
    ours = [START, *islice(walk(from_apscheduler(oracle), START), 300)]
    theirs = [oracle.get_next_fire_time(None, each + timedelta(microseconds=1)) for each in ours]
    assert theirs == [*ours[1:], None]


def test_jitter_belongs_to_the_outermost() -> None:
    spread = crontab("@daily", jitter=5)
    for kind in (AndTrigger, OrTrigger):
        with pytest.raises(ValueError, match="give it to the outermost trigger"):
            kind(triggers=(spread,))
        trigger: Trigger = kind(triggers=(crontab("@daily"),), jitter_s=5.0)
        assert trigger.jitter_s == 5


def test_a_combination_of_nothing_is_refused() -> None:
    for kind in (AndTrigger, OrTrigger):
        with pytest.raises(ValueError, match="at least one trigger"):
            kind(triggers=())
