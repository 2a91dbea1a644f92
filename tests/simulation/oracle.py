"""APScheduler's own scheduler, held by hand: its machinery without its loop and its threads.

It takes `HandSet.moment` for the time, processes its jobs whenever its loop would wake, and runs at
once what it submits. In some points, which concern no moment of any run, it is made to do as we do,
so that its stories and ours can be laid side by side; `test_differences.py` lists them.
"""

from datetime import UTC, datetime, timedelta, tzinfo
from importlib import import_module
from typing import Any, ClassVar
from unittest.mock import patch

from oncue.actors.job_events import (
    EVENT_JOB_EXECUTED,
    EVENT_JOB_MAX_INSTANCES,
    EVENT_JOB_MISSED,
)
from tests.simulation.scenarios import (
    Act,
    Add,
    Modify,
    Pause,
    Reschedule,
    Resume,
    Scenario,
    Story,
    Wait,
)

_schedulers: Any = import_module("apscheduler.schedulers.base")
_executors: Any = import_module("apscheduler.executors.base")


class HandSet(datetime):
    """`datetime`, as APScheduler's modules see it."""

    moment: ClassVar[datetime]

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Any:
        return cls.moment.astimezone(tz)


class _Scheduler(_schedulers.BaseScheduler):  # type: ignore[misc]
    def wakeup(self) -> None:
        """Whoever changes something has it process its jobs."""

    def shutdown(self, wait: bool = True) -> None:
        raise NotImplementedError


class _Executor(_executors.BaseExecutor):  # type: ignore[misc]
    """Runs at once; the instances live on for as long as a run takes."""

    def __init__(self, takes_s: dict[str, float]) -> None:
        _executors.BaseExecutor.__init__(self)
        self.takes_s = takes_s
        self.ends: list[tuple[datetime, str]] = []

    def _do_submit_job(self, job: Any, run_times: Any) -> None:
        events = _executors.run_job(job, job._jobstore_alias, run_times, self._logger.name)
        ran = sum(event.code == EVENT_JOB_EXECUTED for event in events)
        self.ends += [(HandSet.moment + timedelta(seconds=self.takes_s[job.id]), job.id)] * ran
        self._instances[job.id] += ran - 1  # each is an instance; the caller counts one
        for event in events:
            self._scheduler._dispatch_event(event)

    def release(self) -> None:
        """Forget the instances that have ended."""
        for _, job_id in [end for end in self.ends if end[0] <= HandSet.moment]:
            self._instances[job_id] -= 1
        self.ends = [end for end in self.ends if end[0] > HandSet.moment]

    def begin_anew(self) -> None:
        """What was interrupted is run again, from its beginning."""
        self.ends = [
            (HandSet.moment + timedelta(seconds=self.takes_s[job_id]), job_id)
            for _, job_id in self.ends
        ]


class Oracle:
    """Plays a scenario. Its jobs' ids are their names."""

    def __init__(self) -> None:
        self._story = Story()
        self._takes_s: dict[str, float] = {}
        self._graces_s: dict[str, int | None] = {}
        self._executor = _Executor(self._takes_s)
        self._scheduler = _Scheduler(timezone=UTC, executors={"default": self._executor})
        self._scheduler.add_listener(self._note)
        self._scheduler.start()

    @classmethod
    def play(cls, scenario: Scenario) -> Story:
        HandSet.moment = scenario.begin
        with (
            patch.object(_schedulers, "datetime", HandSet),
            patch.object(_executors, "datetime", HandSet),
        ):
            oracle = cls()
            for chapter in scenario.chapters:
                HandSet.moment += timedelta(seconds=chapter.outage_s)
                oracle._executor.begin_anew()
                oracle._process()
                for act in chapter.acts:
                    oracle._do(act)
                    oracle._process()
                    oracle._story.plans.append(oracle._plan())
        return oracle._story.in_order()

    def _do(self, act: Act) -> None:
        match act:
            case Wait(seconds=seconds):
                self._wait(HandSet.moment + timedelta(seconds=seconds))
            case Add():
                self._story.answers.append(self._add(act))
            case _:
                job = self._scheduler.get_job(act.name)
                self._story.answers.append(job is not None and self._change(act, job))

    def _wait(self, until: datetime) -> None:
        store = self._scheduler._jobstores["default"]
        while (moment := store.get_next_run_time()) is not None and moment <= until:
            HandSet.moment = moment.astimezone(UTC)
            self._process()
        HandSet.moment = until

    def _process(self) -> None:
        self._executor.release()
        self._scheduler._process_jobs()

    def _add(self, add: Add) -> bool:
        """One that never fires is kept by APScheduler, paused for ever; we refuse it."""
        self._takes_s[add.name], self._graces_s[add.name] = add.takes_s, add.grace_s
        job = self._scheduler.add_job(
            lambda: None,
            add.trigger,
            id=add.name,
            misfire_grace_time=add.grace_s,
            coalesce=add.coalesce,
            max_instances=add.instances_max,
        )
        if job.next_run_time is None:
            job.remove()
            return False
        return True

    def _change(self, change: Pause | Resume | Reschedule | Modify, job: Any) -> bool:
        is_paused = job.next_run_time is None
        match change:
            case Pause():
                job.pause()
                return not is_paused
            case Resume():
                if is_paused:
                    job.resume()
                return is_paused
            case Reschedule(trigger=trigger):
                if trigger.get_next_fire_time(None, HandSet.moment) is None:
                    return False  # APScheduler pauses the job; we refuse
                job.reschedule(trigger)
                if is_paused:  # APScheduler resumes it; with us it stays paused
                    job.pause()
                return True
            case Modify(changes=changes):
                job.modify(**changes)
                self._graces_s[job.id] = job.misfire_grace_time
                return True

    def _plan(self) -> dict[str, datetime | None]:
        times = {job.id: job.next_run_time for job in self._scheduler.get_jobs()}
        return {name: time and time.astimezone(UTC) for name, time in times.items()}

    def _note(self, event: Any) -> None:
        story, name = self._story, getattr(event, "job_id", "")
        if event.code == EVENT_JOB_EXECUTED:
            story.fired.append((name, event.scheduled_run_time.astimezone(UTC)))
        elif event.code == EVENT_JOB_MISSED:
            story.missed.append((name, event.scheduled_run_time.astimezone(UTC)))
        elif event.code == EVENT_JOB_MAX_INSTANCES:
            grace_s = self._graces_s[name]
            for moment in event.scheduled_run_times:
                late_s = (HandSet.moment - moment).total_seconds()
                passed = story.skipped if grace_s is None or late_s <= grace_s else story.missed
                passed.append((name, moment.astimezone(UTC)))
