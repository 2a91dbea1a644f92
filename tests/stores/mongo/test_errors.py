"""Whose fault it was, and that work goes on by itself once a server is back."""

import sys
from contextlib import closing
from importlib import import_module
from typing import Any

import anyio
import pytest
from pymongo import MongoClient
from pymongo.errors import OperationFailure

from oncue.stores import ReplaceSchedule, StoreBusy, StoreUnavailable
from oncue.stores.mongo import MongoStore
from oncue.stores.mongo._call import Call
from oncue.stores.mongo._connect import make_client
from oncue.testing._store_kit import Claimer, TurnedClock, done, ids, make_row
from oncue.testing._suite_schedules import fire, make_run, make_schedule, planned
from tests import servers
from tests.faults.proxy import Proxy
from tests.stores.mongo.kit import Place, database_of

pytestmark = pytest.mark.real_time

SOON = {"serverSelectionTimeoutMS": 300}


@pytest.mark.slow
async def test_work_goes_on_when_the_server_is_back() -> None:
    with servers.own_secantus() as server:
        store = MongoStore(server.url, client_options=SOON)
        await store.open()
        claimer = await Claimer.join(store)
        rows = [make_row() for _ in range(3)]
        await store.add(rows)
        [held] = await claimer.claim(limit=1)
        server.stop()
        for _ in range(3):
            with pytest.raises(StoreUnavailable) as caught:
                await store.add([make_row()])
            assert caught.value.__cause__ is not None
        server.start()
        await _until_it_answers(store)
        assert await claimer.settle(done(held)) == []
        assert ids(await claimer.claim()) == [row.task_id for row in rows[1:]]
        await store.close()


async def _until_it_answers(store: MongoStore) -> None:
    with anyio.fail_after(20):
        while True:
            try:
                await store.count()
            except StoreUnavailable:
                continue  # each waits a while by itself
            return


async def test_a_server_that_is_not_there_is_unavailable_at_open() -> None:
    store = MongoStore("mongodb://ada:secret@127.0.0.1:1/", client_options=SOON)
    with pytest.raises(StoreUnavailable) as caught:
        await store.open()
    assert "secret" not in f"{caught.value} {caught.value.__cause__} {store!r}"


async def test_a_server_that_hangs_is_given_up_also_by_who_was_cancelled(place: Place) -> None:
    with closing(Proxy(place.collections.url)) as proxy:
        options = {**SOON, "socketTimeoutMS": 500, "retryReads": False}
        store = MongoStore(proxy.url, client_options=options)
        await store.open()
        proxy.cut()
        with anyio.fail_after(10):
            with pytest.raises(StoreUnavailable), anyio.move_on_after(0.1):
                await store.count()
            await store.close()
        proxy.mend()


def conflict(transient: bool) -> OperationFailure:
    labels = ["TransientTransactionError"] if transient else []
    return OperationFailure("planted", 112, {"errorLabels": labels})


async def test_a_transaction_that_met_another_is_tried_anew_and_not_for_ever() -> None:
    tries: list[int] = []

    def meets(times: int) -> int:
        tries.append(times)
        if len(tries) <= times:
            raise conflict(transient=True)
        return len(tries)

    with servers.collections(servers.mongodb_url()) as mine:
        async with Place(mine).opened() as store:
            database = database_of(store)
            assert database.transact("test", lambda _: meets(2)) == 3
            with pytest.raises(StoreBusy):
                database.transact("test", lambda _: meets(100))
            assert len(tries) < 20


async def test_a_schedule_in_a_dead_ones_transaction_holds_nobody_up() -> None:
    with servers.collections(servers.mongodb_url()) as mine:
        place = Place(mine)
        async with place.opened(clock=TurnedClock()) as store:
            [view] = await planned(store, make_schedule())
            change = ReplaceSchedule(row=view.row, version=view.version)
            with mine.client.start_session() as dead:
                dead.start_transaction()
                place.raw("schedules").update_one({}, {"$inc": {"version": 1}}, session=dead)
                with anyio.fail_after(10):
                    with pytest.raises(StoreBusy):
                        await store.plan([change])
                    with pytest.raises(StoreBusy):
                        await store.fire([fire(view, make_run(view.row.job_id))])
                assert (await store.count()).live == 0
                dead.abort_transaction()
            assert await store.plan([change]) == [True]


async def test_what_stands_for_itself_is_not_done_twice(place: Place) -> None:
    calls: list[Call] = []

    def fail(call: Call) -> None:
        calls.append(call)
        raise conflict(transient=False)

    async with place.opened() as store:
        with pytest.raises(StoreUnavailable) as caught:
            database_of(store).write("test", fail)
        assert not isinstance(caught.value, StoreBusy)  # a part may have been done
        assert len(calls) == 1


async def test_a_statement_that_is_wrong_is_a_bug_and_stays_one(place: Place) -> None:
    async with place.opened() as store:
        with pytest.raises(OperationFailure):
            database_of(store).look("test", lambda call: list(call.tasks.find({"$no": 1})))


@pytest.mark.parametrize("url", ["http://db", "mongodb://", "mongodb://a:b@", "mongodb://h:x"])
def test_a_url_that_will_not_do_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="no address of a MongoDB"):
        MongoStore(url)


def test_a_collection_is_a_plain_name() -> None:
    with pytest.raises(ValueError, match="plain name"):
        MongoStore("mongodb://db", collection="$cmd")


def test_a_missing_driver_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(sys.modules):
        if name == "oncue.stores.mongo" or name.startswith("oncue.stores.mongo."):
            monkeypatch.delitem(sys.modules, name)

    def find_spec(name: str) -> None:
        assert name == "pymongo"

    monkeypatch.setattr("importlib.util.find_spec", find_spec)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'oncue\[mongodb\]'"):
        import_module("oncue.stores.mongo")


def test_a_password_is_never_shown() -> None:
    store = MongoStore("mongodb://ada:secret@db:1,db2:2/?tlsCertificateKeyFilePassword=secret")
    assert repr(store) == (
        "<MongoStore closed mongodb://db:1,db2:2 database=apscheduler collections=jobs>"
    )


def test_what_a_url_and_options_say_wins() -> None:
    url = "mongodb://db/?w=2&connectTimeoutMS=7000&APPNAME=mine"
    with make_client(url, {"connect": False, "sockettimeoutms": 9000}) as client:
        _check(client)


def _check(client: MongoClient[dict[str, Any]]) -> None:
    options = client.options
    assert options.pool_options.connect_timeout == 7
    assert options.pool_options.socket_timeout == 9
    assert options.pool_options.appname == "mine"
    concern = client.write_concern.document
    assert (concern["w"], concern["j"]) == (2, True)


def test_unless_told_a_write_waits_for_the_journals_of_a_majority() -> None:
    with make_client("mongodb://db", {"connect": False}) as client:
        concern = client.write_concern.document
        assert (concern["w"], concern["j"]) == ("majority", True)


@pytest.mark.parametrize(
    "options", [{"nonsense": 1}, {"w": -5}, {"maxPoolSize": "many"}, {"w": 0, "journal": False}]
)
def test_client_options_that_will_not_do_are_the_callers_fault(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="options will not do"):
        MongoStore("mongodb://db", client_options=options)
