"""What is done to a scheduler: jobs with APScheduler's triggers, outages, changes. One integer is
one scenario.

Everything is done at a quarter past a second, runs are for whole seconds, and slow ones end at half
past: so no two of these ever meet, and no outcome hangs on which was first. On the days chosen no
clock is changed in the zones used.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from importlib import import_module
from random import Random
from typing import Any, Final
from zoneinfo import ZoneInfo

ApsDate: Any = import_module("apscheduler.triggers.date").DateTrigger
ApsInterval: Any = import_module("apscheduler.triggers.interval").IntervalTrigger
ApsCron: Any = import_module("apscheduler.triggers.cron").CronTrigger
ApsCalendar: Any = import_module("apscheduler.triggers.calendarinterval").CalendarIntervalTrigger
ApsOr: Any = import_module("apscheduler.triggers.combining").OrTrigger
ApsAnd: Any = import_module("apscheduler.triggers.combining").AndTrigger

ZONES: Final = ["UTC", "America/New_York", "Asia/Kolkata", "America/St_Johns", "Pacific/Chatham"]
PACES_S: Final = [5, 60, 600, 3600, 6 * 3600]
"""How far apart the runs of a scenario are, more or less."""
AWAKE_PACES: Final = 8
OUTAGE_PACES: Final = 25


@dataclass(frozen=True, slots=True, kw_only=True)
class Add:
    """A job; each run of it takes so many seconds. `trigger` is APScheduler's."""

    name: str
    trigger: Any
    grace_s: int | None
    coalesce: bool
    instances_max: int
    takes_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Resume:
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reschedule:
    name: str
    trigger: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Modify:
    """`changes` by the names that both schedulers give them."""

    name: str
    changes: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    seconds: int


Act = Add | Pause | Resume | Reschedule | Modify | Wait


@dataclass(frozen=True, slots=True, kw_only=True)
class Chapter:
    """An outage, and what happens then until the next."""

    outage_s: int
    acts: Sequence[Act]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    begin: datetime
    chapters: Sequence[Chapter]


@dataclass(slots=True, kw_only=True)
class Story:
    """What became of it. `answers` are whether each change applied; `plans` when each job runs next
    (None: it is paused), after each act."""

    fired: list[tuple[str, datetime]] = field(default_factory=list[tuple[str, datetime]])
    missed: list[tuple[str, datetime]] = field(default_factory=list[tuple[str, datetime]])
    skipped: list[tuple[str, datetime]] = field(default_factory=list[tuple[str, datetime]])
    answers: list[bool] = field(default_factory=list[bool])
    plans: list[dict[str, datetime | None]] = field(
        default_factory=list[dict[str, datetime | None]]
    )

    def in_order(self) -> "Story":
        """Itself. What happens at one moment has no order."""
        for runs in (self.fired, self.missed, self.skipped):
            runs.sort()
        return self


def scenario_of(seed: int) -> Scenario:
    """The scenario that `seed` stands for."""
    return _Author(Random(seed)).scenario()


class _Author:
    def __init__(self, random: Random) -> None:
        self._random = random
        self._pace_s = random.choice(PACES_S)
        self._begin = datetime(2026, 1, 5, microsecond=250_000, tzinfo=UTC) + timedelta(
            seconds=random.randrange(3 * 86_400)
        )
        self._now = self._begin
        self._names: list[str] = []
        self._triggers: dict[str, Any] = {}
        self._never_resumed: set[str] = set()  # resumed, they would differ: see test_oracle.py

    def scenario(self) -> Scenario:
        chapters = [self._chapter(number) for number in range(self._random.randint(2, 5))]
        return Scenario(begin=self._begin, chapters=chapters)

    def _chapter(self, number: int) -> Chapter:
        outage_s = self._seconds(OUTAGE_PACES) if number else 0
        self._now += timedelta(seconds=outage_s)
        acts: list[Act] = []
        for _ in range(self._random.randint(1, 3)):
            acts += [self._add() for _ in range(self._random.randint(0, 2) if self._names else 2)]
            acts += [self._change() for _ in range(self._random.randint(0, 2))]
            wait = Wait(seconds=self._seconds(AWAKE_PACES))
            self._now += timedelta(seconds=wait.seconds)
            acts.append(wait)
        return Chapter(outage_s=outage_s, acts=acts)

    def _seconds(self, paces: float) -> int:
        return 1 + int(self._random.random() * paces * self._pace_s)

    def _moment(self, paces_before: float, paces_after: float) -> datetime:
        paces = self._random.uniform(-paces_before, paces_after)
        moment = self._now + timedelta(seconds=int(paces * self._pace_s))
        return moment.replace(microsecond=0).astimezone(ZoneInfo(self._random.choice(ZONES)))

    # -- acts ---------------------------------------------------------------------------

    def _add(self) -> Add:
        name = f"job{len(self._names)}"
        self._names.append(name)
        coalesce = self._random.random() < 0.5
        return Add(
            name=name,
            trigger=self._trigger(name),
            grace_s=self._grace_s(),
            coalesce=coalesce,
            instances_max=self._random.randint(1, 3),
            takes_s=self._random.choice([0, 0, *(int(n * self._pace_s) + 0.5 for n in (0, 1, 4))]),
        )

    def _grace_s(self) -> int | None:
        return self._random.choice([None, 1, *(self._pace_s * n + 1 for n in (1, 5, 100))])

    def _change(self) -> Act:
        name = self._random.choice(self._names)
        draw = self._random.random()
        if draw < 0.3:
            return Pause(name=name)
        if draw < 0.6 and name not in self._never_resumed:
            return Resume(name=name)
        if draw < 0.8:
            return Reschedule(name=name, trigger=self._trigger(name))
        if draw < 0.9 and isinstance(self._triggers[name], (ApsDate, ApsOr)):
            self._never_resumed.add(name)
            return Modify(name=name, changes={"next_run_time": self._moment(0, 5)})
        changes: dict[str, Any] = {
            "misfire_grace_time": self._grace_s(),
            "coalesce": self._random.random() < 0.5,
            "max_instances": self._random.randint(1, 3),
        }
        chosen = self._random.sample(sorted(changes), self._random.randint(1, 3))
        return Modify(name=name, changes={key: changes[key] for key in chosen})

    # -- triggers -----------------------------------------------------------------------

    def _trigger(self, name: str) -> Any:
        makers = [self._date, self._interval, self._interval, self._cron, self._cron, self._either]
        if self._pace_s > 600:
            makers.append(self._calendar)
        trigger = self._triggers[name] = self._random.choice(makers)()
        if isinstance(trigger, ApsCalendar):
            self._never_resumed.add(name)
        return trigger

    def _date(self) -> Any:
        return ApsDate(self._moment(5, 40))

    def _interval(self) -> Any:
        end = self._moment(0, 40) if self._random.random() < 0.3 else None
        return ApsInterval(
            seconds=int(self._pace_s * self._random.choice([1, 1.4, 2, 7])),
            start_date=self._moment(40, 5),
            end_date=end,
        )

    def _cron(self, *, may_start_late: bool = True) -> Any:
        start = self._moment(5, 5) if may_start_late and self._random.random() < 0.3 else None
        end = self._moment(0, 40) if self._random.random() < 0.3 else None
        return ApsCron(
            **self._fields(),
            start_date=start,
            end_date=end,
            timezone=self._random.choice(ZONES),
        )

    def _fields(self) -> dict[str, Any]:
        """Of about one run a pace."""
        fields: dict[int, list[dict[str, Any]]] = {
            5: [{"second": "*/5"}, {"second": "3-59/7"}, {"minute": "*/2", "second": "*/6"}],
            60: [{"second": 30}, {"minute": "*"}, {"minute": "*/2"}, {"minute": "1-58/3"}],
            600: [{"minute": "*/10"}, {"minute": "7,19,42"}, {"hour": "*/2", "minute": "*/12"}],
            3600: [{"minute": 15}, {"hour": "*"}, {"hour": "9-17"}, {"hour": "*/2", "minute": 59}],
            6 * 3600: [
                {"hour": "*/6"},
                {"hour": "5,22", "minute": 5},
                {"day_of_week": "mon-fri", "hour": 9},
                {"day": "2nd sun,last", "hour": "0,12"},
            ],
        }
        return self._random.choice(fields[self._pace_s])

    def _either(self) -> Any:
        """See `test_a_part_of_an_or_trigger_has_a_start`."""
        return ApsOr([self._cron(may_start_late=False), self._cron(may_start_late=False)])

    def _calendar(self) -> Any:
        """It begins in time to come: see `test_a_calendar_interval_begins_anew`."""
        begin = self._now.date() + timedelta(days=self._random.randint(2, 4))
        step = self._random.choice([{"days": 1}, {"days": 2}, {"weeks": 1}])
        return ApsCalendar(
            **step,
            hour=self._random.randrange(24),
            minute=self._random.choice([0, 15, 30]),
            start_date=begin,
            end_date=begin + timedelta(days=20) if self._random.random() < 0.2 else None,
            timezone=self._random.choice(ZONES),
        )
