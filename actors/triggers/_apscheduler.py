"""APScheduler's trigger classes, typed: as much of them as is read here."""

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta, tzinfo
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # they say nothing to a type checker

    class CronField:
        name: str
        is_default: bool

        def get_value(self, dateval: date) -> int: ...
        def get_next_value(self, dateval: date) -> int | None: ...

    class CronTrigger:
        fields: Sequence[CronField]
        start_date: datetime | None
        end_date: datetime | None
        timezone: tzinfo
        jitter: float | None

        def __init__(self, *, timezone: tzinfo, **fields: str) -> None: ...

    class DateTrigger:
        run_date: datetime

    class IntervalTrigger:
        interval: timedelta
        start_date: datetime
        end_date: datetime | None
        jitter: float | None

    class CalendarIntervalTrigger:
        years: int
        months: int
        weeks: int
        days: int
        start_date: date
        end_date: date | None
        timezone: tzinfo
        jitter: float | None
        _time: time

    class AndTrigger:
        triggers: Sequence[object]
        jitter: float | None

    class OrTrigger:
        triggers: Sequence[object]
        jitter: float | None

else:
    from apscheduler.triggers.calendarinterval import (
        CalendarIntervalTrigger as CalendarIntervalTrigger,
    )
    from apscheduler.triggers.combining import AndTrigger as AndTrigger
    from apscheduler.triggers.combining import OrTrigger as OrTrigger
    from apscheduler.triggers.cron import CronTrigger as CronTrigger
    from apscheduler.triggers.cron.fields import BaseField as CronField
    from apscheduler.triggers.date import DateTrigger as DateTrigger
    from apscheduler.triggers.interval import IntervalTrigger as IntervalTrigger
