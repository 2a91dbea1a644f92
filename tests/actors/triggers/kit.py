"""Short words for moments, and APScheduler's own triggers as oracles."""

from collections.abc import Iterator
from datetime import UTC, datetime
from importlib import import_module
from itertools import islice
from typing import Any, Protocol

from hypothesis import strategies as st

from oncue.actors.triggers import Trigger

_TRIGGERS = "apscheduler.triggers"
ApsDate: Any = import_module(f"{_TRIGGERS}.date").DateTrigger
ApsInterval: Any = import_module(f"{_TRIGGERS}.interval").IntervalTrigger
ApsCron: Any = import_module(f"{_TRIGGERS}.cron").CronTrigger
ApsCalendar: Any = import_module(f"{_TRIGGERS}.calendarinterval").CalendarIntervalTrigger
ApsAnd: Any = import_module(f"{_TRIGGERS}.combining").AndTrigger
ApsOr: Any = import_module(f"{_TRIGGERS}.combining").OrTrigger

MOMENTS = st.datetimes(datetime(2024, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))


class Oracle(Protocol):
    def get_next_fire_time(
        self, previous_fire_time: datetime | None, now: datetime
    ) -> datetime | None: ...


def utc(text: str) -> datetime:
    """`2026-03-08 07:00` in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def told(moment: datetime | None) -> str:
    """The other way, with seconds only where there are any."""
    if moment is None:
        return "no more"
    return moment.strftime("%Y-%m-%d %H:%M:%S").removesuffix(":00")


def walk(trigger: Trigger, moment: datetime) -> Iterator[datetime]:
    """The occurrences after `moment`, each asked for with the last."""
    found = trigger.after(moment)
    while found is not None:
        yield found
        found = trigger.after(found)


def following(trigger: Trigger, moment: str, count: int = 3) -> list[str]:
    """The next occurrences, as text."""
    return [told(each) for each in islice(walk(trigger, utc(moment)), count)]


def between(trigger: Trigger, start: datetime, end: datetime) -> list[datetime]:
    """The occurrences in (start, end]."""
    found: list[datetime] = []
    for each in walk(trigger, start):
        if each > end:
            break
        found.append(each)
    return found


def oracle_walk(oracle: Oracle, moment: datetime) -> Iterator[datetime]:
    """What APScheduler names after `moment`, in the same way."""
    found = oracle.get_next_fire_time(moment, moment)
    while found is not None:
        yield found.astimezone(UTC)
        found = oracle.get_next_fire_time(found, found)


def number_texts(low: int, high: int) -> st.SearchStrategy[str]:
    """`*`, steps, ranges and lists of the numbers, as crontabs and APScheduler both read them."""
    numbers = st.integers(low, high)
    ranges = st.tuples(numbers, numbers).map(sorted)
    part: st.SearchStrategy[str] = st.one_of(
        numbers.map(str),
        ranges.map(lambda ends: f"{ends[0]}-{ends[1]}"),
        ranges.filter(lambda ends: ends[1] - ends[0] > 2).map(lambda e: f"{e[0]}-{e[1]}/2"),
    )
    steps = st.integers(1, high - low).map(lambda step: f"*/{step}")
    return st.one_of(st.just("*"), steps, st.lists(part, min_size=1, max_size=3).map(",".join))
