"""Several processes on one directory; and what one leaves behind that is killed, or forks."""

import time
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest
from anyio import to_thread
from oncue_lmdb import LmdbStore

from oncue import TaskData, TaskStatus, open_queue
from oncue.stores import Added, AlreadyKnown, ByIds, PurgeWaiting
from oncue.testing._store_kit import Claimer, ids, make_row
from tests.faults.cluster import SETTINGS, Node, overlaps, read_ledger, until
from tests.stores.lmdb.kit import run, start

MIB = 1024**2

pytestmark = pytest.mark.real_time


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[LmdbStore]:
    store = LmdbStore(str(tmp_path), sync=False, map_size=16 * MIB)
    await store.open()
    yield store
    await store.close()


DRAIN = """
claimer = await Claimer.join(store, sys.argv[1] + str(os.getpid()))
print("up", flush=True)
sys.stdin.readline()
while claimed := await claimer.claim(limit=3):
    print(*ids(claimed))
    await claimer.settle(*map(done, claimed))
"""


async def test_each_task_is_claimed_by_one_of_the_processes(
    store: LmdbStore, tmp_path: Path
) -> None:
    rows = [make_row() for _ in range(150)]
    await store.add(rows)
    processes = [start(tmp_path, DRAIN, backend) for backend in ("asyncio", "trio")]
    for each in processes:
        assert each.stdout is not None
        assert await to_thread.run_sync(each.stdout.readline) == "up\n"
    told = [await to_thread.run_sync(each.communicate, "\n", 60) for each in processes]
    shares = [out.split() for out, _ in told]
    assert sorted(shares[0] + shares[1]) == sorted(str(row.task_id) for row in rows)
    assert [each.returncode for each in processes] == [0, 0]
    assert (await store.count()).live == 0


KILLED_WRITING = """
Tx.flush = die
await store.add([make_row(task_id=UUID(int=1))])
"""


async def test_who_is_killed_with_the_writers_lock_leaves_nothing_and_stops_nobody(
    store: LmdbStore, tmp_path: Path
) -> None:
    row = make_row()
    await store.add([row])
    for _ in range(2):
        assert await to_thread.run_sync(run, tmp_path, KILLED_WRITING) == (-9, "")
        assert ids(await (await Claimer.join(store)).claim()) in ([row.task_id], [])
    [view] = await store.find(ByIds(task_ids=[row.task_id]))
    assert view.status is TaskStatus.PROCESSING
    killed = make_row(task_id="00000000-0000-0000-0000-000000000001")
    assert await store.add([killed, row]) == [Added(), AlreadyKnown()]


KILLED_READING = """
Tx.queues = die
await store.count()
"""


async def test_who_is_killed_while_it_reads_does_not_fill_the_map(
    store: LmdbStore, tmp_path: Path
) -> None:
    """LMDB keeps the pages that it looked at until somebody looks whether it lives."""
    assert await to_thread.run_sync(run, tmp_path, KILLED_READING) == (-9, "")
    for _ in range(40):
        await store.add([make_row(payload={"a": "x" * MIB})])
        assert await store.purge(PurgeWaiting(queue_name="default")) == 1


FORK = """
if os.fork() == 0:
    async def child():
        try:
            await store.add([make_row()])
        except StoreClosed as error:
            print(error, flush=True)
        try:
            await LmdbStore(sys.argv[1], sync=False, map_size=16 * 1024**2).open()
        except StoreUnavailable as error:
            print(error, flush=True)
        os._exit(0)
    import threading
    threading.Thread(target=anyio.run, args=(child,)).start()
    threading.Event().wait()
os.wait()
print(len(await store.add([make_row()])), flush=True)
await store.close()
if os.fork() == 0:
    async def grandchild():
        mine = LmdbStore(sys.argv[1], sync=False, map_size=16 * 1024**2)
        await mine.open()
        print((await mine.count()).live, flush=True)
        os._exit(0)
    import threading
    threading.Thread(target=anyio.run, args=(grandchild,)).start()
    threading.Event().wait()
os.wait()
"""


async def test_a_child_of_a_fork_is_told_that_the_store_is_not_its_own(tmp_path: Path) -> None:
    code, out = await to_thread.run_sync(run, tmp_path, FORK)
    assert code == 0
    closed, refused, added, seen = out.splitlines()
    assert closed == "the lmdb store is not open; call its open() first"
    assert "was open when this process was forked; open it in the child only" in refused
    assert (added, seen) == ("1", "1")


@pytest.mark.slow
def test_what_a_killed_node_ran_is_run_by_another(tmp_path: Path) -> None:
    anyio.run(_kill_a_node, f"lmdb:{tmp_path}/jobs", tmp_path / "ledger")


async def _kill_a_node(url: str, ledger: Path) -> None:
    first, second = (
        Node(url, ledger, name, backend)
        for name, backend in (("first", "asyncio"), ("second", "trio"))
    )
    try:
        async with open_queue(url, **{**SETTINGS, "queues": []}) as client:
            await first.up()
            await second.up()
            task = TaskData(task_type="work", payload={"takes": 1}, retry_delay=0.01)
            task_id = await client.enqueue(task)
            await until(lambda: bool(read_ledger(ledger)))
            [begun] = read_ledger(ledger)
            dead = first if begun.node == first.name else second
            dead.kill()
            killed_at_s = time.monotonic()
            result = await client.wait(task_id, 30)
    finally:
        first.kill()
        second.kill()
    assert (result.status, result.result) == (TaskStatus.COMPLETED, 1)
    assert {line.node for line in read_ledger(ledger)} == {"first", "second"}
    assert overlaps(read_ledger(ledger), {dead.name: killed_at_s}) == []
