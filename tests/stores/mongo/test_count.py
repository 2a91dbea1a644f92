"""To count reads index entries and no documents."""

import re
from typing import Any

import pytest
from pymongo.monitoring import CommandListener

from oncue.stores import PauseTask, PurgeWaiting
from oncue.testing._store_kit import Claimer, make_row
from oncue.testing._suite_base import dead
from tests.stores.mongo.kit import Place

pytestmark = pytest.mark.real_time


class Aggregates(CommandListener):
    def __init__(self) -> None:
        self.commands: list[Any] = []

    def started(self, event: Any) -> None:
        if event.command_name == "aggregate":
            self.commands.append(event.command)

    def succeeded(self, event: object) -> None:
        pass

    def failed(self, event: object) -> None:
        pass


@pytest.mark.parametrize("name", [None, "default"])
async def test_all_that_is_counted_is_in_the_index_that_is_named(
    place: Place, name: str | None
) -> None:
    """Then MongoDB answers from that alone. What stands in for it here reads documents anyway."""
    aggregates = Aggregates()
    async with place.opened(client_options={"event_listeners": [aggregates]}) as store:
        await store.count(name)
    indexes = place.raw("tasks").index_information()
    assert len(aggregates.commands) == 4
    for command in aggregates.commands:
        match, group = command["pipeline"]
        named = re.findall(r"'\$(\w+)'(?!:)", str(group))  # what is a key is an operator
        fields = {*match["$match"], *named}
        assert fields >= {"state", "size"}
        assert fields <= {field for field, _ in indexes[command["hint"]]["key"]}


@pytest.mark.parametrize(
    "wrong", [{"$set": {"priority": [1], "task_type": [1]}}, {"$unset": {"priority": 1}}]
)
async def test_what_has_no_priority_or_type_is_counted_still(
    place: Place, wrong: dict[str, Any]
) -> None:
    async with place.opened() as store:
        await store.add([make_row(), make_row()])
        place.raw("tasks").update_one({}, wrong)
        counts = await store.count()
    assert counts.pending == 2
    assert counts.priorities == {5: 1}


async def test_what_has_no_place_is_counted_and_purged_still(place: Place) -> None:
    """Another program has taken it away."""
    async with place.opened() as store:
        await store.add([make_row() for _ in range(4)])
        claimer = await Claimer.join(store)
        running, dying = await claimer.claim(limit=2)
        await claimer.settle(dead(dying))
        [held, waiting] = place.raw("tasks").find({"state": 0})
        await store.edit([PauseTask(task_id=held["_id"])])
        for number, task_id in enumerate(
            (running.row.task_id, dying.row.task_id, held["_id"], waiting["_id"])
        ):
            changed = {"$set": {"place": "?"}} if number % 2 else {"$unset": {"place": ""}}
            place.raw("tasks").update_one({"_id": task_id}, changed)
        counts = await store.count("default")
        assert (counts.pending, counts.held, counts.processing, counts.dead_letters) == (1,) * 4
        assert (counts.oldest, counts.newest) == (None, None)
        assert counts.payload_bytes == counts.store_payload_bytes == 4 * len("{}")
        assert await store.purge(PurgeWaiting(queue_name="default")) == 2
