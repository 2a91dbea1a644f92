"""Which occurrences run, and which are missed: APScheduler's arithmetic, bounded."""

from datetime import datetime, timedelta
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from oncue.actors.misfire import MISSED_MAX, Verdict, decide_fire, first_run
from oncue.actors.triggers import (
    DateTrigger,
    IntervalTrigger,
    OrTrigger,
    Trigger,
    crontab,
    from_apscheduler,
)
from tests.actors.triggers.kit import MOMENTS, ApsCron, number_texts, utc

ApsJob: Any = import_module("apscheduler.job").Job
HOURLY = crontab("0 * * * *")
NOON = utc("2026-01-01 12:00")
SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)


def decide(
    trigger: Trigger,
    due: datetime,
    now: datetime,
    *,
    grace_s: float | None = None,
    coalesce: bool = False,
    runs_max: int = 100,
) -> Verdict:
    return decide_fire(
        trigger, due=due, now=now, grace_s=grace_s, coalesce=coalesce, runs_max=runs_max
    )


def test_what_is_due_now_runs_and_the_next_is_named() -> None:
    for coalesce in (False, True):
        assert decide(HOURLY, NOON, NOON + SECOND, grace_s=60, coalesce=coalesce) == Verdict(
            runs=(NOON,), missed=(), missed_more=False, next_run_at=NOON + HOUR
        )


def test_each_of_an_outage_runs_or_coalesced_the_last_alone() -> None:
    now = NOON + 3 * HOUR + SECOND
    each = decide(HOURLY, NOON, now)
    assert each.runs == tuple(NOON + hours * HOUR for hours in range(4))
    last = decide(HOURLY, NOON, now, coalesce=True)
    assert last.runs == (NOON + 3 * HOUR,)
    assert each.next_run_at == last.next_run_at == NOON + 4 * HOUR


def test_what_is_older_than_the_grace_is_missed() -> None:
    now = NOON + 3 * HOUR
    verdict = decide(HOURLY, NOON, now, grace_s=3600)
    assert verdict.missed == (NOON, NOON + HOUR)
    assert verdict.runs == (NOON + 2 * HOUR, now)


def test_just_as_old_as_the_grace_is_not() -> None:
    assert decide(HOURLY, NOON, NOON + 60 * SECOND, grace_s=60).runs == (NOON,)
    late = decide(HOURLY, NOON, NOON + 60 * SECOND + timedelta(microseconds=1), grace_s=60)
    assert (late.runs, late.missed) == ((), (NOON,))
    assert decide(HOURLY, NOON, NOON, grace_s=0).runs == (NOON,)


def test_coalesced_only_the_last_can_be_missed() -> None:
    verdict = decide(HOURLY, NOON, NOON + 9 * HOUR + 61 * SECOND, grace_s=60, coalesce=True)
    assert verdict.missed == (NOON + 9 * HOUR,)
    assert (verdict.runs, verdict.next_run_at) == ((), NOON + 10 * HOUR)


def test_due_counts_whatever_the_trigger_says() -> None:
    by_hand = NOON + timedelta(minutes=17)
    assert decide(HOURLY, by_hand, by_hand).runs == (by_hand,)
    assert decide(HOURLY, by_hand, NOON + HOUR).runs == (by_hand, NOON + HOUR)
    assert decide(HOURLY, by_hand, by_hand + SECOND, coalesce=True).runs == (by_hand,)
    assert decide(HOURLY, by_hand, NOON + HOUR, coalesce=True).runs == (NOON + HOUR,)
    after_the_end = decide(DateTrigger(at=NOON), NOON + HOUR, NOON + HOUR)
    assert (after_the_end.runs, after_the_end.next_run_at) == ((NOON + HOUR,), None)


def test_the_last_occurrence_has_none_after_it() -> None:
    assert decide(DateTrigger(at=NOON), NOON, NOON + HOUR, grace_s=7200).next_run_at is None


def test_where_there_are_too_many_runs_the_next_is_past() -> None:
    now = NOON + 5 * HOUR
    first = decide(HOURLY, NOON, now, runs_max=4)
    assert len(first.runs) == 4
    assert first.next_run_at == NOON + 4 * HOUR
    assert first.next_run_at is not None
    rest = decide(HOURLY, first.next_run_at, now, runs_max=4)
    assert first.runs + rest.runs == decide(HOURLY, NOON, now).runs
    assert rest.next_run_at == NOON + 6 * HOUR


class Counted:
    """A trigger that counts how often it is asked."""

    def __init__(self, trigger: Trigger) -> None:
        self.trigger = trigger
        self.asked = 0

    def after(self, moment: datetime) -> datetime | None:
        self.asked += 1
        return self.trigger.after(moment)


EVERY_SECOND = IntervalTrigger(start=NOON - timedelta(days=99), every=SECOND)
BURSTS = from_apscheduler(ApsCron(hour=9, minute="*", second="*", timezone="Europe/Berlin"))
SPARSE = OrTrigger(triggers=(crontab("0 0 29 2 *"), DateTrigger(at=NOON)))


@pytest.mark.parametrize("trigger", [EVERY_SECOND, BURSTS, SPARSE], ids=["all", "bursts", "few"])
@pytest.mark.parametrize("days", [7, 365])
def test_a_week_and_a_year_of_every_second_are_some_dozen_steps(
    trigger: Trigger, days: int
) -> None:
    now = NOON + timedelta(days=days)
    counted: Any = Counted(trigger)
    verdict = decide(counted, NOON, now, grace_s=60, coalesce=True)
    assert counted.asked <= 110
    (last,) = verdict.runs + verdict.missed
    assert last <= now
    assert verdict.next_run_at == trigger.after(last)
    assert verdict.next_run_at is None or verdict.next_run_at > now


def test_missed_ones_beyond_a_thousand_are_jumped_over() -> None:
    now = NOON + timedelta(days=7)
    counted: Any = Counted(EVERY_SECOND)
    verdict = decide(counted, NOON, now, grace_s=59, runs_max=100)
    assert verdict.missed == tuple(NOON + second * SECOND for second in range(MISSED_MAX))
    assert verdict.missed_more
    assert verdict.runs == tuple(now - second * SECOND for second in range(59, -1, -1))
    assert verdict.next_run_at == now + SECOND
    assert counted.asked <= MISSED_MAX + 100


def test_a_thousand_missed_ones_are_all_told() -> None:
    now = NOON + MISSED_MAX * SECOND
    verdict = decide(EVERY_SECOND, NOON, now, grace_s=0)
    assert (len(verdict.missed), verdict.missed_more, verdict.runs) == (MISSED_MAX, False, (now,))


def test_a_grace_of_ages_misses_nothing() -> None:
    assert decide(HOURLY, NOON, NOON + HOUR, grace_s=1e300).missed == ()


def test_before_its_time_nothing_is_decided() -> None:
    with pytest.raises(AssertionError):
        decide(HOURLY, NOON, NOON - SECOND)


def test_a_new_schedule_begins_at_or_after_now() -> None:
    assert first_run(HOURLY, now=NOON) == NOON
    assert first_run(HOURLY, now=NOON + SECOND) == NOON + HOUR
    assert first_run(DateTrigger(at=NOON), now=NOON + HOUR) == NOON


# --- APScheduler as the oracle ---------------------------------------------------------------


@settings(derandomize=True, deadline=None, max_examples=200)
@given(
    number_texts(0, 23),
    st.sampled_from(["0", "30", "*/20"]),
    MOMENTS,
    st.integers(0, 40 * 3600),
    st.none() | st.integers(1, 40 * 3600),
    st.booleans(),
)
def test_the_verdict_is_apschedulers(
    hour: str, minute: str, due: datetime, late_s: int, grace_s: int | None, coalesce: bool
) -> None:
    """Job._get_run_times, coalescing in _process_jobs, and the grace in run_job."""
    oracle = ApsCron(hour=hour, minute=minute, timezone="UTC")
    due, now = due.replace(microsecond=0), due.replace(microsecond=0) + late_s * SECOND
    run_times = ApsJob._get_run_times(SimpleNamespace(next_run_time=due, trigger=oracle), now)
    assume(len(run_times) < 100)
    run_times = run_times[-1:] if coalesce else run_times
    missed = [run for run in run_times if grace_s is not None and now - run > grace_s * SECOND]
    verdict = decide(from_apscheduler(oracle), due, now, grace_s=grace_s, coalesce=coalesce)
    assert verdict == Verdict(
        runs=tuple(run for run in run_times if run not in missed),
        missed=tuple(missed),
        missed_more=False,
        next_run_at=oracle.get_next_fire_time(run_times[-1], now),
    )
