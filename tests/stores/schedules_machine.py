"""Any history of schedules, of their runs, and of tasks revised by hand, beside all the rest."""

from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule

from oncue.stores import (
    AddSchedule,
    Fire,
    Fired,
    InstancesFull,
    Overtaken,
    RemoveSchedule,
    ReplaceSchedule,
    ReviseTask,
    ScheduleRow,
)
from oncue.testing._suite_schedules import make_run, make_schedule
from tests.stores.machine import StoreMachine, picks, queues

JOBS = [UUID(int=number) for number in range(4)]  # few, so that they are removed and come back
jobs = st.sampled_from(JOBS)
moments = st.sampled_from([None, -1, 0, 2, 9])


@dataclass
class Planned:
    """What the model knows of one schedule."""

    row: ScheduleRow
    version: int


class SchedulesMachine(StoreMachine):
    """Schedules that are planned, replaced, removed, and fired by those who may be late."""

    def __init__(self) -> None:
        super().__init__()
        self.planned: dict[UUID, Planned] = {}
        self.versions: dict[UUID, list[int]] = {job_id: [-1] for job_id in JOBS}

    def row(self, job_id: UUID, in_s: float | None) -> ScheduleRow:
        now = self.clock.now()
        next_run_at = None if in_s is None else now + timedelta(seconds=in_s)
        return replace(make_schedule(job_id), next_run_at=next_run_at)

    def live(self, job_id: UUID) -> int:
        return sum(
            told.row.job_id == job_id for told in self.select("waiting", "paused", "running")
        )

    @rule(job_id=jobs, in_s=moments)
    def plan(self, job_id: UUID, in_s: float | None) -> None:
        row = self.row(job_id, in_s)
        assert self.do(self.store.plan([AddSchedule(row=row)])) == [job_id not in self.planned]
        if job_id not in self.planned:
            [view] = self.do(self.store.schedules([job_id]))
            assert view.version > max(self.versions[job_id])
            self.versions[job_id].append(view.version)
            self.planned[job_id] = Planned(row, view.version)

    @rule(job_id=jobs, in_s=moments, late=picks)
    def replan(self, job_id: UUID, in_s: float | None, late: int) -> None:
        version, applies = self.some_version(job_id, late)
        change = ReplaceSchedule(row=self.row(job_id, in_s), version=version)
        assert self.do(self.store.plan([change])) == [applies]
        if applies:
            self.move_on(job_id, change.row)

    @rule(job_id=jobs)
    def remove(self, job_id: UUID) -> None:
        applied = self.do(self.store.plan([RemoveSchedule(job_id=job_id)]))
        assert applied == [self.planned.pop(job_id, None) is not None]

    @rule(
        fires=st.lists(
            st.tuples(jobs, picks, moments, st.integers(0, 2), st.sampled_from([None, 1, 2])),
            max_size=4,
        ),
        queue=queues,
        key=st.sampled_from([None, None, "k1"]),
    )
    def fire(
        self,
        fires: list[tuple[UUID, int, float | None, int, int | None]],
        queue: str,
        key: str | None,
    ) -> None:
        asked: list[tuple[Fire, bool]] = []
        for job_id, late, in_s, runs, limit in fires:
            version, applies = self.some_version(job_id, late)
            row = self.row(job_id, in_s)
            rows = [
                make_run(job_id, queue_name=queue, task_type="x", unique_key=key)
                for _ in range(runs)
            ]
            fire = Fire(
                job_id=job_id,
                version=version,
                next_run_at=row.next_run_at,
                rows=rows,
                instances_max=limit,
            )
            asked.append((fire, applies))
            if applies and row.next_run_at is None:
                del self.planned[job_id]
            elif applies:
                self.move_on(job_id, replace(self.planned[job_id].row, next_run_at=row.next_run_at))
        outcomes = self.do(self.store.fire([fire for fire, _ in asked]))
        for (fire, applies), outcome in zip(asked, outcomes, strict=True):
            live, limit = self.live(fire.job_id), fire.instances_max
            if not applies:
                assert outcome == Overtaken()
            elif fire.rows and limit is not None and live >= limit:
                assert outcome == InstancesFull(live=live)
            else:
                assert isinstance(outcome, Fired)
                self.take(fire.rows, outcome.outcomes, self.clock.now())

    def some_version(self, job_id: UUID, late: int) -> tuple[int, bool]:
        """The schedule's version, or now and then an older one; and whether it is its version."""
        versions = self.versions[job_id]
        version = versions[-1] if late % 3 else versions[late % len(versions)]
        now = self.planned.get(job_id)
        return version, now is not None and now.version == version

    def move_on(self, job_id: UUID, row: ScheduleRow) -> None:
        planned = self.planned[job_id]
        planned.row = row
        planned.version += 1
        self.versions[job_id].append(planned.version)

    @rule(
        number=picks,
        queue=st.none() | queues,
        payload=st.sampled_from([None, b"{}", b'{"a":1}']),
        priority=st.sampled_from([None, 1, 20]),
        in_s=moments,
    )
    def revise(
        self,
        number: int,
        queue: str | None,
        payload: bytes | None,
        priority: int | None,
        in_s: float | None,
    ) -> None:
        told = self.pick(number, "waiting", "paused", "running")
        if told is None:
            return
        now = self.clock.now()
        run_at = None if in_s is None else now + timedelta(seconds=in_s)
        change = ReviseTask(
            task_id=told.row.task_id,
            queue_name=queue,
            payload=payload,
            priority=priority,
            run_at=run_at,
        )
        row = replace(
            told.row,
            queue_name=queue or told.row.queue_name,
            payload=payload or told.row.payload,
            priority=priority or told.row.priority,
        )
        is_free = self.key_holder(row) in (None, row.task_id)
        applies = told.place != "running" and is_free
        [edited] = self.do(self.store.edit([change]))
        assert edited.count == applies
        if applies:
            told.row = row
            told.run_at = told.run_at if run_at is None else max(run_at, now)

    @invariant()
    def schedules_are_what_they_were_made(self) -> None:
        views = {view.row.job_id: view for view in self.do(self.store.schedules())}
        assert views.keys() == self.planned.keys()
        for job_id, planned in self.planned.items():
            view = views[job_id]
            assert (view.row, view.version) == (planned.row, planned.version)
        due = self.do(self.store.due(100))
        times = {
            job_id: planned.row.next_run_at
            for job_id, planned in self.planned.items()
            if planned.row.next_run_at is not None
        }
        now = self.clock.now()
        expected = sorted((at, job_id) for job_id, at in times.items() if at <= now)
        assert [(view.row.next_run_at, view.row.job_id) for view in due.schedules] == expected
        later = [(at - now).total_seconds() for at in times.values() if at > now]
        assert due.next_due_s == min(later, default=None)
