"""Any history of calls and of nodes: each store against the model of `machine.py`."""

from collections.abc import Callable, Coroutine
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar, TypeVar

import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import rule, run_state_machine_as_test
from oncue_lmdb import LmdbStore

from oncue.stores import Beat, Pulse, Reconciled, Store, incarnation_of
from oncue.stores.mongo import MongoStore
from oncue.stores.redis import RedisStore
from oncue.stores.sql import SqlStore
from oncue.testing._store_kit import START, TurnedClock
from tests import servers
from tests.stores.machine import nodes, picks
from tests.stores.schedules_machine import SchedulesMachine
from tests.stores.sql.kit import KINDS, Kind, place

T = TypeVar("T")


class NodesMachine(SchedulesMachine):
    """Nodes that crash, fall silent, forget what they hold, and rescue each other's tasks."""

    @rule(node=nodes)
    def crash_of_a_pool(self, node: str) -> None:
        held = [told for told in self.select("running") if told.node == node]
        self.restart(node)
        for told in held:
            self.lose(told)

    @rule(node=nodes)
    def crash_of_a_node(self, node: str) -> None:
        for told in self.select("running"):
            if told.node == node:
                told.lost = True
        self.restart(node, restarted=False)

    @rule(node=nodes)
    def beat(self, node: str) -> None:
        [pulse] = self.do(
            self.store.heartbeat([Beat(node=node, incarnation=self.incarnation[node])])
        )
        assert pulse is (Pulse.ALIVE if self.is_alive(node) else Pulse.LOST)
        if pulse is Pulse.ALIVE:
            self.beat_at[node] = self.clock.now()

    @rule(node=nodes, limit=st.integers(0, 3))
    def rescue(self, node: str, limit: int) -> None:
        lost = [
            told for told in self.select("running") if told.lost or not self.is_alive(told.node)
        ]
        rescued = self.do(self.store.rescue(node, self.next_lease[node], limit))
        assert len(rescued) == (min(limit, len(lost)) if self.is_alive(node) else 0)
        for task in rescued:
            told = self.told[task.row.task_id]
            assert told in lost
            self.stale.append((told.row.task_id, told.lease))
            told.node, told.lease, told.lost = node, task.lease, False
            assert told.lease not in self.leases
            self.leases.add(told.lease)
            self.next_lease[node] += 1

    @rule(node=nodes, forgotten=picks)
    def reconcile(self, node: str, forgotten: int) -> None:
        incarnation = self.incarnation[node]
        mine = [
            told
            for told in self.select("running")
            if told.node == node and incarnation_of(told.lease) == incarnation
        ]
        orphans = [told for number, told in enumerate(mine) if forgotten >> number & 1]
        held = {told.lease for told in mine if told not in orphans} | {0}
        answer = self.do(self.store.reconcile(node, incarnation, held))
        assert answer == Reconciled(void=frozenset({0}), returned=len(orphans))
        for told in orphans:
            self.lose(told)


TestMemoryMachine = NodesMachine.TestCase
TestMemoryMachine.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


# --- stores whose calls wait ----------------------------------------------------------------


class WaitingMachine(NodesMachine):
    """A loop runs its calls."""

    portal: ClassVar[BlockingPortal]

    def do(self, call: Coroutine[Any, Any, T]) -> T:
        result: T = self.portal.call(lambda: call)
        return result

    def teardown(self) -> None:
        self.do(self.store.close())


class RedisMachine(WaitingMachine):
    """Each history has keys of its own."""

    def make_store(self) -> Store:
        return RedisStore(servers.redis_url(), clock=self.clock, jobs_key=servers.redis_name())


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_any_history_of_calls_on_redis(backend: str) -> None:
    with start_blocking_portal(backend) as portal:
        RedisMachine.portal = portal
        few = settings(max_examples=20, stateful_step_count=40, deadline=None)
        run_state_machine_as_test(RedisMachine, settings=few)


class LmdbMachine(WaitingMachine):
    """Each history has a directory of its own."""

    def make_store(self) -> Store:
        self.folder = TemporaryDirectory()
        return LmdbStore(self.folder.name, clock=self.clock, sync=False)

    def teardown(self) -> None:
        super().teardown()
        self.folder.cleanup()


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_any_history_of_calls_on_lmdb(backend: str) -> None:
    with start_blocking_portal(backend) as portal:
        LmdbMachine.portal = portal
        few = settings(max_examples=10, stateful_step_count=40, deadline=None)
        run_state_machine_as_test(LmdbMachine, settings=few)


class ServerClock(TurnedClock):
    """A clock that a database follows."""

    def __init__(self, tables: servers.Tables) -> None:
        super().__init__()
        self._tables = tables
        tables.turn(self.now())

    def turn(self, seconds: float) -> None:
        super().turn(seconds)
        self._tables.turn(self.now())


class SqlMachine(WaitingMachine):
    """Its calls wait for a thread."""

    tables: ClassVar[servers.Tables]
    options: ClassVar[dict[str, Any]]

    def make_clock(self) -> TurnedClock:
        if self.tables.engine.dialect.name == "sqlite":
            return TurnedClock()
        return ServerClock(self.tables)

    def make_store(self) -> Store:
        clock = self.clock if self.tables.engine.dialect.name == "sqlite" else None
        return SqlStore(
            self.tables.url,
            table_name=self.tables.prefix,
            clock=clock,
            synchronous="NORMAL",
            engine_options=self.options,
        )

    def teardown(self) -> None:
        super().teardown()
        self.tables.wipe()


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_any_history_of_calls_on_sql(
    kind: Kind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with place(kind, tmp_path) as where, start_blocking_portal() as portal:
        SqlMachine.tables = where.tables
        SqlMachine.portal = portal
        # Or what claims remember would never serve here, where looking takes no time.
        monkeypatch.setattr("oncue.stores.sql._heads._SERVES_US_MIN", 10**6)
        SqlMachine.options = {} if kind == "sqlite" else where.tables.freeze(START)
        few = settings(max_examples=10, stateful_step_count=30, deadline=None)
        run_state_machine_as_test(SqlMachine, settings=few)


# --- the MongoDB store -----------------------------------------------------------------------


class MongoMachine(WaitingMachine):
    collections: ClassVar[servers.Collections]

    def make_store(self) -> Store:
        mine = self.collections
        return MongoStore(
            mine.url, database=mine.database, collection=mine.prefix, clock=self.clock
        )

    def teardown(self) -> None:
        self.do(self.store.close())
        self.collections.wipe()


@pytest.mark.slow
@pytest.mark.parametrize("url", [servers.mongodb_url, servers.lone_mongodb_url])
def test_any_history_of_calls_on_mongodb(url: Callable[[], str]) -> None:
    """On SecantusDB, unless `ONCUE_TEST_MONGODB_URL` names another server."""
    with servers.collections(url()) as mine, start_blocking_portal() as portal:
        MongoMachine.collections = mine
        MongoMachine.portal = portal
        few = settings(max_examples=5, stateful_step_count=30, deadline=None)
        run_state_machine_as_test(MongoMachine, settings=few)
