"""Our scheduler against APScheduler's own: same triggers, same outages, same runs.

A scenario is played twice, by an APScheduler whose clock is held by hand (`Oracle`) and by a queue
in virtual time (`Player`). Equal are: the runs that fired, were missed and were skipped, whether
each change applied, and when each job runs next after each of them. What is meant to differ is in
`test_differences.py`.
"""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Final

import pytest

from oncue.testing import Backend
from tests.simulation.kit import slow_pulse
from tests.simulation.oracle import Oracle
from tests.simulation.player import Player
from tests.simulation.scenarios import Add, ApsInterval, Chapter, Scenario, Wait, scenario_of

BACKENDS: Final[list[Backend]] = ["asyncio", "trio"]
SEEDS: Final = 40


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "seed" in metafunc.fixturenames:
        metafunc.parametrize("seed", range(metafunc.config.option.seeds or SEEDS))


@pytest.fixture(autouse=True)
def _slow_pulse(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    slow_pulse(monkeypatch)
    caplog.set_level("CRITICAL", "apscheduler")  # it tells of each run


def test_what_fires_is_missed_and_is_skipped_is_the_same(seed: int) -> None:
    scenario = scenario_of(seed)
    assert Player.play(scenario, BACKENDS[seed % 2]) == Oracle.play(scenario)


def test_the_scenarios_hold_what_they_are_meant_to_hold() -> None:
    """So that the equal stories are not all empty."""
    told: Counter[str] = Counter()
    for seed in range(SEEDS):
        scenario = scenario_of(seed)
        story = Oracle.play(scenario)
        told += Counter(fired=len(story.fired), missed=len(story.missed))
        told += Counter(skipped=len(story.skipped), refused=story.answers.count(False))
        told += Counter(outages=len(scenario.chapters) - 1)
        for act in (act for chapter in scenario.chapters for act in chapter.acts):
            told[type(act).__name__] += 1
            told[type(getattr(act, "trigger", None)).__name__] += 1
    changes = ["Add", "Pause", "Resume", "Reschedule", "Modify"]
    kinds = ["Date", "Interval", "Cron", "CalendarInterval", "Or"]
    outcomes = ["fired", "missed", "skipped", "refused", "outages"]
    for wanted in (*outcomes, *changes, *(f"{kind}Trigger" for kind in kinds)):
        assert told[wanted] >= 30, (wanted, told)


def test_a_catch_up_is_one_however_many_runs_it_has() -> None:
    """Those that are enqueued first are live instances, and the rest is not skipped for that."""
    midnight = datetime(2026, 1, 1, tzinfo=UTC)
    trigger = ApsInterval(seconds=10, start_date=midnight)
    add = Add(name="job", trigger=trigger, grace_s=None, coalesce=False, instances_max=1)
    scenario = Scenario(
        begin=midnight + timedelta(seconds=0.25),
        chapters=[
            Chapter(outage_s=0, acts=[add, Wait(seconds=5)]),
            Chapter(outage_s=3000, acts=[Wait(seconds=100)]),
        ],
    )
    story = Player.play(scenario, "asyncio")
    assert (len(story.fired), story.skipped) == (310, [])
    assert story == Oracle.play(scenario)
