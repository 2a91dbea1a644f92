"""What PostgreSQL tells other processes, and that nobody depends on it."""

import signal

import anyio
import pytest

from oncue.stores import Back, PauseQueue, ResumeQueue, StoreUnavailable
from oncue.stores.sql import SqlStore
from oncue.testing._store_kit import Claimer, make_row
from tests import servers

pytestmark = pytest.mark.real_time


async def next_hint(store: SqlStore) -> str | None:
    with anyio.fail_after(10):
        return await store.next_hint()


async def test_others_are_told_of_work_and_oneself_is_not() -> None:
    with servers.tables(servers.postgres_url()) as tables:
        one = SqlStore(tables.url, table_name=tables.prefix)
        two = SqlStore(tables.url, table_name=tables.prefix)
        await one.open()
        await two.open()
        assert await next_hint(two) is None  # it has just begun to listen
        await two.add([make_row(queue_name="own")])
        await one.add([make_row(queue_name="a") for _ in range(3)])
        assert await next_hint(two) == "a"
        claimer = await Claimer.join(one)
        held = await claimer.claim("a")
        await claimer.settle(Back(task_id=held[0].row.task_id, lease=held[0].lease))
        assert await next_hint(two) == "a"
        await one.edit([PauseQueue(queue_name="b"), ResumeQueue(queue_name="b")])
        assert await next_hint(two) == "b"
        await one.leave("node-a", claimer.incarnation)
        assert await next_hint(two) is None
        await one.close()
        await two.close()


async def test_waiting_for_a_hint_can_be_cancelled_and_begun_again() -> None:
    with servers.tables(servers.postgres_url()) as tables:
        one = SqlStore(tables.url, table_name=tables.prefix)
        two = SqlStore(tables.url, table_name=tables.prefix)
        await one.open()
        await two.open()
        assert await next_hint(two) is None
        with anyio.move_on_after(0.05) as scope:
            await two.next_hint()
        assert scope.cancelled_caught
        await one.add([make_row()])
        assert await next_hint(two) == "default"
        await one.close()
        await two.close()


@pytest.mark.slow
async def test_a_lost_connection_is_made_again_and_everything_is_looked_at() -> None:
    with servers.own_postgres() as server:
        store, other = SqlStore(server.url), SqlStore(server.url)
        await store.open()
        await other.open()
        assert await next_hint(store) is None
        server.stop(signal.SIGQUIT)
        server.start()
        assert await next_hint(store) is None
        with pytest.raises(StoreUnavailable):
            await other.add([make_row()])  # it meets the connections that are gone
        await other.add([make_row(queue_name="a")])
        assert await next_hint(store) == "a"
        await store.close()
        await other.close()
