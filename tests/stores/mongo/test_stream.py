"""Hints: the change stream tells of what others did, and of nothing else."""

from collections.abc import Iterator

import anyio
import pytest

from oncue.stores import Back, CancelTask
from oncue.stores.mongo import MongoStore
from oncue.testing._store_kit import Claimer, make_row
from tests import servers
from tests.stores.mongo.kit import Place

pytestmark = pytest.mark.real_time


@pytest.fixture
def place() -> Iterator[Place]:
    with servers.collections(servers.mongodb_url()) as mine:
        yield Place(mine)


async def hint(store: MongoStore) -> str | None:
    with anyio.fail_after(10):
        return await store.next_hint()


async def test_what_others_do_is_told_and_what_one_does_oneself_is_not(place: Place) -> None:
    async with place.opened() as store, place.opened() as other:
        assert await hint(store) is None  # it has just connected
        await store.add([make_row(queue_name="mine")])
        await other.add([make_row(queue_name="theirs")])
        assert await hint(store) == "theirs"
        claimer = await Claimer.join(other)
        [task] = await claimer.claim("theirs")
        await claimer.settle(Back(task_id=task.row.task_id, lease=task.lease))
        assert await hint(store) is None
        await other.edit([CancelTask(task_id=task.row.task_id)])
        assert await hint(store) is None


async def test_who_waits_holds_nobody_up_and_ends_at_once(place: Place) -> None:
    async with place.opened() as store:
        assert await hint(store) is None
        async with anyio.create_task_group() as group:
            group.start_soon(store.next_hint)
            await store.add([make_row()])
            group.cancel_scope.cancel()
        with anyio.fail_after(10):
            await store.close()


async def test_without_change_streams_it_waits_for_ever(alone: Place) -> None:
    async with alone.opened() as store, alone.opened() as other:
        assert not store.guarantees
        with anyio.move_on_after(0.3) as scope:
            await store.next_hint()
        await other.add([make_row()])
        assert scope.cancelled_caught
