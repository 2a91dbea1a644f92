"""Which occurrences of a schedule run now, and which have been missed. Pure: the scheduler acts."""

from datetime import datetime, timedelta
from typing import Final

from ..stores import record
from .triggers import DateTrigger, Trigger

MISSED_MAX: Final = 1000
"""Missed occurrences told one by one. An hour of every second is 3600; nobody reads them."""
_TICK: Final = timedelta.resolution


@record
class Verdict:
    """`runs` and `missed` are occurrences, oldest first; `missed_more`: not all that were missed.

    `next_run_at` is the first that is not dealt with; not later than now only where `runs` is full.
    """

    runs: tuple[datetime, ...]
    missed: tuple[datetime, ...]
    missed_more: bool
    next_run_at: datetime | None


def first_run(trigger: Trigger, *, now: datetime) -> datetime | None:
    """Where a new schedule begins: the first occurrence from `now` on.

    A single date is where it is, be it past: its grace decides, as with APScheduler.
    """
    return trigger.at if isinstance(trigger, DateTrigger) else trigger.after(now - _TICK)


def begin(trigger: Trigger, *, now: datetime) -> datetime:
    """`first_run` of a trigger that is to be taken. Raises ValueError where it never fires, or
    would not be found to go on: `NoAgreement`.
    """
    first = first_run(trigger, now=now)
    if first is None:
        raise ValueError(f"the trigger never fires: {trigger}")
    trigger.after(first)
    return first


def decide_fire(
    trigger: Trigger,
    *,
    due: datetime,
    now: datetime,
    grace_s: float | None,
    coalesce: bool,
    runs_max: int,
) -> Verdict:
    """APScheduler's meaning: the occurrences from `due` to `now`, with `coalesce` the last alone;
    those more than `grace_s` (None: no limit) before `now` are missed, the others run.

    `due`, not later than `now`, counts as an occurrence whatever `trigger` says. At most
    `MISSED_MAX + runs_max` are walked through; missed ones beyond are jumped over.
    """
    assert due <= now
    run: datetime | None = _last(trigger, due, now) if coalesce else due
    oldest = due
    if grace_s is not None and grace_s < (now - due).total_seconds():
        oldest = now - timedelta(seconds=grace_s)
    missed: list[datetime] = []
    while run is not None and run < oldest and len(missed) < MISSED_MAX:
        missed.append(run)
        run = trigger.after(run)
    missed_more = run is not None and run < oldest
    if missed_more:
        run = trigger.after(oldest - _TICK)
    runs: list[datetime] = []
    while run is not None and run <= now and len(runs) < runs_max:
        runs.append(run)
        run = trigger.after(run)
    return Verdict(runs=tuple(runs), missed=tuple(missed), missed_more=missed_more, next_run_at=run)


def _last(trigger: Trigger, due: datetime, now: datetime) -> datetime:
    """The last occurrence from `due` to `now`: halves the time in which it can be, about 40 times
    for a week, where a walk would take 604 800 steps."""
    last, until = due, now
    while (later := trigger.after(last)) is not None and later <= until:
        last = later
        middle = last + (until - last) / 2
        found = trigger.after(middle)
        if found is not None and found <= until:
            last = found
        else:
            until = middle
    return last
