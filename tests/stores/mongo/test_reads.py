"""What is read is what the primary has, whatever the URL says of reads."""

from typing import Any

import anyio
import pytest
from pymongo.monitoring import CommandListener

from oncue.stores import Fired
from oncue.stores.mongo import MongoStore
from oncue.testing._store_kit import Claimer, TurnedClock, done, make_row
from oncue.testing._suite_schedules import fire, make_run, make_schedule, planned
from tests.stores.mongo.kit import Place

pytestmark = pytest.mark.real_time

ELSEWHERE = "readPreference=secondary&readConcernLevel=linearizable"


class Listener(CommandListener):
    """What was asked of a server: each read with its concern, and where it was sent."""

    def __init__(self) -> None:
        self.concerns: set[tuple[str, str]] = set()
        self.preferences: set[str] = set()

    def started(self, event: Any) -> None:
        command = event.command
        if "readConcern" in command:
            self.concerns.add((event.command_name, command["readConcern"].get("level", "")))
        # With one server only, a driver says that any will do, as it cannot choose.
        self.preferences.add(command.get("$readPreference", {}).get("mode", "primary"))

    def succeeded(self, event: object) -> None:
        pass

    def failed(self, event: object) -> None:
        pass


def store_at(place: Place, **options: Any) -> MongoStore:
    mine = place.collections
    url = f"{mine.url}{'&' if '?' in mine.url else '?'}{ELSEWHERE}"
    return MongoStore(url, database=mine.database, collection=mine.prefix, **options)


async def test_who_prefers_to_read_elsewhere_is_answered_by_the_primary(place: Place) -> None:
    options = {"serverSelectionTimeoutMS": 1000}
    store = store_at(place, clock=TurnedClock(), client_options=options)
    await store.open()
    [view] = await planned(store, make_schedule())
    run = make_run(view.row.job_id)
    assert isinstance((await store.fire([fire(view, run)]))[0], Fired)
    assert (await store.count()).live == 1
    claimer = await Claimer.join(store)
    [task] = await claimer.claim()
    assert task.row.task_id == run.task_id
    assert await claimer.settle(done(task)) == []
    await store.close()


async def test_calls_read_what_they_have_written_and_looks_what_a_majority_has(
    place: Place,
) -> None:
    listener = Listener()
    options = {"event_listeners": [listener]}
    store = store_at(place, client_options=options)
    await store.open()
    await store.add([make_row()])
    claimer = await Claimer.join(store)
    listener.concerns.clear()
    [task] = await claimer.claim()
    assert await claimer.settle(done(task)) == []
    assert await claimer.settle(done(task)) == [done(task)]
    assert listener.concerns == {("find", "local"), ("distinct", "local")}
    listener.concerns.clear()
    await store.queues()
    await store.schedules()
    assert listener.concerns == {("find", "majority"), ("distinct", "majority")}
    if store.guarantees:
        with anyio.fail_after(10):
            assert await store.next_hint() is None
        assert ("aggregate", "majority") in listener.concerns
    assert listener.preferences <= {"primary", "primaryPreferred"}
    await store.close()
