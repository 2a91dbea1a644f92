"""Six processes fire the same schedules; their clocks lie, they are killed, somebody meddles.

What is fired is what was to be, each occurrence once. The seed is in the test's name and decides
who dies where; the rest is up to the machine.
"""

import signal
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path
from random import Random
from typing import Any, Final, NamedTuple
from uuid import UUID

import anyio
import pytest

from oncue.actors.schedules import occurrence_id
from oncue.stores import AddSchedule, ReplaceSchedule
from oncue.stores._moments import moment_at
from oncue.stores.sql import SqlStore
from oncue.stores.sql._rows import uuid_of
from tests.faults.cluster import until
from tests.faults.conftest import SharedStore
from tests.faults.firing import Death, Orders, fire
from tests.faults.nights import Planned, every, has_random_ids, night
from tests.stores.sql.kit import database_of

PROCESSES: Final = 6
PLACES: Final = range(2, 8)
"""Statements of a fire before which a process dies: from the one after the lock to the last."""
MIXED: Final = ("asyncio", "trio")
SETTINGS: Final = {
    "enable_clustering": True,
    # Clocks of SQLite's processes are up to 800 s apart: that is not to be taken for a death.
    "cluster_heartbeat_interval": 300.0,
    "poll_interval": 0.1,
    "max_workers": 4,
    "sqlite_synchronous": "NORMAL",
}

pytestmark = [pytest.mark.slow, pytest.mark.real_time]


class Run(NamedTuple):
    """A task that was fired."""

    task_id: UUID
    job_id: UUID
    scheduled_at: datetime
    created_at: datetime

    @property
    def occurrence(self) -> tuple[UUID, datetime]:
        return self.job_id, self.scheduled_at


class Race:
    """The processes, who kills them, and what they are to fire."""

    def __init__(self, store: SharedStore, folder: Path, seed: int) -> None:
        self.random = Random(seed)
        self.shared = store
        self.store = SqlStore(
            store.url, table_name=store.settings.get("sqlalchemy_tablename", "apscheduler_jobs")
        )
        self.folder = folder
        self.started = 0
        self.doomed: list[BaseProcess] = []
        self.others: list[BaseProcess] = []
        self.planned: dict[UUID, Planned] = {}
        self.meddled = 0
        self._spawn = get_context("forkserver")
        # So that a process costs milliseconds; without it, they would only be slower to start.
        self._spawn.set_forkserver_preload(["pytest", "trio", "psycopg", "tests.faults.firing"])
        self.deaths = self._plan_deaths()

    def _plan_deaths(self) -> list[Death | None]:
        """In each place of a fire, at commits, and (None) from outside."""
        random = self.random
        deaths: list[Death | None] = [("fire", place) for place in PLACES for _ in range(2)]
        deaths += [("before", random.randint(3, 40)) for _ in range(3)]
        deaths += [("after", random.randint(3, 40)) for _ in range(3)]
        deaths += [None] * 6
        random.shuffle(deaths)
        return deaths

    @property
    def clocks_lie(self) -> bool:
        """Whether the store's clock is whoever's asks."""
        return self.shared.url.startswith("sqlite")

    # --- processes ---------------------------------------------------------------------------

    def start(self) -> None:
        """The next process, with the next death that is to be died; without any, to stay."""
        name = f"process-{self.started}"
        death = self.deaths.pop() if self.deaths else None
        orders = Orders(
            url=self.shared.url,
            log=self.folder / f"{name}.log",
            backend=MIXED[self.started % 2],
            seed=self.random.getrandbits(32),
            settings={**SETTINGS, **self.shared.settings, "cluster_id": name},
            death=death,
        )
        process = self._spawn.Process(target=fire, args=(orders,), name=name, daemon=True)
        process.start()
        self.started += 1
        (self.others if death is None else self.doomed).append(process)

    def replace_the_dead(self) -> None:
        for process in [each for each in self.doomed if not each.is_alive()]:
            self.doomed.remove(process)
            assert process.exitcode == -signal.SIGKILL, self.said(process)
            self.start()

    def kill_one(self) -> None:
        victim = self.random.choice(self.others)
        self.others.remove(victim)
        assert victim.is_alive(), self.said(victim)
        victim.kill()
        victim.join()
        self.start()

    def said(self, process: BaseProcess) -> str:
        return (self.folder / f"{process.name}.log").read_text()

    async def stop(self) -> None:
        """All of them, in an orderly way; no actor of theirs may have been restarted."""
        for process in self.others:
            process.terminate()
        for process in self.others:
            await until(lambda process=process: not process.is_alive())
            assert process.exitcode == 0, self.said(process)

    # --- schedules ---------------------------------------------------------------------------

    async def add(self) -> None:
        """A night to be caught up with, and what becomes due while they look."""
        start = (await self.store.due(0)).now + timedelta(seconds=0.2)
        tick = timedelta(seconds=0.2)
        live = every(self.random, tick, start=start, end=start + 5 * tick)
        planned = [*night(self.random), live]
        self.planned.update((each.row.job_id, each) for each in planned)
        await self.store.plan([AddSchedule(row=each.row) for each in planned])

    async def meddle(self) -> None:
        """Rename a schedule that is fired meanwhile, or have it begin anew where ids allow it."""
        for view in await self.store.schedules():
            row = view.row
            changed = (
                replace(row, name="renamed")
                if has_random_ids(row.job_id)
                else replace(row, next_run_at=min(self.planned[row.job_id].moments))
            )
            change = ReplaceSchedule(row=changed, version=view.version)
            if self.random.random() < 0.2:
                self.meddled += sum(await self.store.plan([change]))

    def live(self) -> list[Run]:
        """The tasks that are not over, and the dead letters."""
        columns = "task_id, job_id, scheduled_us, created_us"
        return [
            Run(uuid_of(task_id), uuid_of(job_id), moment_at(scheduled), moment_at(created))
            for table in ("live", "dead")
            for task_id, job_id, scheduled, created in self._rows(
                f"SELECT {columns} FROM {{{table}}}"
            )
        ]

    def results(self) -> list[UUID]:
        return [uuid_of(task_id) for (task_id,) in self._rows("SELECT task_id FROM {results}")]

    def _rows(self, template: str) -> Sequence[Any]:
        return database_of(self.store).look("look", lambda tx: tx.rows(template))

    async def all_ended(self) -> None:
        with anyio.fail_after(30):
            while await self.store.schedules(limit=1):
                await anyio.sleep(0.05)


@pytest.fixture
async def race(shared_store: SharedStore, tmp_path: Path, seed: int) -> AsyncIterator[Race]:
    race = Race(shared_store, tmp_path, seed)
    await race.store.open()
    try:
        yield race
    finally:
        for process in [*race.doomed, *race.others]:
            process.kill()
            process.join()
        await race.store.close()


@pytest.mark.parametrize("seed", [1])
async def test_whatever_races_and_dies_each_occurrence_is_fired_once(race: Race) -> None:
    """D3.1."""
    began = (await race.store.due(0)).now
    for _ in range(PROCESSES):
        race.start()
    while race.deaths or race.doomed:
        await race.add()
        await anyio.sleep(race.random.uniform(0, 0.3))
        await race.meddle()
        race.replace_the_dead()
        if race.others and race.deaths:
            race.kill_one()
    await race.all_ended()
    await race.stop()
    ended = (await race.store.due(0)).now

    expected = {
        (each.row.job_id, moment) for each in race.planned.values() for moment in each.moments
    }
    live, results = race.live(), race.results()
    ids = {occurrence_id(*each): each for each in expected if not has_random_ids(each[0])}
    fired = Counter([each.occurrence for each in live] + [ids[task_id] for task_id in results])
    assert expected - fired.keys() == set()
    assert fired.keys() - expected == set()
    assert [each for each, times in fired.items() if times > 1] == []
    for each in live:
        assert has_random_ids(each.job_id) or each.task_id == occurrence_id(*each.occurrence)
        assert each.scheduled_at <= each.created_at  # by the clock that is the store's
        assert began <= each.created_at <= ended or race.clocks_lie
    assert results  # or nothing was worked meanwhile
    assert race.meddled
