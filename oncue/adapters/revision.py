"""What `modify_job` is asked to change, checked, as it applies to a schedule and to a task."""

from dataclasses import replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from oncue.actors.misfire import begin
from oncue.actors.schedules import encode_template, template_of
from oncue.actors.triggers import (
    DateTrigger,
    Fold,
    Gap,
    Trigger,
    decode,
    encode,
    from_apscheduler,
    is_trigger,
)
from oncue.adapters.arguments import (
    as_coalesce,
    as_grace_s,
    as_instances,
    as_job_name,
    as_moment,
    check_known,
)
from oncue.stores import PauseTask, ResumeTask, ReviseTask, ScheduleRow, TaskData, encode_task

_OF_TASKS: Final = frozenset({"trigger", "payload", "queue_name", "priority", "next_run_time"})
_OF_SCHEDULES: Final = frozenset(
    {*_OF_TASKS, "name", "max_instances", "coalesce", "misfire_grace_time"}
)


class Revision:
    """Raises TypeError and ValueError that name what is wrong with a change."""

    def __init__(self, changes: dict[str, Any], now: datetime) -> None:
        """`now`: the store's time."""
        check_known(changes, _OF_SCHEDULES, "change of a job")
        if not changes:
            raise TypeError("no change of the job is given")
        self._given = frozenset(changes)
        self._now = now
        self._trigger = understood(changes["trigger"]) if "trigger" in changes else None
        self._task = {k: changes[k] for k in ("payload", "queue_name", "priority") if k in changes}
        TaskData(task_type="checked", **self._task)
        moment = changes.get("next_run_time")
        self._next_run_at = None if moment is None else as_moment("next_run_time", moment)
        self._limits: dict[str, Any] = {}
        if "name" in changes:
            self._limits["name"] = as_job_name(changes["name"])
        if "max_instances" in changes:
            self._limits["instances_max"] = as_instances(changes["max_instances"])
        if "coalesce" in changes:
            self._limits["coalesce"] = as_coalesce(changes["coalesce"])
        if "misfire_grace_time" in changes:
            self._limits["misfire_grace_s"] = as_grace_s(changes["misfire_grace_time"])

    def of_schedule(self, row: ScheduleRow) -> ScheduleRow:
        """Raises ValueError where the row's template is to be changed and not understood."""
        changed: dict[str, Any] = dict(self._limits)
        if self._task:
            task = TaskData.model_validate({**template_of(row).model_dump(), **self._task})
            changed["task"] = encode_template(task)
            changed["queue_name"] = task.queue_name
        if self._trigger is not None:
            changed["trigger"] = encode(self._trigger)
            next_run_at = begin(self._trigger, now=self._now)
            if row.next_run_at is not None:
                changed["next_run_at"] = next_run_at
        if "next_run_time" in self._given:
            changed["next_run_at"] = self._next_run_at
        revised = replace(row, **changed)
        return revised if self._next_run_at is None else _at_its_date(revised)

    def of_task(self, task_id: UUID) -> list[ReviseTask | PauseTask | ResumeTask]:
        """Raises ValueError for what only a schedule has."""
        for name in sorted(self._given - _OF_TASKS):
            raise ValueError(f"{name}: job {task_id} is no schedule, and has none")
        run_at = self._next_run_at
        if self._trigger is not None:
            if not isinstance(self._trigger, DateTrigger):
                raise ValueError(
                    f"trigger: job {task_id} is a task that runs once, so it takes a date only; "
                    "add_job makes a schedule"
                )
            run_at = run_at or self._trigger.at
        row = encode_task(TaskData(task_type="checked", **self._task))
        revise = ReviseTask(
            task_id=task_id,
            queue_name=row.queue_name if "queue_name" in self._task else None,
            payload=row.payload if "payload" in self._task else None,
            priority=row.priority if "priority" in self._task else None,
            run_at=run_at,
        )
        if "next_run_time" not in self._given:
            return [revise]
        # As with a schedule: with no next time it is paused, and with one it is not.
        is_paused = self._next_run_at is None
        return [revise, PauseTask(task_id=task_id) if is_paused else ResumeTask(task_id=task_id)]


def _at_its_date(row: ScheduleRow) -> ScheduleRow:
    """A date that is moved is another date: left where it was, it would come once more."""
    assert row.next_run_at is not None
    try:
        trigger = decode(row.trigger)
    except ValueError:  # a newer version's; it may be moved all the same
        return row
    if not isinstance(trigger, DateTrigger):
        return row
    return replace(row, trigger=encode(DateTrigger(at=row.next_run_at)))


def understood(trigger: object, gap: Gap | None = None, fold: Fold | None = None) -> Trigger:
    """One of OnCue's triggers: `trigger` itself, or what an APScheduler trigger is here.

    Raises TypeError for what is neither, and ValueError that names what is wrong.
    """
    if not is_trigger(trigger):
        return from_apscheduler(trigger, dst_gap=gap, dst_fold=fold)
    if gap is not None or fold is not None:
        raise ValueError("dst_gap and dst_fold are the trigger's own; give them where it is made")
    return trigger
