"""Hints from other processes: they hasten, and nothing depends on them."""

import anyio
import pytest

from oncue import TaskStatus
from oncue.stores import ByIds, CancelTask, Store, StoreUnavailable, encode_task
from oncue.testing import VirtualClock
from tests.flow.cluster import Cluster, Link, NodeQueue
from tests.flow.kit import ok, task


class TellingLink(Link):
    """A link by which hints come."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.tell, self._heard = anyio.create_memory_object_stream[str | None](16)
        self.listening = 0

    async def next_hint(self) -> str | None:
        self.listening += 1
        if self.is_cut:
            raise StoreUnavailable("shared", "listen")
        return await self._heard.receive()

    def hang_up(self) -> None:
        self.tell.close()
        self._heard.close()


class Told:
    """A node that polls only every 100 s, the store behind it, and the way to give it hints."""

    def __init__(self, clock: VirtualClock) -> None:
        self.store = Cluster(clock).store
        self.link = TellingLink(self.store)
        self.queue = NodeQueue(self.link, clock, 1, poll_interval=100)


@pytest.fixture
def told(clock: VirtualClock) -> Told:
    return Told(clock)


def test_ears_are_there_where_the_store_has_hints(clock: VirtualClock, told: Told) -> None:
    assert "ears" in str(told.queue.child_spec().tree())
    assert "ears" not in str(Cluster(clock).queue().child_spec().tree())
    told.link.hang_up()


@pytest.mark.parametrize("hint", ["default", None])
async def test_a_hint_is_looked_into_at_once(
    clock: VirtualClock, told: Told, hint: str | None
) -> None:
    told.queue.register_handler("ok", ok)
    async with told.queue as queue:
        await anyio.sleep(10)
        one = task()
        await told.store.add([encode_task(one)])  # as another process does
        await told.link.tell.send(hint)
        await clock.wait_all_tasks_blocked()
        (view,) = await told.store.find(ByIds(task_ids=[one.task_id]))
        assert view.status is TaskStatus.COMPLETED
        assert queue.running
    told.link.hang_up()


async def test_a_hint_that_says_nothing_is_of_leases_too(clock: VirtualClock, told: Told) -> None:
    """A cancel by another process reaches the handler at once."""
    ends: list[float] = []

    async def slow(task: object) -> None:
        try:
            await anyio.sleep(1000)
        finally:
            ends.append(clock.monotonic())

    told.queue.register_handler("slow", slow)
    async with told.queue as queue:
        one = task("slow")
        await queue.enqueue(one)
        await anyio.sleep(7)
        await told.store.edit([CancelTask(task_id=one.task_id)])
        await told.link.tell.send(None)
        await anyio.sleep(1)
    assert ends == [7]
    told.link.hang_up()


async def test_after_trouble_it_listens_again_and_looks_for_what_it_missed(
    clock: VirtualClock, told: Told
) -> None:
    told.queue.register_handler("ok", ok)
    async with told.queue:
        await anyio.sleep(10)
        told.link.is_cut = True
        await told.link.tell.send("default")
        await anyio.sleep(10)
        assert 8 <= told.link.listening <= 14
        one = task()
        await told.store.add([encode_task(one)])
        told.link.is_cut = False
        await anyio.sleep(1.1)
        (view,) = await told.store.find(ByIds(task_ids=[one.task_id]))
        assert view.status is TaskStatus.COMPLETED
    told.link.hang_up()


async def test_it_never_delays_a_stop(clock: VirtualClock, told: Told) -> None:
    async with told.queue:
        await anyio.sleep(10)
    assert clock.monotonic() == 10
    told.link.hang_up()
