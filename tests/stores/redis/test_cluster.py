"""A cluster: all keys of a store are in one slot, and whoever has it is found."""

from collections.abc import Generator
from contextlib import contextmanager, suppress

import anyio
import pytest

from oncue.stores import Added, StoreUnavailable
from oncue.testing._store_kit import Claimer, done, ids, make_row
from tests import servers
from tests.stores.redis.kit import lead_to, opened

pytestmark = pytest.mark.real_time

SLOTS = 16384


def node() -> servers.Valkey:
    options = ["--cluster-enabled", "yes", "--cluster-node-timeout", "500"]
    return servers.Valkey(*options, port=servers.free_port())


@contextmanager
def cluster() -> Generator[tuple[servers.Valkey, servers.Valkey]]:
    """Two nodes; the second has all slots, so that the first always says to ask the other."""
    first, second = node(), node()
    try:
        for each in (first, second):
            each.start()
        second.do("CLUSTER", "ADDSLOTSRANGE", "0", str(SLOTS - 1))
        first.do("CLUSTER", "MEET", "127.0.0.1", second.port)
        yield first, second
    finally:
        first.remove()
        second.remove()


async def known(server: servers.Valkey) -> None:
    """Once the node knows who has which slot."""
    with anyio.fail_after(20):
        while b"cluster_slots_assigned:16384" not in server.do("CLUSTER", "INFO"):  # noqa: ASYNC110
            await anyio.sleep(0.05)
        while b"cluster_state:ok" not in server.do("CLUSTER", "INFO"):  # noqa: ASYNC110
            await anyio.sleep(0.05)


async def test_all_keys_are_on_the_node_that_has_them() -> None:
    with cluster() as (first, second):
        await known(first)
        await known(second)
        async with opened(f"redis://127.0.0.1:{first.port}") as store:
            claimer = await Claimer.join(store)
            rows = [make_row(queue_name=f"q{number}", unique_key="k") for number in range(5)]
            assert await store.add(rows) == [Added()] * 5
            assert await store.next_hint() is None
            names = [row.queue_name for row in rows]
            claimed = await claimer.claim(*names)
            assert ids(claimed) == [row.task_id for row in rows]
            assert await claimer.settle(*map(done, claimed)) == []
            second.stop()
            for _ in range(2):
                with pytest.raises(StoreUnavailable):
                    await store.count()
            second.start()
            await known(second)
            with anyio.fail_after(20):
                while True:
                    with suppress(StoreUnavailable):
                        assert (await store.count()).live == 0
                        break
                    await anyio.sleep(0.05)


async def test_where_nobody_answers_the_address_is_asked_again() -> None:
    async with opened() as store:
        await store.add([make_row()])
        lead_to(store, 1)
        with pytest.raises(StoreUnavailable):
            await store.count()
        assert (await store.count()).live == 1


async def test_where_nobody_may_write_any_more_the_address_is_asked_again() -> None:
    other = servers.Valkey(port=servers.free_port())
    try:
        other.start()
        async with opened() as store:
            lead_to(store, int(other.port))
            assert await store.add([make_row()]) == [Added()]
            other.do("REPLICAOF", "127.0.0.1", "1")
            with pytest.raises(StoreUnavailable):
                await store.add([make_row()])
            assert (await store.count()).live == 0
            other.do("REPLICAOF", "NO", "ONE")
    finally:
        other.remove()
