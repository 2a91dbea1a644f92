"""Kill the scheduler, again and again, and fail its calls: each run is made, and made once.

It has no state of its own: the store has the schedules, and fires each with its runs in one
transaction. So it does not matter where it dies: before, within or after one.
"""

from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from random import Random

import anyio
import pytest

from oncue import TaskData
from oncue.runtime import ActorSystem, SeededEntropy, SupervisorSpec
from oncue.stores import CallableStoreClock, MemoryStore, Store
from oncue.stores.sql import SqlStore
from oncue.testing import VirtualClock
from tests.flow.cluster import Link, NodeQueue

KILLS = 100
APART_S = 1.7
"""Three in five seconds is what a supervisor forgives."""
EVERY_S = (1, 3, 7, 60)
"""How often the jobs run."""


class Killer:
    """Kills the scheduler while the store works for it, and fails calls or loses their answers."""

    def __init__(self, link: Link, system: ActorSystem, seed: int) -> None:
        self.kills: Counter[str] = Counter()
        self.failures: Counter[str] = Counter()
        self._random = Random(seed)
        self._link = link
        self._system = system
        self._killed_at_s = 0.0
        link.before = lambda call: self._strike("before", call)
        link.after = lambda call, answer: self._strike("after", call)

    async def _strike(self, when: str, call: str) -> None:
        if call not in ("due", "fire") or self.kills.total() == KILLS:
            return
        if self._random.random() < 0.2:
            await anyio.sleep(self._random.random())  # what is due meanwhile is late
        if anyio.current_time() - self._killed_at_s >= APART_S and self._random.random() < 0.6:
            self._killed_at_s = anyio.current_time()
            self.kills[f"{when} {call}"] += 1
            self._system.kill(self._system.lookup("app/apscheduler/scheduler"))
            await anyio.sleep(0.01)  # it is dead before it has its answer
        if self._random.random() < 0.05:
            self.failures[f"{when} {call}"] += 1
            raise self._link.trouble(call)


@asynccontextmanager
async def opened(kind: str, clock: VirtualClock, folder: Path) -> AsyncGenerator[Store]:
    """A store that a link does not close."""
    now = CallableStoreClock(clock.now)
    store: Store = (
        MemoryStore(clock=now)
        if kind == "memory"
        else SqlStore(f"sqlite:///{folder}/jobs.db", clock=now, hold=clock.hold)
    )
    await store.open()
    try:
        yield store
    finally:
        await store.close()


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("kind", ["memory", "sqlite"])
async def test_a_scheduler_that_is_killed_in_a_loop_misses_nothing_and_doubles_nothing(
    kind: str, seed: int, clock: VirtualClock, tmp_path: Path
) -> None:
    ran: list[tuple[str, datetime | None]] = []

    async def note(task: TaskData) -> None:
        ran.append((task.payload["every"], task.scheduled_at))

    begin = clock.now()
    async with opened(kind, clock, tmp_path) as store:
        link = Link(store)
        queue = NodeQueue(
            link, clock, seed, misfire_grace_time=None, coalesce=False, max_instances=1000
        )
        queue.register_handler("note", note)
        spec = SupervisorSpec("app", children=[queue.child_spec()])
        async with ActorSystem(spec, clock=clock, entropy=SeededEntropy(seed)) as system:
            for every_s in EVERY_S:
                await queue.add_interval_job(
                    "note", seconds=every_s, start_date=begin, payload={"every": every_s}
                )
            killer = Killer(link, system, seed)
            with anyio.fail_after(3600):
                while killer.kills.total() < KILLS:  # noqa: ASYNC110 - virtual
                    await anyio.sleep(1)
            await anyio.sleep(5.5)  # to catch up in peace
            end = clock.now()
    expected = [
        (every_s, begin + n * timedelta(seconds=every_s))
        for every_s in EVERY_S
        for n in range((end - begin) // timedelta(seconds=every_s) + 1)
    ]
    assert Counter(ran) == Counter(expected)
    everywhere = {"before due", "after due", "before fire", "after fire"}
    assert set(killer.kills) == set(killer.failures) == everywhere
