"""Schedules, when they are to run, reckoned in another way than the scheduler does, and what ran.

Most have been due since the night of 2 November 2025, when New York's clocks were put back at two:
the hour from one to two came twice. They end that night, so whoever fires them catches up.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, Final, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from oncue import TaskData
from oncue.actors.schedules import encode_template, occurrence_id
from oncue.actors.triggers import DateTrigger, Fold, IntervalTrigger, Trigger, crontab, encode
from oncue.stores import DeadLetters, LiveTasks, ScheduleRow
from oncue.stores._moments import moment_at
from oncue.stores.mongo import MongoStore
from oncue.stores.mongo._call import Call
from oncue.stores.mongo._schema import ENDED
from oncue.stores.redis import RedisStore
from oncue.stores.sql._dialect import Tx
from oncue.stores.sql._rows import uuid_of
from tests.faults.conftest import AnyStore
from tests.stores.mongo import kit as mongo_kit
from tests.stores.sql.kit import database_of

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
    return job_id.int % 4 > 0


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
    planned.append(every(random, timedelta(minutes=7), start=MIDNIGHT, end=minutes[-1]))
    return [_one_at_a_time(each) for each in planned]


def _one_at_a_time(planned: Planned) -> Planned:
    """What comes due together is one, however many fires it takes; but not when it begins anew."""
    if not has_random_ids(planned.row.job_id):
        return planned
    return replace(planned, row=replace(planned.row, instances_max=1))


def every(random: Random, length: timedelta, *, start: datetime, end: datetime) -> Planned:
    count = int((end - start) / length) + 1
    trigger = IntervalTrigger(start=start, every=length, end=end)
    return _planned(random, trigger, {start + n * length for n in range(count)})


def once(random: Random, at: datetime) -> Planned:
    return _planned(random, DateTrigger(at=at), {at})


def _planned(random: Random, trigger: Trigger, moments: set[datetime]) -> Planned:
    job_id = UUID(int=random.getrandbits(128), version=4)
    # What is worked ends as a result, which keeps an id and not whose run it was.
    task = TaskData(task_type="idle" if has_random_ids(job_id) else "work", task_id=job_id)
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


class Occurrence(NamedTuple):
    """What runs once."""

    job_id: UUID
    moment: datetime


@dataclass(frozen=True, slots=True)
class Run:
    """A task that is an occurrence's."""

    task_id: UUID
    of: Occurrence
    created_at: datetime

    @property
    def is_early(self) -> bool:
        """By the store's clock as it was asked then."""
        return self.created_at < self.of.moment

    @property
    def has_its_id(self) -> bool:
        return has_random_ids(self.of.job_id) or self.task_id == occurrence_id(*self.of)


async def kept(store: AnyStore) -> tuple[list[Run], list[UUID]]:
    """The live and the dead; and the ids of the results, which say no more."""
    if isinstance(store, RedisStore):
        return await _kept_in_redis(store)
    if isinstance(store, MongoStore):
        return mongo_kit.database_of(store).look("look", _documents)

    def look(tx: Tx) -> tuple[list[Run], list[UUID]]:
        columns = "task_id, job_id, scheduled_us, created_us"
        tasks = f"SELECT {columns} FROM {{live}} UNION ALL SELECT {columns} FROM {{dead}}"
        runs = [
            Run(uuid_of(task), Occurrence(uuid_of(job), moment_at(due)), moment_at(created))
            for task, job, due, created in tx.rows(tasks)
        ]
        return runs, [uuid_of(row[0]) for row in tx.rows("SELECT task_id FROM {results}")]

    return database_of(store).look("look", look)


def _documents(call: Call) -> tuple[list[Run], list[UUID]]:
    known = [
        Run(
            each["_id"],
            Occurrence(each["job_id"], moment_at(each["scheduled_us"])),
            moment_at(each["created_us"]),
        )
        for each in call.tasks.find({"state": {"$lt": ENDED}})
    ]
    return known, [each["_id"] for each in call.tasks.find({"state": ENDED}, {"_id": 1})]


async def _kept_in_redis(store: RedisStore) -> tuple[list[Run], list[UUID]]:
    live = await store.find(LiveTasks(queue_name=None, limit=10**6))
    dead = await store.find(DeadLetters(queue_name=None, limit=10**6))
    runs = [
        Run(row.task_id, Occurrence(row.job_id, row.scheduled_at), row.created_at)
        for row in (view.row for view in (*live, *dead))
        if row is not None and row.job_id is not None and row.scheduled_at is not None
    ]
    line: Any = getattr(getattr(store, "_server"), "_calls")  # noqa: B009 - no call lists results
    ids = await line.ask(b"ZRANGE", f"{getattr(store, '_jobs')}:results", 0, -1)  # noqa: B009
    return runs, [UUID(hex=key.decode()) for key in ids]


async def complaints(planned: Iterable[Planned], store: AnyStore) -> dict[str, list[object]]:
    """What should not be, now that all of `planned` have come to their end."""
    wanted = {Occurrence(each.row.job_id, moment) for each in planned for moment in each.moments}
    of_id = {occurrence_id(*each): each for each in wanted if not has_random_ids(each.job_id)}
    runs, results = await kept(store)
    ran = Counter(
        [*(each.of for each in runs), *(of_id[each] for each in results if each in of_id)]
    )
    found: dict[str, list[object]] = {
        "lost": [*(wanted - ran.keys())],
        "doubled": [each for each, times in ran.items() if times > 1],
        "nobody's": [*(ran.keys() - wanted), *(each for each in results if each not in of_id)],
        "early": [each for each in runs if each.is_early],
        "with another id": [each for each in runs if not each.has_its_id],
    }
    return {what: each for what, each in found.items() if each}
