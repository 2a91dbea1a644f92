"""What the store of examples/oncue-lmdb promises beyond the contract."""

import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import lmdb
import pytest
from anyio import CancelScope, create_task_group, fail_after, move_on_after, to_thread
from oncue_lmdb import FormatUnknown, LmdbStore
from oncue_lmdb._tx import Tx

from oncue import open_queue
from oncue.adapters.job_stores import StoreSettings, make_store
from oncue.stores import (
    Added,
    AddSchedule,
    ByIds,
    PurgeResults,
    PurgeWaiting,
    RemoveSchedule,
    StoreUnavailable,
    SystemStoreClock,
    TaskPriority,
    UniqueTaken,
)
from oncue.testing import VirtualClock
from oncue.testing._store_kit import Claimer, done, ids, make_row
from oncue.testing._suite_schedules import make_schedule

MIB = 1024**2


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "jobs"


@pytest.fixture
async def store(folder: Path, clock: VirtualClock) -> AsyncIterator[LmdbStore]:
    store = LmdbStore(str(folder), sync=False, map_size=16 * MIB, hold=clock.hold)
    await store.open()
    yield store
    await store.close()


# --- addresses and options ---------------------------------------------------------------------


def make(url: str | None, **options: Any) -> object:
    settings = StoreSettings(
        url=url,
        options=options,
        result_ttl_s=1,
        dead_letter_ttl_s=1,
        clock=SystemStoreClock(),
        hold=VirtualClock().hold,
    )
    return make_store("lmdb", settings)


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("lmdb:/var/lib/jobs", "/var/lib/jobs"),
        ("lmdb:///var/lib/jobs", "/var/lib/jobs"),
        ("lmdb:jobs", "jobs"),
        ("lmdb:../a b:c", "../a b:c"),
    ],
)
def test_an_address_is_a_directory(url: str, path: str) -> None:
    assert repr(make(url)) == f"<LmdbStore closed {path}>"


@pytest.mark.parametrize(
    "url", [None, "", "lmdb:", "lmdb://host/jobs", "lmdb:jobs?map_size=1", "me:hunter2", "jobs"]
)
def test_what_is_no_address_is_refused_with_what_is(url: str | None) -> None:
    with pytest.raises(
        ValueError, match=r"must be lmdb: and a directory, such as lmdb:/var/lib/jo"
    ) as e:
        make(url)
    assert "hunter2" not in str(e.value)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"mapsize": 1}, "takes no mapsize; it takes map_size and sync"),
        ({"map_size": "1 GiB"}, "map_size must be a number of bytes, 16777216 or more, got '1 GiB"),
        ({"map_size": True}, "map_size must be a number of bytes"),
        ({"map_size": 16 * MIB - 1}, "16777216 or more, got 16777215"),
        ({"sync": "no"}, "sync must be true or false, got 'no'"),
    ],
)
def test_a_wrong_option_is_refused_with_the_right_ones(options: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        make("lmdb:jobs", **options)


def test_the_driver_is_loaded_by_whoever_makes_a_store() -> None:
    program = "import sys, oncue_lmdb; sys.exit('lmdb' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)


async def test_a_place_that_cannot_be_opened_is_named(tmp_path: Path, clock: VirtualClock) -> None:
    (tmp_path / "file").write_text("")
    store = LmdbStore(f"{tmp_path}/file", hold=clock.hold)
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match=f"open: .*{tmp_path}/file"):
            await store.open()
    (tmp_path / "file").unlink()
    await store.open()
    await store.close()


async def test_a_directory_of_another_format_is_refused(folder: Path, store: LmdbStore) -> None:
    await store.close()
    with lmdb.open(str(folder), max_dbs=15) as env:
        meta = env.open_db(b"meta")
        with env.begin(write=True) as txn:
            txn.put(b"format", b"2", db=meta)
    for _ in range(2):
        with pytest.raises(FormatUnknown, match="has format 2, and this oncue-lmdb knows 1 only"):
            await store.open()


# --- one environment for each directory in a process ------------------------------------------


async def test_stores_of_one_process_share_the_directory(
    folder: Path, store: LmdbStore, clock: VirtualClock
) -> None:
    await store.add([row := make_row()])
    (link := folder.with_name("link")).symlink_to(folder)
    twin = LmdbStore(str(link), sync=False, map_size=16 * MIB, hold=clock.hold)
    await twin.open()
    await store.close()
    assert [view.task_id for view in await twin.find(ByIds(task_ids=[row.task_id]))] == [
        row.task_id
    ]
    await twin.close()


async def test_with_other_options_the_directory_must_be_closed_first(
    folder: Path, store: LmdbStore, clock: VirtualClock
) -> None:
    durable = LmdbStore(str(folder), map_size=16 * MIB, hold=clock.hold)
    with pytest.raises(StoreUnavailable, match="with map_size=16777216 and sync=False; open it wi"):
        await durable.open()
    await store.close()
    await durable.open()
    await durable.close()


async def test_a_close_that_is_cancelled_closes_all_the_same(
    folder: Path, store: LmdbStore, clock: VirtualClock
) -> None:
    with CancelScope() as scope:
        scope.cancel()
        await store.close()
    durable = LmdbStore(str(folder), map_size=16 * MIB, hold=clock.hold)
    await durable.open()
    await durable.close()


# --- room ----------------------------------------------------------------------------------------


def large() -> dict[str, str]:
    return {"a": "x" * MIB}


async def test_a_full_map_refuses_what_is_added_whole_and_what_makes_room_goes_on(
    store: LmdbStore,
) -> None:
    claimer = await Claimer.join(store)
    await store.plan([AddSchedule(row=(schedule := make_schedule()))])
    await store.add([make_row(priority=20), make_row(priority=20)])
    added = 0
    with pytest.raises(StoreUnavailable, match="add: map_size=16777216 is full; purge, or start"):
        while added < 100:
            await store.add([make_row(payload=large())])
            added += 1
    assert added > 10
    with pytest.raises(StoreUnavailable, match="map_size"):
        await store.add([make_row(), make_row(payload=large())])
    assert (await store.count()).pending == 2 + added
    one, two = await claimer.claim(limit=2)
    assert await claimer.settle(done(one, b'"%s"' % (b"x" * MIB)), done(two)) == []
    with pytest.raises(StoreUnavailable, match="map_size"):
        await store.add([make_row()])
    assert await store.plan([RemoveSchedule(job_id=schedule.job_id)]) == [True]
    assert await store.purge(PurgeResults()) == 2
    assert await store.add([make_row()]) == [Added()]
    assert await store.purge(PurgeWaiting(queue_name="default")) == added + 1
    assert await store.add([make_row(payload=large())]) == [Added()]


# --- no call scans -------------------------------------------------------------------------------


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The entries that were looked at."""
    seen: list[bytes] = []
    scan = Tx.scan

    def noted(tx: Tx, *args: Any, **more: Any) -> Iterator[tuple[bytes, bytes]]:
        for entry in scan(tx, *args, **more):
            seen.append(entry[0])
            yield entry

    monkeypatch.setattr(Tx, "scan", noted)
    return seen


async def test_what_waits_costs_a_claim_nothing(store: LmdbStore, steps: list[bytes]) -> None:
    claimer = await Claimer.join(store)
    await store.add([make_row(priority=number) for number in TaskPriority for _ in range(100)])
    await store.add([make_row("alien", priority=20) for _ in range(200)])
    await store.add([make_row(delay=60, queue_name=name) for name in "ab" for _ in range(200)])
    steps.clear()
    mine = frozenset({"work"})
    exchanged = await claimer.exchange(queues=["default", "a"], limit=10, task_types=mine)
    assert len(exchanged.claimed) == 10
    assert exchanged.survey is not None
    assert len(steps) < 40
    steps.clear()
    await claimer.settle(*map(done, exchanged.claimed))
    assert (await store.count("default")).live == 590
    assert len(steps) < 40


async def test_names_may_be_longer_than_a_key(store: LmdbStore) -> None:
    name, key = "\N{CLOCK FACE ONE OCLOCK}" * 255, "\N{CLOCK FACE TWO OCLOCK}" * 255
    claimer = await Claimer.join(store, name)
    row = make_row(name, queue_name=name, unique_key=key)
    rival = make_row(name, queue_name=name, unique_key=key)
    assert await store.add([row, rival]) == [Added(), UniqueTaken(live_task_id=row.task_id)]
    assert ids(await claimer.claim(name)) == [row.task_id]
    assert await store.queues() == [name]


# --- hints, cancelling, durability -----------------------------------------------------------


async def test_what_another_wrote_is_news_and_what_one_wrote_oneself_is_not(
    folder: Path, store: LmdbStore, clock: VirtualClock
) -> None:
    async def has_news() -> bool:
        with move_on_after(1):
            await store.next_hint()
            return True
        return False

    other = LmdbStore(str(folder), sync=False, map_size=16 * MIB, hold=clock.hold)
    await other.open()
    await store.add([make_row()])
    await store.exchange([])
    assert not await has_news()
    await other.exchange([], survey=True)
    assert not await has_news()
    await other.add([make_row()])
    await store.add([make_row()])
    assert await has_news()
    assert not await has_news()
    await other.close()


@pytest.mark.real_time
async def test_a_call_that_is_cancelled_once_it_has_begun_is_done_to_the_end(folder: Path) -> None:
    begun, may_go = threading.Event(), threading.Event()

    class Gate(SystemStoreClock):
        def now(self) -> datetime:
            begun.set()
            may_go.wait(10)
            return super().now()

    store = LmdbStore(str(folder), sync=False, clock=Gate())
    await store.open()
    row = make_row()
    with fail_after(10):
        async with create_task_group() as tasks:
            tasks.start_soon(store.add, [row])
            await to_thread.run_sync(begun.wait)
            tasks.cancel_scope.cancel()
            may_go.set()
    assert len(await store.find(ByIds(task_ids=[row.task_id]))) == 1
    await store.close()


@pytest.mark.real_time
async def test_the_health_check_says_what_is_on_disk(folder: Path) -> None:
    for options, summary, warnings in (
        ({}, "on disk (sync)", 0),
        ({"sync": False}, "in the system's memory (sync=false)", 1),
    ):
        async with open_queue(f"lmdb:{folder}", job_store_options=options) as queue:
            health = await queue.health_check()
        assert health["apscheduler_queue"]["durability"] == summary
        assert len(health["warnings"]) == warnings
