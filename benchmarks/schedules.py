"""What schedules cost: 10,000 jobs on SQLite and PostgreSQL, on asyncio and trio.

    uv run --group bench --all-extras python benchmarks/schedules.py [--jobs N] [--rounds N]

start      seconds from entering the scope of a queue on a store with N jobs until it is up and has
           looked for what is due
burst      seconds from the moment that 1,000 of them are due together until the tasks of all are
           in the store
idle       percent of a processor that the process takes while none is due
lateness   milliseconds from the times of 500 runs, 50 a second, until their tasks are in the store:
           the median and the 99th of 100
"""

import argparse
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from statistics import median, quantiles
from time import monotonic, process_time
from typing import Any

import anyio
from servers import Databases, postgres, sqlite

from oncue import ScheduledQueue, TaskData, crontab, open_queue
from oncue.actors.planning import ChangeSchedules, FindSchedules
from oncue.adapters.arguments import UNSET
from oncue.stores import AddSchedule, ReplaceSchedule, ScheduleRow

DUE = 1_000
IDLE_S = 5.0
LATE = 500
APART_S = 0.02
AHEAD_S = 2.0
BURST_S = 8.0
LOOK_S = 0.002


def queue_on(url: str, **settings: Any) -> ScheduledQueue:
    queue = open_queue(url, **settings)
    assert isinstance(queue, ScheduledQueue)
    return queue


async def load(url: str, jobs: int) -> None:
    """So many jobs at all minutes of next 29 February, written as a program would, by the batch."""
    async with queue_on(url, queues=[]) as queue:
        now = datetime.now(UTC)
        for start in range(0, jobs, 1000):
            changes = [
                AddSchedule(row=row_of(queue, number, now))
                for number in range(start, min(start + 1000, jobs))
            ]
            await queue._ask(ChangeSchedules(changes=changes))


def row_of(queue: ScheduledQueue, number: int, now: datetime) -> ScheduleRow:
    minute, hour = number % 60, number // 60 % 24
    task = TaskData(task_type="noop", payload={"n": number})
    trigger = crontab(f"{minute} {hour} 29 2 *", timezone="Europe/Berlin")
    return queue._row(task, trigger, None, UNSET, UNSET, UNSET, now)


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110
        await anyio.sleep(LOOK_S)


async def start(url: str) -> list[float]:
    began = monotonic()
    async with queue_on(url) as queue:
        await until(lambda: queue.scheduler_running)
        await queue.get_schedules(limit=1)  # behind the scheduler's first look
        return [monotonic() - began]


async def burst(url: str) -> list[float]:
    """`DUE` of the jobs are moved to one moment in the near future."""
    async with queue_on(url, queues=[]) as client:
        views = await client._ask(FindSchedules(limit=DUE))
        at = datetime.now(UTC) + timedelta(seconds=BURST_S)
        changes = [
            ReplaceSchedule(row=replace(view.row, next_run_at=at), version=view.version)
            for view in views
        ]
        assert all(await client._ask(ChangeSchedules(changes=changes)))
    async with queue_on(url) as queue:
        await queue.pause_queue()
        assert datetime.now(UTC) < at
        await until(lambda: queue.metrics["fired_runs"] >= DUE)
        took_s = (datetime.now(UTC) - at).total_seconds()
        assert (await queue.get_queue_info())["job_count"] == DUE
        await queue.purge_queue()
        return [took_s]


async def idle(url: str) -> list[float]:
    async with queue_on(url):
        await anyio.sleep(1)
        before = process_time()
        await anyio.sleep(IDLE_S)
        return [100 * (process_time() - before) / IDLE_S]


async def lateness(url: str) -> list[float]:
    """A job due every second at each fiftieth of it; when each task was made, the store says."""
    async with queue_on(url) as queue:
        await queue.pause_queue()
        first = datetime.now(UTC) + timedelta(seconds=AHEAD_S)
        made: list[tuple[datetime, float]] = []
        end = first + timedelta(seconds=LATE * APART_S)
        for number in range(int(1 / APART_S)):
            await queue.add_interval_job(
                "noop",
                seconds=1,
                start_date=first + timedelta(seconds=number * APART_S),
                end_date=end,
                max_instances=LATE,
            )
        seen = 0
        while datetime.now(UTC) < end + timedelta(seconds=1) and seen < LATE:
            count = int(queue.metrics["fired_runs"])
            if count > seen:
                seen = count
                made.append((datetime.now(UTC), count))
            await anyio.sleep(LOOK_S / 2)
        moments = [first + timedelta(seconds=n * APART_S) for n in range(LATE)]
        late: list[float] = []
        position = 0
        for at, count in made:
            while position < count:
                late.append(1000 * (at - moments[position]).total_seconds())
                position += 1
        await queue.purge_queue()
        return [median(late), quantiles(late, n=100)[98]]


MEASURES: dict[str, Callable[[str], Any]] = {
    "start, s": start,
    "1,000 due at once, s": burst,
    "idle, percent of a processor": idle,
    "lateness, median and 99th of 100, ms": lateness,
}


def run(databases: Databases, name: str, jobs: int, rounds: int) -> None:
    loaded = databases.new()
    began = monotonic()
    anyio.run(load, loaded, jobs)
    print(f"{name}: {jobs:,} jobs, written in {monotonic() - began:.1f} s")
    for title, measure in MEASURES.items():
        for backend in ("asyncio", "trio"):
            # A job of the last round that is not over would be taken for one of this.
            urls = [databases.new() if measure is lateness else loaded for _ in range(rounds)]
            found = [anyio.run(measure, url, backend=backend) for url in urls]
            figures = (median(column) for column in zip(*found, strict=True))
            print(f"  {title} ({backend}): {', '.join(f'{figure:.3g}' for figure in figures)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    with sqlite() as databases:
        run(databases, "SQLite", given.jobs, given.rounds)
    with postgres() as databases:
        run(databases, "PostgreSQL", given.jobs, given.rounds)


if __name__ == "__main__":
    main()
