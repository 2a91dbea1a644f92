"""Schedules, and when they are to run, reckoned in another way than the scheduler does.

Most have been due since the night of 2 November 2025, when New York's clocks were put back at two:
the hour from one to two came twice. They end that night, so whoever fires them catches up.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from oncue import TaskData
from oncue.actors.schedules import encode_template
from oncue.actors.triggers import Fold, IntervalTrigger, Trigger, crontab, encode
from oncue.stores import ScheduleRow

NEW_YORK: Final = ZoneInfo("America/New_York")
MIDNIGHT: Final = datetime(2025, 11, 2, 0, 0, tzinfo=NEW_YORK).astimezone(UTC)
MINUTES: Final = 4 * 60  # until three o'clock: this night's first three hours are four
MANY: Final = 2**31 - 1

CRONS: Final[tuple[tuple[str, Fold, Callable[[datetime], bool]], ...]] = (
    ("*/5 * * * *", "both", lambda wall: wall.minute % 5 == 0),
    ("*/5 * * * *", "first", lambda wall: wall.minute % 5 == 0),
    ("0 * * * *", "both", lambda wall: wall.minute == 0),
    ("30 1 * * *", "both", lambda wall: (wall.hour, wall.minute) == (1, 30)),
    ("30 1 * * *", "first", lambda wall: (wall.hour, wall.minute) == (1, 30)),
    ("0 2 * * *", "first", lambda wall: (wall.hour, wall.minute) == (2, 0)),
)
"""With what the wall clock shows when they run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A schedule, and all of its occurrences."""

    row: ScheduleRow
    moments: frozenset[datetime]


def has_random_ids(job_id: UUID) -> bool:
    """Whether the ids of its runs do not follow from what they are runs of."""
    return job_id.int % 2 == 0


def night(random: Random) -> list[Planned]:
    """Every line of `CRONS`, and an interval that knows no clocks."""
    minutes = [MIDNIGHT + timedelta(minutes=n) for n in range(MINUTES + 1)]
    planned: list[Planned] = []
    for expression, fold, shows in CRONS:
        moments = {
            minute
            for minute in minutes
            if shows(wall := minute.astimezone(NEW_YORK)) and (fold == "both" or wall.fold == 0)
        }
        trigger = crontab(expression, timezone=NEW_YORK, end_date=minutes[-1], dst_fold=fold)
        planned.append(_planned(random, trigger, moments))
    return [*planned, every(random, timedelta(minutes=7), start=MIDNIGHT, end=minutes[-1])]


def every(random: Random, length: timedelta, *, start: datetime, end: datetime) -> Planned:
    count = int((end - start) / length) + 1
    trigger = IntervalTrigger(start=start, every=length, end=end)
    return _planned(random, trigger, {start + n * length for n in range(count)})


def _planned(random: Random, trigger: Trigger, moments: set[datetime]) -> Planned:
    job_id = UUID(int=random.getrandbits(128), version=4)
    # What is worked ends as a result, which keeps an id and not whose run it was.
    works = not has_random_ids(job_id) and random.random() < 0.5
    task = TaskData(task_type="work" if works else "idle", task_id=job_id)
    row = ScheduleRow(
        job_id=job_id,
        name="raced for",
        queue_name=task.queue_name,
        task=encode_template(task),
        trigger=encode(trigger),
        next_run_at=min(moments),
        misfire_grace_s=None,
        coalesce=False,
        instances_max=MANY,
        created_at=MIDNIGHT,
    )
    return Planned(row=row, moments=frozenset(moments))
