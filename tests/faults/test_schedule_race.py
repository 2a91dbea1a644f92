"""Six processes fire the same schedules; their clocks lie, they are killed, somebody meddles.

What is fired is what was to be, each occurrence once. The seed is in the test's name and decides
who dies where; the rest is up to the machine.
"""

import signal
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Final
from uuid import UUID

import anyio
import pytest

from oncue.stores import AddSchedule, ReplaceSchedule, ScheduleView
from tests.faults.cluster import until
from tests.faults.conftest import SharedStore
from tests.faults.firing import SETTINGS, Death, Firing, Orders
from tests.faults.nights import Planned, complaints, every, has_random_ids, kept, night

PROCESSES: Final = 6
PLACES: Final = range(2, 7)
"""Statements of a fire before which a process dies: from the one after the lock to the last."""
MIXED: Final = ("asyncio", "trio")
PATIENCE_S: Final = 10.0
TICK: Final = timedelta(seconds=0.2)

pytestmark = [pytest.mark.slow, pytest.mark.real_time, pytest.mark.watchdog(120)]


class Race:
    """The processes, who kills them, and what they are to fire."""

    def __init__(self, shared: SharedStore, folder: Path, seed: int) -> None:
        self.random = Random(seed)
        self.shared = shared
        self.store = shared.store()
        self.folder = folder
        self.deaths = self._plan_deaths()
        self.started = 0
        self.doomed: list[Firing] = []
        self.others: list[Firing] = []
        self.planned: dict[UUID, Planned] = {}
        self.meddled = 0

    def _plan_deaths(self) -> list[Death | None]:
        """In each place of a fire, at commits, and (None) from outside."""
        in_fires = [Death(at="fire", number=place) for place in PLACES for _ in range(2)]
        at_commits = [
            Death(at=at, number=self.random.randint(3, 40))
            for at in ("before", "after")
            for _ in range(2)
        ]
        deaths = [*in_fires, *at_commits, *[None] * 6]
        self.random.shuffle(deaths)
        return deaths

    # --- processes ---------------------------------------------------------------------------

    def start(self) -> None:
        """The next process, with the next death that is to be died; after the last, to stay."""
        name = f"process-{self.started}"
        death = self.deaths.pop() if self.deaths else None
        orders = Orders(
            name=name,
            store=self.shared,
            log=self.folder / f"{name}.log",
            backend=MIXED[self.started % 2],
            seed=self.random.getrandbits(32),
            death=death,
        )
        self.started += 1
        (self.doomed if death else self.others).append(Firing(orders))

    def replace_the_dead(self) -> None:
        for process in [each for each in self.doomed if each.exitcode is not None]:
            self.doomed.remove(process)
            assert process.exitcode == -signal.SIGKILL, process.said
            self.start()

    def kill_one(self) -> None:
        victim = self.random.choice(self.others)
        assert victim.exitcode is None, victim.said
        self.others.remove(victim)
        victim.kill()
        self.start()

    async def stop(self) -> None:
        """All of them, in an orderly way; no actor of theirs may have been restarted."""
        await until(lambda: all("up\n" in each.said for each in self.others))
        for process in self.others:
            process.terminate()
        await until(lambda: all(each.exitcode is not None for each in self.others))
        for process in self.others:
            assert process.exitcode == 0, process.said

    # --- schedules ---------------------------------------------------------------------------

    async def supply(self) -> None:
        """Where little is left to fire, a night to catch up with, and what becomes due soon."""
        views = await self.store.schedules()
        for view in views:
            if self.random.random() < 0.2:
                await self.meddle(view)
        if len(views) < 2 * PROCESSES:
            start = (await self.store.due(0)).now + TICK
            planned = night(self.random)
            planned.append(every(self.random, TICK, start=start, end=start + 5 * TICK))
            self.planned.update((each.row.job_id, each) for each in planned)
            await self.store.plan([AddSchedule(row=each.row) for each in planned])

    async def meddle(self, view: ScheduleView) -> None:
        """Rename a schedule that is being fired; or, where ids allow it, have it begin anew."""
        row = replace(view.row, name="renamed")
        if not has_random_ids(row.job_id):
            row = replace(row, next_run_at=min(self.planned[row.job_id].moments))
        change = ReplaceSchedule(row=row, version=view.version)
        self.meddled += sum(await self.store.plan([change]))

    async def all_ended(self) -> None:
        with anyio.fail_after(60):
            while await self.store.schedules(limit=1):  # noqa: ASYNC110 - by other processes
                await anyio.sleep(0.05)


@pytest.fixture
async def race(shared_store: SharedStore, tmp_path: Path, seed: int) -> AsyncIterator[Race]:
    if shared_store.url.startswith("mongodb"):
        pytest.skip("MongoDB keeps the transaction of a process that was killed for a minute")
    race = Race(shared_store, tmp_path, seed)
    await race.store.open()
    try:
        yield race
    finally:
        for process in [*race.doomed, *race.others]:
            process.kill()
        await race.store.close()


@pytest.mark.long
@pytest.mark.parametrize("seed", [1])
async def test_whatever_races_and_dies_each_occurrence_is_fired_once(race: Race) -> None:
    """D3.1."""
    began = (await race.store.due(0)).now
    for _ in range(PROCESSES):
        race.start()
    while race.deaths or race.doomed or not race.meddled:  # who meddles may lose each time
        await race.supply()
        await anyio.sleep(race.random.uniform(0, 0.2))
        race.replace_the_dead()
        if race.others and race.deaths and race.random.random() < 0.5:
            race.kill_one()
    await race.all_ended()
    await race.stop()
    ended = (await race.store.due(0)).now

    assert await complaints(race.planned.values(), race.store) == {}
    runs, results = await kept(race.store)
    # SQLite's clock is whoever's asks; another is its server's, and nobody's lies count.
    if not race.shared.url.startswith("sqlite"):
        assert [run for run in runs if not began <= run.created_at <= ended] == []
    # Or there was no race, or nothing was worked meanwhile.
    assert len(race.planned) > 2 * PROCESSES
    assert results


@pytest.mark.parametrize("shared_store", ["postgresql", "mysql"], indirect=True)
async def test_who_freezes_in_a_fire_holds_up_no_other_schedule(
    shared_store: SharedStore, tmp_path: Path
) -> None:
    """D3.1. SQLite is held up by whoever writes. What is frozen itself goes on when it thaws."""
    random = Random(1)
    frozen, other = night(random)[:2]
    store = shared_store.store()
    await store.open()
    await store.plan([AddSchedule(row=frozen.row)])
    orders = Orders(
        name="frozen",
        store=shared_store,
        log=tmp_path / "frozen.log",
        backend="asyncio",
        seed=1,
        death=Death(at="fire", number=PLACES[-2], is_feigned=True),
    )
    process = Firing(orders)
    try:
        await until(lambda: "here\n" in process.said)
        await store.plan([AddSchedule(row=other.row)])
        async with shared_store.queue(cluster_id="other", **SETTINGS):
            with anyio.fail_after(PATIENCE_S):
                while await store.schedules([other.row.job_id]):  # noqa: ASYNC110 - by the queue
                    await anyio.sleep(0.02)
            assert [view.row for view in await store.schedules()] == [frozen.row]
            process.thaw()
            with anyio.fail_after(PATIENCE_S):
                while await store.schedules():  # noqa: ASYNC110 - by either
                    await anyio.sleep(0.02)
        assert await complaints([frozen, other], store) == {}
    finally:
        process.kill()
        await store.close()
