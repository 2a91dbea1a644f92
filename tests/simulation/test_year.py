"""A year of 200 jobs in 12 zones, in virtual time: what fired is what the calendars say.

What they say is worked out here, from `zoneinfo` and nothing of ours: for each day of the year and
each time of day that a job has, by looking at which instants the zone's clock shows that. It shows

- one, on all other nights: then;
- none, when the clock is put forward over it: at the instant of the change ("next"), or not at all
  ("skip");
- two, when the clock is put back behind it: at the first of them ("first"), or at both ("both").

Where a job does not say which: "skip" and "both" with a `*` in the hour or the minute, so that it
goes on by the elapsed clock, "skip" and "first" for a calendar interval, "next" and "first" else.

The year is 2018. In these zones it has 23 changes: at night, at midnight (Sao Paulo, Tehran), by
half an hour (Lord Howe), and three about Ramadan (Casablanca).
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

import anyio
import pytest

from oncue import TaskData
from oncue.adapters.scheduled import ScheduledQueue
from oncue.testing import Backend, VirtualClock, run
from tests.simulation.kit import DAY_S, long_queue, slow_pulse
from tests.simulation.scenarios import ApsCalendar, ApsCron

ZONES: Final = [
    "Africa/Casablanca",
    "America/New_York",
    "America/Sao_Paulo",
    "America/St_Johns",
    "Asia/Kolkata",
    "Asia/Tehran",
    "Australia/Lord_Howe",
    "Europe/Berlin",
    "Europe/London",
    "Pacific/Apia",
    "Pacific/Auckland",
    "Pacific/Chatham",
]
BEGIN: Final = datetime(2018, 1, 1, tzinfo=UTC)
END: Final = datetime(2019, 1, 1, tzinfo=UTC)
MINUTE: Final = timedelta(minutes=1)
HOUR: Final = timedelta(hours=1)

Gap = Literal["next", "skip"]
Fold = Literal["first", "both"]
Runs = Counter[tuple[str, datetime | None]]
"""Of which job, and for when."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A way to add it to a queue, and all that it should then come to."""

    name: str
    zone: str
    add: Callable[[ScheduledQueue], Awaitable[UUID]]
    expected: Iterable[datetime]


# -- what the calendars say -------------------------------------------------------------------


def instants(wall: datetime, zone: ZoneInfo, gap: Gap, fold: Fold) -> Iterator[datetime]:
    """When the zone's clock shows `wall`, as the policies have it."""
    passes = {wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1)}
    shown = sorted(each for each in passes if local(each, zone) == wall)
    if shown:
        yield from shown if fold == "both" else shown[:1]
    elif gap == "next":
        instant = wall.replace(tzinfo=UTC) - timedelta(hours=15)  # no zone is further ahead
        while local(instant, zone) < wall:
            instant += MINUTE
        yield instant


def local(instant: datetime, zone: ZoneInfo) -> datetime:
    return instant.astimezone(zone).replace(tzinfo=None)


def at(
    days: Callable[[date], bool],
    times: Sequence[time],
    zone: ZoneInfo,
    gap: Gap = "next",
    fold: Fold = "first",
) -> set[datetime]:
    """The instants of the year at such a time on such a day."""
    found: set[datetime] = set()
    for number in range(-1, (END - BEGIN).days + 1):
        day = BEGIN.date() + timedelta(days=number)
        if days(day):
            for each in times:
                found.update(instants(datetime.combine(day, each), zone, gap, fold))
    return {instant for instant in found if BEGIN <= instant < END}


def clock_times(minutes: range) -> list[time]:
    """The times of day so many minutes after midnight."""
    return [time(minute // 60, minute % 60) for minute in minutes]


QUARTERS: Final = clock_times(range(0, 24 * 60, 15))


def every(_day: date) -> bool:
    return True


def is_sunday(day: date) -> bool:
    return day.weekday() == 6


def on(*days: tuple[int, int]) -> Callable[[date], bool]:
    """On these (month, day)."""
    return lambda day: (day.month, day.day) in days


# -- the jobs -----------------------------------------------------------------------------------


def line(
    expression: str,
    zone: str,
    days: Callable[[date], bool],
    times: Sequence[time],
    gap: Gap = "next",
    fold: Fold = "first",
    **given: Any,
) -> Job:
    """A crontab line, and what it means."""

    async def add(queue: ScheduledQueue) -> UUID:
        return await queue.add_cron_job("run", expression, timezone=zone, **given)

    expected = at(days, times, ZoneInfo(zone), gap, fold)
    return Job(name=f"{expression} {zone} {given}", zone=zone, add=add, expected=expected)


def trigger(
    what: Any, zone: str, days: Callable[[date], bool], when: time, gap: Gap = "next"
) -> Job:
    """A trigger of APScheduler's, and what it means."""

    async def add(queue: ScheduledQueue) -> UUID:
        return await queue.add_job(TaskData(task_type="run"), what)

    expected = at(days, [when], ZoneInfo(zone), gap)
    return Job(name=repr(what), zone=zone, add=add, expected=expected)


def jobs_of(zone: str) -> Iterator[Job]:
    """Sixteen."""
    half_past_1, half_past_2 = [time(1, 30)], [time(2, 30)]
    yield line("30 2 * 2-4,9-11 *", zone, lambda d: d.month in (2, 3, 4, 9, 10, 11), half_past_2)
    yield line("30 1 * * sun", zone, is_sunday, half_past_1)
    yield line("30 1 * * 7", zone, is_sunday, half_past_1, fold="both", dst_fold="both")
    yield line("30 2 * * 0", zone, is_sunday, half_past_2, "skip", dst_gap="skip")
    yield line("*/15 * 11,25 3 *", zone, on((3, 11), (3, 25)), QUARTERS, "skip", "both")
    spring_and_autumn = on((4, 1), (4, 30), (9, 1), (9, 30))
    yield line("*/15 * 1,30 4,9 *", zone, spring_and_autumn, QUARTERS, "skip", "both")
    summers_end = on((10, 4), (10, 7), (10, 28), (11, 4), (11, 7), (11, 28))
    yield line("0,30 0-3 4,7,28 10,11 *", zone, summers_end, clock_times(range(0, 240, 30)))
    yield line(
        "*/20 * 17 2 *", zone, on((2, 17)), clock_times(range(0, 24 * 60, 20)), "skip", "both"
    )
    yield line("0 0 22 * thu", zone, lambda day: day.day == 22 or day.weekday() == 3, [time(0)])
    yield line("15 2 1-7 */3 *", zone, lambda d: d.day <= 7 and d.month % 3 == 1, [time(2, 15)])
    yield line(
        "0 9 * jan,jul mon-fri", zone, lambda d: d.month in (1, 7) and d.weekday() < 5, [time(9)]
    )
    yield line("@monthly", zone, lambda day: day.day == 1, [time(0)])
    yield line("0 0 29 2 *", zone, lambda day: (day.month, day.day) == (2, 29), [time(0)])
    yield trigger(
        ApsCron(day="2nd sun", hour=2, minute=30, timezone=zone),
        zone, lambda day: is_sunday(day) and 7 < day.day <= 14, time(2, 30),
    )  # fmt: skip
    yield trigger(
        ApsCalendar(months=1, start_date="2017-12-31", hour=23, minute=30, timezone=zone),
        zone, lambda day: day.day == 31, time(23, 30), "skip",
    )  # fmt: skip
    yield trigger(
        ApsCalendar(weeks=1, start_date="2017-12-31", hour=2, minute=30, timezone=zone),
        zone, is_sunday, time(2, 30), "skip",
    )  # fmt: skip


def hourly(zone: str, first: datetime, last: datetime) -> Job:
    """On the hour, between two instants."""

    async def add(queue: ScheduledQueue) -> UUID:
        return await queue.add_cron_job(
            "run", "@hourly", timezone=zone, start_date=first, end_date=last
        )

    hours = at(every, clock_times(range(0, 24 * 60, 60)), ZoneInfo(zone), "skip", "both")
    expected = {instant for instant in hours if first <= instant <= last}
    return Job(name=f"@hourly {zone}", zone=zone, add=add, expected=expected)


def interval(begin: datetime | None, **length: int) -> Job:
    """Without `begin`, the first run comes one interval later."""

    async def add(queue: ScheduledQueue) -> UUID:
        return await queue.add_interval_job("run", start_date=begin, **length)  # type: ignore[arg-type]

    step = timedelta(**length)
    instant = begin or BEGIN + step
    expected: set[datetime] = set()
    while instant < END:
        if instant >= BEGIN:
            expected.add(instant)
        instant += step
    return Job(name=f"every {step} from {begin}", zone="UTC", add=add, expected=expected)


@cache
def jobs() -> list[Job]:
    """Sixteen for each zone, and eight more."""
    new_year = datetime(2017, 12, 31, 23, 59, tzinfo=UTC)
    return [
        *(job for zone in ZONES for job in jobs_of(zone)),
        hourly(
            "Australia/Lord_Howe",
            datetime(2018, 10, 1, tzinfo=UTC),
            datetime(2018, 10, 14, tzinfo=UTC),
        ),
        line(
            "*/15 1-3 13,17 5,6 *",
            "Africa/Casablanca",
            on((5, 13), (5, 17), (6, 13), (6, 17)),
            QUARTERS[4:16],
            "skip",
            "both",
        ),
        line(
            "*/15 0,23 21,22 3,9 *",
            "Asia/Tehran",
            on((3, 21), (3, 22), (9, 21), (9, 22)),
            QUARTERS[:4] + QUARTERS[-4:],
            "skip",
            "both",
        ),
        line("@yearly", "UTC", on((1, 1)), [time(0)]),
        interval(None, hours=30),
        interval(new_year, days=1),
        interval(new_year, days=5, hours=6),
        interval(new_year, weeks=1, seconds=1),
    ]


# -- the year -----------------------------------------------------------------------------------

STORES: Final[dict[str, dict[str, Any]]] = {
    "memory": {},
    "sqlite": {"job_store_type": "sqlalchemy", "job_store_url": "sqlite:///year.db"},
}
BACKENDS: Final[list[Backend]] = ["asyncio", "trio"]


@pytest.mark.slow
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("store", STORES)
def test_what_fires_in_a_year_is_what_the_calendars_say(
    store: str, backend: Backend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each occurrence once, at its moment, and nothing else."""
    slow_pulse(monkeypatch)
    monkeypatch.chdir(tmp_path)
    clock = VirtualClock(BEGIN)
    queue = long_queue(clock, max_instances=10_000, **STORES[store])

    names: dict[UUID | None, str] = {}

    async def live_for_a_year() -> list[TaskData]:
        """Nobody runs the tasks, so they are all there in the end."""
        async with queue:
            for job in jobs():
                names[await job.add(queue)] = job.name
            assert clock.now() == BEGIN
            await anyio.sleep((END - BEGIN).days * DAY_S - 1)
            return [task.task for task in await queue.get_tasks()]

    tasks = run(live_for_a_year, backend=backend, clock=clock)
    fired: Runs = Counter((names[task.job_id], task.scheduled_at) for task in tasks)
    expected: Runs = Counter((job.name, instant) for job in jobs() for instant in job.expected)
    assert fired - expected == Counter()
    assert expected - fired == Counter()
    assert [task for task in tasks if task.created_at != task.scheduled_at] == []


def test_the_year_holds_what_it_is_meant_to_hold() -> None:
    """200 jobs in 12 zones, whose clocks are changed 23 times, with runs as that happens."""
    assert (len(jobs()), len({job.name for job in jobs()}), len(ZONES)) == (200, 200, 12)
    changes = {zone: list(changes_of(ZoneInfo(zone))) for zone in ZONES}
    assert sum(map(len, changes.values())) == 23
    for zone in ZONES:
        runs = [instant for job in jobs() if job.zone == zone for instant in job.expected]
        for change in changes[zone]:
            assert sum(change - HOUR <= instant <= change + HOUR for instant in runs) >= 5


def changes_of(zone: ZoneInfo) -> Iterator[datetime]:
    """When its clock is changed."""
    instant = BEGIN
    while instant < END:
        if (instant - MINUTE).astimezone(zone).utcoffset() != instant.astimezone(zone).utcoffset():
            yield instant
        instant += 30 * MINUTE
