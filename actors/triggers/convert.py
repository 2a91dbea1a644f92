"""From APScheduler's trigger objects to ours, which can be stored."""

from . import _apscheduler as aps
from . import zones
from .base import in_utc, in_utc_or_none
from .calendar import CalendarTrigger
from .combined import AndTrigger, OrTrigger, Trigger
from .cron import CronFields, CronTrigger
from .date import DateTrigger
from .interval import IntervalTrigger
from .zones import Fold, Gap


def from_apscheduler(
    trigger: object, *, dst_gap: Gap | None = None, dst_fold: Fold | None = None
) -> Trigger:
    """The same occurrences, but for the two nights: `dst_gap` and `dst_fold` are for the triggers,
    or parts of one, that read a wall clock. Jitter stays beside the occurrences.

    Raises TypeError for a class that is not APScheduler's own, a subclass too: it could not be
    told from JSON. Raises ValueError for what no store can keep.
    """
    if type(trigger) is aps.DateTrigger:
        return DateTrigger(at=in_utc("run_date", trigger.run_date))
    if type(trigger) is aps.IntervalTrigger:
        return IntervalTrigger(
            start=in_utc("start_date", trigger.start_date),
            every=trigger.interval,
            end=in_utc_or_none("end_date", trigger.end_date),
            jitter_s=trigger.jitter or 0.0,
        )
    if type(trigger) is aps.CronTrigger:
        return _cron(trigger, dst_gap, dst_fold)
    if type(trigger) is aps.CalendarIntervalTrigger:
        return CalendarTrigger(
            years=trigger.years,
            months=trigger.months,
            weeks=trigger.weeks,
            days=trigger.days,
            at=trigger._time.replace(tzinfo=None),  # pyright: ignore[reportPrivateUsage]
            start=trigger.start_date,
            end=trigger.end_date,
            timezone=zones.name_of(trigger.timezone),
            dst_gap=dst_gap or "skip",  # as APScheduler does
            dst_fold=dst_fold or "first",
            jitter_s=trigger.jitter or 0.0,
        )
    if type(trigger) is aps.AndTrigger or type(trigger) is aps.OrTrigger:
        ours = AndTrigger if type(trigger) is aps.AndTrigger else OrTrigger
        parts = [
            from_apscheduler(part, dst_gap=dst_gap, dst_fold=dst_fold) for part in trigger.triggers
        ]
        return ours(triggers=tuple(parts), jitter_s=trigger.jitter or 0.0)
    kind = f"{type(trigger).__module__}.{type(trigger).__qualname__}"
    raise TypeError(
        f"a {kind} cannot be stored. Use APScheduler's own DateTrigger, IntervalTrigger, "
        "CronTrigger, CalendarIntervalTrigger, AndTrigger or OrTrigger, and none derived from them"
    )


def _cron(trigger: aps.CronTrigger, dst_gap: Gap | None, dst_fold: Fold | None) -> CronTrigger:
    texts = {field.name: str(field) for field in trigger.fields}
    given = {field.name: texts[field.name] for field in trigger.fields if not field.is_default}
    gap, fold = zones.policies(texts["hour"], texts["minute"], dst_gap, dst_fold)
    return CronTrigger(
        fields=CronFields(**given),
        timezone=zones.name_of(trigger.timezone),
        dst_gap=gap,
        dst_fold=fold,
        start=in_utc_or_none("start_date", trigger.start_date),
        end=in_utc_or_none("end_date", trigger.end_date),
        jitter_s=trigger.jitter or 0.0,
    )
