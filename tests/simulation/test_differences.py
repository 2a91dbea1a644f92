"""Where our scheduler is meant to differ from APScheduler's own, and how: both are shown.

- Nights on which the clock is changed: a time that is left out comes right after, and one that
  comes twice is one run. APScheduler moves the former by an hour, and runs the latter twice.
- Jitter holds a run up and moves nothing. With APScheduler it moves the interval's next run, too.
- An occurrence runs once, and where occurrences are does not depend on the runs before: so a part
  of an `OrTrigger` keeps its rhythm and its start, an `AndTrigger` finds where its parts meet, a
  run that is moved moves no other and, moved back, repeats none whose outcome is kept, and a
  resumed calendar interval goes on. APScheduler reckons from the last run.
- Of more missed runs of one job than anybody reads, the first thousand are told of, one by one.

And, evened out in the oracle, as they concern no moment of any run:

- What never fires is refused. APScheduler keeps it, as a job that is paused.
- A paused job that is rescheduled stays paused.
- `max_instances` counts live tasks, and each run is one. APScheduler makes all runs that it caught
  up with inside one instance.
- A run that came too late is missed, even where it would have been one too many as well.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch
from zoneinfo import ZoneInfo

import pytest

from tests.simulation.kit import slow_pulse
from tests.simulation.oracle import Oracle
from tests.simulation.player import Player
from tests.simulation.scenarios import (
    Act,
    Add,
    ApsAnd,
    ApsCalendar,
    ApsCron,
    ApsDate,
    ApsInterval,
    ApsOr,
    Chapter,
    Modify,
    Pause,
    Resume,
    Scenario,
    Story,
    Wait,
)

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
NEW_YORK = ZoneInfo("America/New_York")
HOUR = 3600


@pytest.fixture(autouse=True)
def _slow_pulse(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    slow_pulse(monkeypatch)
    caplog.set_level("CRITICAL", "apscheduler")


def job(trigger: Any) -> Add:
    return Add(name="job", trigger=trigger, grace_s=None, coalesce=False, instances_max=1)


def stories(
    *chapters: Sequence[Act], begin: datetime = NOON, outage_s: int = 0
) -> tuple[Story, Story]:
    """Ours and APScheduler's, beginning a quarter of a second after `begin`."""
    scenario = Scenario(
        begin=begin + timedelta(seconds=0.25),
        chapters=[Chapter(outage_s=outage_s if n else 0, acts=a) for n, a in enumerate(chapters)],
    )
    return Player.play(scenario, "asyncio"), Oracle.play(scenario)


def times(story: Story) -> list[str]:
    """When its runs were for, in UTC."""
    return [f"{moment:%H:%M:%S}".removesuffix(":00") for _, moment in story.fired]


# -- the two nights -------------------------------------------------------------------------


def test_in_spring_a_run_comes_right_after_the_gap() -> None:
    ours, theirs = stories(
        [job(ApsCron(hour=2, minute=30, timezone=NEW_YORK)), Wait(seconds=24 * HOUR)],
        begin=datetime(2026, 3, 8, tzinfo=UTC),
    )
    assert times(ours) == ["07:00"]
    assert times(theirs) == ["07:30"]


def test_in_autumn_a_run_comes_once() -> None:
    ours, theirs = stories(
        [job(ApsCron(hour=1, minute=30, timezone=NEW_YORK)), Wait(seconds=24 * HOUR)],
        begin=datetime(2026, 11, 1, tzinfo=UTC),
    )
    assert times(ours) == ["05:30"]
    assert times(theirs) == ["05:30", "06:30"]


# -- occurrences and runs -------------------------------------------------------------------


def test_jitter_moves_no_occurrence() -> None:
    with patch("random.uniform", max):
        ours, theirs = stories(
            [job(ApsInterval(minutes=10, jitter=60, start_date=NOON)), Wait(seconds=HOUR)]
        )
    assert times(ours) == ["12:10", "12:20", "12:30", "12:40", "12:50"]
    assert times(theirs) == ["12:11", "12:22", "12:33", "12:44", "12:55"]


def test_a_part_of_an_or_trigger_keeps_its_rhythm() -> None:
    every_20 = ApsInterval(minutes=20, start_date=NOON)
    either = ApsOr([every_20, ApsCron(minute=30, timezone="UTC")])
    ours, theirs = stories([job(either), Wait(seconds=HOUR)])
    assert times(ours) == ["12:20", "12:30", "12:40", "13:00"]
    assert times(theirs) == ["12:20", "12:30", "12:50"]


def test_a_part_of_an_or_trigger_keeps_its_start() -> None:
    late = ApsCron(minute="*/20", start_date=NOON + timedelta(minutes=45), timezone="UTC")
    ours, theirs = stories(
        [job(ApsOr([late, ApsCron(minute=10, timezone="UTC")])), Wait(seconds=HOUR)]
    )
    assert times(ours) == ["12:10", "13:00"]
    assert times(theirs) == ["12:10", "12:20", "12:40", "13:00"]


def test_an_and_trigger_finds_where_its_parts_meet() -> None:
    class Hangs(Exception):
        pass

    class Asked(ApsCron):  # type: ignore[misc]
        asked = 0

        def get_next_fire_time(self, previous: datetime | None, now: datetime) -> Any:
            Asked.asked += 1
            if Asked.asked > 1000:
                raise Hangs
            return ApsCron.get_next_fire_time(self, previous, now)

    def both(cron: Any) -> Any:
        return ApsAnd([cron(minute="*/20", timezone="UTC"), cron(minute="*/15", timezone="UTC")])

    scenario = Scenario(
        begin=NOON + timedelta(seconds=0.25),
        chapters=[Chapter(outage_s=0, acts=[job(both(ApsCron)), Wait(seconds=2 * HOUR)])],
    )
    assert times(Player.play(scenario, "asyncio")) == ["13:00", "14:00"]
    with pytest.raises(Hangs):
        both(Asked).get_next_fire_time(NOON, NOON)


def test_a_run_that_is_moved_moves_no_other() -> None:
    moved = Modify(name="job", changes={"next_run_time": NOON + timedelta(minutes=5)})
    every_20 = ApsInterval(minutes=20, start_date=NOON)
    ours, theirs = stories([job(every_20), moved, Wait(seconds=HOUR)])
    assert times(ours) == ["12:05", "12:20", "12:40", "13:00"]
    assert times(theirs) == ["12:05", "12:25", "12:45"]


def test_a_run_that_is_moved_back_repeats_no_other() -> None:
    moved = Modify(name="job", changes={"next_run_time": NOON + timedelta(minutes=5)})
    every_20 = ApsCron(minute="*/20", timezone="UTC")
    ours, theirs = stories([job(every_20), Wait(seconds=HOUR), moved, Wait(seconds=HOUR)])
    hours = ["12:20", "12:40", "13:00", "13:20", "13:40", "14:00"]
    assert times(ours) == ["12:05", *hours]
    assert times(theirs) == sorted(["12:05", *hours, *hours[:3]])


def test_a_date_that_is_moved_is_another_date() -> None:
    acts: list[Act] = [
        job(ApsDate(NOON + timedelta(minutes=30))),
        Modify(name="job", changes={"next_run_time": NOON + timedelta(minutes=10)}),
        Pause(name="job"),
        Resume(name="job"),
        Wait(seconds=HOUR),
    ]
    ours, theirs = stories(acts)
    assert times(ours) == ["12:10"]
    assert times(theirs) == ["12:30"]


def test_a_resumed_calendar_interval_goes_on() -> None:
    daily = ApsCalendar(days=1, hour=18, start_date="2026-01-05", timezone="UTC")
    again: list[Act] = [Pause(name="job"), Resume(name="job"), Wait(seconds=24 * HOUR)]
    ours, theirs = stories([job(daily), Wait(seconds=8 * HOUR), *again])
    assert [moment.day for _, moment in ours.fired] == [5, 6]
    assert [moment.day for _, moment in theirs.fired] == [5, 5, 6]


def test_of_many_missed_runs_the_first_thousand_are_told_of() -> None:
    ours, theirs = stories(
        [
            Add(
                name="job",
                trigger=ApsInterval(seconds=1, start_date=NOON),
                grace_s=10,
                coalesce=False,
                instances_max=1,
            ),
            Wait(seconds=2),
        ],
        [Wait(seconds=2)],
        outage_s=HOUR,
    )
    assert ours.fired == theirs.fired
    assert (len(ours.missed), len(theirs.missed)) == (1000, HOUR - 10)
    assert ours.missed == theirs.missed[:1000]
