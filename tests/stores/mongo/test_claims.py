"""Many claim at once: each task goes to one, and leases count up without a gap."""

from typing import Any
from uuid import UUID

import anyio
import pytest

from oncue.stores import ClaimedTask, microseconds
from oncue.stores.mongo import _claim
from oncue.stores.mongo._call import Call
from oncue.testing._store_kit import START, Claimer, TurnedClock, done, ids, make_row
from tests.stores.mongo.kit import Place

pytestmark = pytest.mark.real_time


async def test_each_task_is_claimed_and_settled_once(place: Place) -> None:
    async with place.opened() as store:
        await store.add([make_row() for _ in range(100)])
        claimed: list[ClaimedTask] = []

        async def work(node: str) -> None:
            async with place.opened() as mine:
                claimer = await Claimer.join(mine, node)
                while tasks := await claimer.claim(limit=7):
                    claimed.extend(tasks)
                    first = tasks[0].lease
                    assert [task.lease for task in tasks] == [
                        first + number for number in range(len(tasks))
                    ]
                    assert await claimer.settle(*map(done, tasks)) == []

        async with anyio.create_task_group() as group:
            for number in range(4):
                group.start_soon(work, f"node-{number}")
        assert len(claimed) == len({task.row.task_id for task in claimed}) == 100
        assert (await store.count()).live == 0


START_US = microseconds(START)

MEANWHILE: list[dict[str, Any]] = [
    {"$set": {"run_us": START_US + 60_000_000}, "$inc": {"retry_count": 1}},  # tried, put off
    {"$set": {"queue_name": "b"}},
    {"$set": {"task_type": "other"}},  # purged, and its id added anew
]


@pytest.mark.parametrize("meanwhile", MEANWHILE, ids=["put off", "moved", "another"])
async def test_what_is_not_ready_any_more_when_it_is_taken_is_left(
    place: Place, monkeypatch: pytest.MonkeyPatch, meanwhile: dict[str, Any]
) -> None:
    heads: Any = getattr(_claim, "_heads")  # noqa: B009 - a place to strike

    def overtaken(call: Call, *arguments: Any) -> list[UUID]:
        found: list[UUID] = heads(call, *arguments)
        monkeypatch.undo()
        call.tasks.update_one({"_id": found[0]}, meanwhile)
        return found

    async with place.opened(clock=TurnedClock()) as store:
        rows = [make_row() for _ in range(3)]
        await store.add(rows)
        claimer = await Claimer.join(store)
        monkeypatch.setattr(_claim, "_heads", overtaken)
        tasks = await claimer.claim(limit=2, task_types=frozenset({"work"}))
        assert ids(tasks) == [row.task_id for row in rows[1:]]


async def test_where_some_go_to_another_the_rest_moves_up_and_the_missing_are_looked_for(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    heads: Any = getattr(_claim, "_heads")  # noqa: B009 - a place to strike

    def overtaken(call: Call, *arguments: Any) -> list[UUID]:
        found: list[UUID] = heads(call, *arguments)
        monkeypatch.undo()
        for task_id in (found[0], found[2]):
            call.tasks.update_one({"_id": task_id}, {"$set": {"state": 1, "lease": 1, "node": "x"}})
        return found

    async with place.opened() as store:
        rows = [make_row() for _ in range(6)]
        await store.add(rows)
        claimer = await Claimer.join(store)
        monkeypatch.setattr(_claim, "_heads", overtaken)
        exchanged = await claimer.exchange(limit=4)
        tasks = exchanged.claimed
        assert ids(tasks) == [rows[number].task_id for number in (1, 3, 4, 5)]
        first = tasks[0].lease
        assert [task.lease for task in tasks] == [first, first + 1, first + 2, first + 3]
        assert exchanged.more == {"default"}
        assert await claimer.settle(*map(done, tasks)) == []
