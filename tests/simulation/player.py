"""A queue of ours plays a scenario, in virtual time."""

from datetime import datetime
from typing import Any, Final
from uuid import UUID

import anyio

from oncue import TaskData
from oncue.actors.job_events import EVENT_JOB_MAX_INSTANCES, EVENT_JOB_MISSED
from oncue.testing import Backend, VirtualClock, run
from tests.simulation.kit import long_queue
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

SOON_S: Final = 0.01
"""What the queue needs to take in a change; nothing else is due meanwhile."""
WORKERS: Final = 120
"""More than any scenario has in hand at once."""


class Player:
    """A run is noted when it begins, by what its task says it is for."""

    def __init__(self, clock: VirtualClock) -> None:
        self._story = Story()
        self._ids: dict[str, UUID] = {}
        self._names: dict[UUID, str] = {}
        self._takes_s: dict[str, float] = {}
        self._begun: dict[tuple[str, datetime], UUID] = {}
        self._queue = long_queue(clock, max_workers=WORKERS, shutdown_grace=0)
        self._queue.register_handler("run", self._run)
        self._queue.add_listener(self._note, EVENT_JOB_MISSED | EVENT_JOB_MAX_INSTANCES)

    @classmethod
    def play(cls, scenario: Scenario, backend: Backend) -> Story:
        clock = VirtualClock(scenario.begin)

        async def main() -> Story:
            return await cls(clock)._play(scenario)

        return run(main, backend=backend, clock=clock)

    async def _play(self, scenario: Scenario) -> Story:
        now_s = 0.0
        for chapter in scenario.chapters:
            now_s += chapter.outage_s
            await anyio.sleep_until(now_s)
            async with self._queue:
                await anyio.sleep(SOON_S)
                for act in chapter.acts:
                    if isinstance(act, Wait):
                        now_s += act.seconds
                        await anyio.sleep_until(now_s)
                    else:
                        self._story.answers.append(await self._do(act))
                        await anyio.sleep(SOON_S)
                    self._story.plans.append(await self._plan())
        return self._story.in_order()

    async def _do(self, act: Act) -> bool:
        queue = self._queue
        match act:
            case Add():
                return await self._add(act)
            case Pause(name=name):
                return await queue.pause_job(self._ids[name])
            case Resume(name=name):
                return await queue.resume_job(self._ids[name])
            case Reschedule(name=name, trigger=trigger):
                try:
                    return await queue.reschedule_job(self._ids[name], trigger)
                except ValueError:  # it never fires
                    return False
            case Modify(name=name, changes=changes):
                return await queue.modify_job(self._ids[name], **changes)
            case Wait():
                raise AssertionError("is no change")

    async def _add(self, add: Add) -> bool:
        task = TaskData(task_type="run", timeout=None)
        self._ids[add.name], self._names[task.task_id] = task.task_id, add.name
        self._takes_s[add.name] = add.takes_s
        try:
            await self._queue.add_job(
                task,
                add.trigger,
                misfire_grace_time=add.grace_s,
                coalesce=add.coalesce,
                max_instances=add.instances_max,
            )
        except ValueError:  # it never fires
            return False
        return True

    async def _plan(self) -> dict[str, datetime | None]:
        return {self._names[job.id]: job.next_run_time for job in await self._queue.get_schedules()}

    async def _run(self, task: TaskData) -> None:
        assert task.job_id is not None
        assert task.scheduled_at is not None
        run = self._names[task.job_id], task.scheduled_at
        if self._begun.get(run) != task.task_id:  # else it was interrupted, and begins anew
            self._begun[run] = task.task_id
            self._story.fired.append(run)
        await anyio.sleep(self._takes_s[run[0]])

    async def _note(self, event: Any) -> None:
        name = self._names[UUID(event.job_id)]
        if event.code == EVENT_JOB_MISSED:
            self._story.missed.append((name, event.scheduled_run_time))
        else:
            self._story.skipped += [(name, moment) for moment in event.scheduled_run_times]
