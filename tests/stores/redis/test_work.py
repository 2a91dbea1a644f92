"""How much a call makes the server do: it depends on what moves, never on what waits."""

import re
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from oncue.stores import PauseTask, PurgeWaiting, Store
from oncue.stores.clock import utc_now
from oncue.testing._store_kit import Claimer, done, ids, make_row
from tests import servers
from tests.stores.redis.kit import before, opened

pytestmark = pytest.mark.real_time

FEW, MANY = 20, 3000


def commands(server: servers.Valkey) -> int:
    """How many commands the server has run, those of scripts with them, but for ours."""
    said = server.do("INFO", "commandstats").decode()
    counted = re.findall(r"cmdstat_(\w+):calls=(\d+)", said)
    return sum(int(calls) for name, calls in counted if name not in ("info", "ping"))


async def measured(server: servers.Valkey, call: Callable[[], Awaitable[object]]) -> int:
    before = commands(server)
    await call()
    return commands(server) - before


async def fill(store: Store, waiting: int) -> None:
    """Tasks that wait: ready, of another type, delayed, and paused."""
    await store.add([make_row() for _ in range(waiting)])
    await store.add([make_row("alien", priority=20) for _ in range(waiting)])
    await store.add([make_row(delay=3600) for _ in range(waiting)])
    paused = [make_row() for _ in range(FEW)]
    await store.add(paused)
    await store.edit([PauseTask(task_id=row.task_id) for row in paused])


async def works(waiting: int) -> list[int]:
    """What each of some calls costs when so many wait."""
    mine = frozenset({"work"})
    with servers.own_valkey() as server:
        async with opened(server.url) as store:
            claimer = await Claimer.join(store)
            await fill(store, waiting)
            held = await claimer.claim(limit=5, task_types=mine)
            calls: list[Callable[[], Awaitable[object]]] = [
                lambda: store.add([make_row(scheduled_at=utc_now() + timedelta(days=1))]),
                lambda: claimer.exchange(*map(done, held), limit=5, task_types=mine),
                claimer.survey,
                lambda: store.count("default"),
                lambda: store.reconcile("node-a", claimer.incarnation, ()),
                store.queues,
            ]
            return [await measured(server, call) for call in calls]


async def test_what_a_call_costs_does_not_depend_on_what_waits() -> None:
    assert await works(FEW) == await works(MANY)


async def test_a_purge_of_many_is_done_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the server is never busy for long; and what comes meanwhile is not purged."""
    with servers.own_valkey() as server:
        async with opened(server.url) as store:
            rows = [make_row() for _ in range(10_001)]
            await store.add(rows)
            claimer = await Claimer.join(store)
            await claimer.claim(limit=1)
            late = make_row()
            before(monkeypatch, "purge", lambda: store.add([late]), skip=1)
            assert await store.purge(PurgeWaiting(queue_name="default")) == 10_000
            assert (await store.count()).live == 2
            assert ids(await claimer.claim()) == [late.task_id]
