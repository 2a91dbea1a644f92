"""What is removed for good goes page by page, whatever there is, and up to what was there."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import anyio
import pytest
from anyio import from_thread
from pymongo.monitoring import CommandListener

from oncue.stores import (
    PauseTask,
    Purge,
    PurgeDeadLetters,
    PurgeExpired,
    PurgeResults,
    PurgeWaiting,
    Store,
)
from oncue.stores.mongo import _purge
from oncue.testing._store_kit import Claimer, TurnedClock, done, make_row
from oncue.testing._suite_base import dead
from tests.stores.mongo.kit import Place

pytestmark = pytest.mark.real_time

FEW = 3


class Deletes(CommandListener):
    """What each statement removed; `then` is done after each."""

    def __init__(self, then: Callable[[], object]) -> None:
        self.sizes: list[int] = []
        self._then = then

    def started(self, event: object) -> None:
        pass

    def succeeded(self, event: Any) -> None:
        if event.command_name == "delete":
            self.sizes.append(event.reply["n"])
            self._then()

    def failed(self, event: object) -> None:
        pass


@pytest.fixture(autouse=True)
def pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_purge, "PAGE", FEW)


async def fill(store: Store) -> None:
    """Seven of each: dead letters, results, and what waits, two of them held; two run."""
    claimer = await Claimer.join(store)
    await store.add([make_row() for _ in range(7)])
    await claimer.settle(*map(dead, await claimer.claim()))
    await store.add([make_row() for _ in range(7)])
    await claimer.settle(*map(done, await claimer.claim()))
    await store.add([make_row() for _ in range(9)])
    await claimer.claim(limit=2)
    held = [make_row() for _ in range(2)]
    await store.add(held)
    await store.edit([PauseTask(task_id=row.task_id) for row in held])


@pytest.mark.parametrize(
    ("what", "sizes"),
    [
        (PurgeWaiting(queue_name="default"), [3, 3, 1, 2]),
        (PurgeDeadLetters(queue_name=None), [3, 3, 1]),
        (PurgeDeadLetters(queue_name="default"), [3, 3, 1]),
        (PurgeResults(), [3, 3, 1]),
        (PurgeExpired(), [3, 3, 1, 3, 3, 1]),
    ],
    ids=["waiting", "dead", "dead-of-a-queue", "results", "expired"],
)
async def test_a_purge_goes_by_pages_and_leaves_what_came_meanwhile(
    place: Place, what: Purge, sizes: list[int]
) -> None:
    clock, fresh = TurnedClock(), list[dict[str, Any]]()

    def add_others() -> None:
        place.raw("tasks").insert_many([{**each, "_id": uuid4()} for each in fresh])

    deletes = Deletes(add_others)
    options = {"event_listeners": [deletes]}
    async with place.opened(clock=clock, dead_letter_ttl_s=50, result_ttl_s=50) as store:
        await fill(store)
        clock.turn(100)
    for state in (0, 2, 3, 4):
        [one] = place.raw("tasks").find({"state": state}).limit(1)
        later = {"ended_us": one["ended_us"] + 101_000_000} if "ended_us" in one else {}
        fresh.append({**one, **later, "place": one["place"] << 1})
    async with place.opened(
        clock=clock, dead_letter_ttl_s=50, result_ttl_s=50, client_options=options
    ) as store:
        assert await store.purge(what) == sum(sizes)
    assert deletes.sizes == sizes
    assert place.raw("tasks").count_documents({}) == 25 - sum(sizes) + len(fresh) * len(sizes)


async def test_who_is_cancelled_is_through_after_the_page(place: Place) -> None:
    scope = anyio.CancelScope()
    deletes = Deletes(lambda: from_thread.run_sync(scope.cancel))
    async with place.opened(client_options={"event_listeners": [deletes]}) as store:
        await fill(store)
        with scope:
            await store.purge(PurgeResults())
    assert scope.cancelled_caught
    assert deletes.sizes == [FEW]
