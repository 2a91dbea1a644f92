"""The Nth statement fails, the Nth commit fails, the Nth commit's answer is lost: of a scheduler.

As in `test_store_faults`, N = 1, 2, ... until a whole run meets no fault. In each, what was to run
is enqueued, once, and nobody restarts.
"""

from collections.abc import AsyncIterator
from datetime import timedelta
from itertools import count
from random import Random
from typing import Final

import anyio
import pytest

from oncue.actors import scheduler
from oncue.actors.schedules import template_of
from oncue.actors.triggers import decode
from oncue.runtime import ActorSystem, SupervisorSpec
from oncue.stores import AddSchedule
from tests.faults.conftest import AnyStore, SharedStore
from tests.faults.nights import MANY, Planned, complaints, night, once
from tests.faults.places import At, Faults, persistently, planted

POLL_S: Final = 60.0
PATIENCE_S: Final = 20.0
"""Nothing here may wait for a poll."""
AHEAD: Final = timedelta(seconds=0.1)
"""That the scheduler has to wait for what is added."""
OF_SCHEDULES: Final = ("due", "fire", "plan")
"""The calls of the store that are the scheduler's, or those that plan."""

pytestmark = [pytest.mark.slow, pytest.mark.real_time, pytest.mark.watchdog(180)]


class Runs:
    """Runs of a scheduler, one after the other on one store, and all that was planned in them."""

    def __init__(self, shared: SharedStore, store: AnyStore) -> None:
        self.shared = shared
        self.store = store
        self.random = Random(1)
        self.planned: list[Planned] = []

    async def one(self, faults: Faults, monkeypatch: pytest.MonkeyPatch) -> None:
        """Three schedules of a night that has been, and one that is added meanwhile."""
        past = night(self.random)[2:5]
        soon = once(self.random, (await self.store.due(0)).now + AHEAD)
        self.planned += [*past, soon]
        await self.store.plan([AddSchedule(row=each.row) for each in past])
        queue = self.shared.queue(poll_interval=POLL_S)

        async def add() -> None:
            """As does who knows the id and does not give up; it may have been added, and fired."""
            await queue.add_job(
                template_of(soon.row),
                decode(soon.row.trigger),
                misfire_grace_time=None,
                coalesce=False,
                max_instances=MANY,
                replace_existing=True,
            )

        spec = SupervisorSpec("app", children=[queue.child_spec()])
        async with ActorSystem(spec) as system:
            with planted(faults, monkeypatch, during=OF_SCHEDULES):
                with anyio.fail_after(PATIENCE_S):
                    await persistently(add)
                    while await queue.get_schedules():  # noqa: ASYNC110 - by the scheduler
                        await anyio.sleep(0.02)
            restarted = [node.path for node in system.tree().walk() if node.restarts]
        assert (await complaints(self.planned, self.store), restarted) == ({}, [])


@pytest.fixture
async def runs(shared_store: SharedStore, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Runs]:
    monkeypatch.setattr(scheduler, "RECONNECT_S", 0.05)
    monkeypatch.setattr(scheduler, "RUNS_MAX", 2)  # so that a night takes several fires
    store = shared_store.store()
    await store.open()
    yield Runs(shared_store, store)
    await store.close()


@pytest.mark.parametrize("at", list(At), ids=lambda at: at.name.lower())
async def test_one_fault_wherever_it_strikes_neither_loses_nor_doubles_a_run(
    runs: Runs, monkeypatch: pytest.MonkeyPatch, at: At
) -> None:
    """D3.1, D1.7."""
    for number in count(1):
        faults = Faults(at, number)
        try:
            await runs.one(faults, monkeypatch)
        except BaseException as error:
            error.add_note(f"{at.value}: number {number}")
            raise
        if not faults.struck:
            assert number > 5, "it was planted where nothing happens"
            return
