"""A node that is killed, frozen, cut off or blocked: its tasks go on elsewhere, once at a time.

Four faults and not one: a killed node says nothing more, a frozen one comes back and believes
that it still owns what it had, one that is cut off works on and cannot be told, and one whose
loop is blocked can neither beat nor notice that it did not.
"""

import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from oncue import TaskData, TaskStatus, open_queue
from oncue.adapters.base import QueueBase
from tests.faults.cluster import BEAT_S, SETTINGS, Line, Node, overlaps, read_ledger, until
from tests.faults.conftest import SharedStore
from tests.faults.proxy import Proxy

DEAD_S = 4 * BEAT_S

pytestmark = [pytest.mark.slow, pytest.mark.real_time]


class Cluster:
    """Nodes on one store, and a client that works nothing itself."""

    def __init__(self, store: SharedStore, folder: Path, client: QueueBase) -> None:
        self.store = store
        self.client = client
        self.ledger = folder / "ledger"
        self.nodes: list[Node] = []
        self.ended_at_s: dict[str, float] = {}

    async def start(self, name: str, *, url: str | None = None, **settings: Any) -> Node:
        backend = ("asyncio", "trio")[len(self.nodes) % 2]
        settings = {**self.store.settings, **settings}
        node = Node(url or self.store.url, self.ledger, name, backend, **settings)
        self.nodes.append(node)
        await node.up()
        return node

    def kill(self, node: Node) -> None:
        node.kill()
        self.ended_at_s[node.name] = time.monotonic()

    def lines(self, what: str, node: str) -> list[Line]:
        return [line for line in read_ledger(self.ledger) if (line.what, line.node) == (what, node)]

    async def wait_for(self, what: str, node: str) -> None:
        await until(lambda: bool(self.lines(what, node)))

    def overlaps(self) -> list[tuple[Line, Line]]:
        return overlaps(read_ledger(self.ledger), self.ended_at_s)


@pytest.fixture
async def cluster(shared_store: SharedStore, tmp_path: Path) -> AsyncIterator[Cluster]:
    client = open_queue(shared_store.url, **{**SETTINGS, **shared_store.settings, "queues": []})
    cluster = Cluster(shared_store, tmp_path, client)
    try:
        async with client:
            yield cluster
    finally:
        for node in cluster.nodes:
            node.kill()


def slow(takes_s: float, task_type: str = "work", **fields: Any) -> TaskData:
    fields = {"retry_delay": 0.01, **fields}
    return TaskData(task_type=task_type, payload={"takes": takes_s}, **fields)


async def test_what_a_killed_node_ran_is_run_by_another_and_that_counts(cluster: Cluster) -> None:
    """D1.2, D1.4."""
    first = await cluster.start("first")
    task_id = await cluster.client.enqueue(slow(1))
    await cluster.wait_for("begin", "first")
    cluster.kill(first)
    await cluster.start("second")
    result = await cluster.client.wait(task_id, 30)
    assert (result.status, result.result) == (TaskStatus.COMPLETED, 1)
    assert cluster.overlaps() == []


@pytest.mark.long
@pytest.mark.watchdog(120)
async def test_a_kill_at_any_commit_loses_nothing(cluster: Cluster) -> None:
    """D1.1. After the first, the second, ... until a node lives to its orderly end, all work done.

    Each takes over from the one before it, under the same name. A kill before a commit leaves the
    store as one after the last does.
    """
    client, ids, killed = cluster.client, list[str](), 0
    while True:
        tasks = [slow(0, max_retries=1000)]
        ids += await client.enqueue_many(tasks)
        node = await cluster.start("doomed", death=("after", str(killed + 1)))
        with anyio.fail_after(30):
            while node.returncode is None and (await client.get_queue_info())["job_count"]:  # noqa: ASYNC110
                await anyio.sleep(0.05)
        node.ask_to_stop()
        await node.ended()
        if node.returncode == 0:
            break
        assert node.returncode == -signal.SIGKILL, node.said
        killed += 1
    assert killed > 2
    results = [await client.get_task_status(each) for each in ids]
    assert {result and result.status for result in results} == {TaskStatus.COMPLETED}
    assert await client.get_dead_letter_tasks() == []


async def test_a_task_that_kills_its_nodes_ends_as_a_dead_letter(cluster: Cluster) -> None:
    """D1.4."""
    task_id = await cluster.client.enqueue(slow(0, "die", max_retries=1))
    for name in ("first", "second"):
        node = await cluster.start(name)
        await node.ended()
    await cluster.start("third")
    result = await cluster.client.wait(task_id, 30)
    assert (result.status, result.error) == (TaskStatus.DEAD_LETTER, "node lost")
    assert len(read_ledger(cluster.ledger)) == 2


async def test_the_late_outcome_of_a_frozen_node_is_refused(cluster: Cluster) -> None:
    """D1.3, D1.6. SIGSTOP past the lease, then SIGCONT: the other node's outcome stands."""
    first = await cluster.start("first")
    task_id = await cluster.client.enqueue(slow(1))
    await cluster.wait_for("begin", "first")
    first.freeze()
    await cluster.start("second")
    result = await cluster.client.wait(task_id, 30)
    first.thaw()
    assert (result.status, result.result) == (TaskStatus.COMPLETED, 1)
    # It was told, or knew by its own clock; it joins anew and works on.
    await until(lambda: bool(cluster.lines("cut", "first") or cluster.lines("end", "first")))
    await cluster.nodes[1].stop()
    again = await cluster.client.enqueue(slow(0))
    assert (await cluster.client.wait(again, 30)).status is TaskStatus.COMPLETED
    assert cluster.lines("end", "first")[-1].task_id == again
    status = await cluster.client.get_task_status(task_id)
    assert status is not None
    assert (status.result, status.worker_id) == (1, result.worker_id)


async def test_a_node_that_is_cut_off_stops_before_another_begins(
    cluster: Cluster, proxy: Proxy
) -> None:
    """D1.6. It cannot be told, so it gives itself up: the two attempts do not overlap."""
    await cluster.start("first", url=proxy.url)
    task_id = await cluster.client.enqueue(slow(4 * DEAD_S))
    await cluster.wait_for("begin", "first")
    proxy.cut()
    await cluster.start("second")
    await cluster.wait_for("begin", "second")
    assert cluster.lines("cut", "first")
    assert cluster.overlaps() == []
    await cluster.client.cancel_task(task_id)
    await cluster.wait_for("cut", "second")
    proxy.mend()
    await cluster.nodes[1].stop()
    again = await cluster.client.enqueue(slow(0))
    assert (await cluster.client.wait(again, 30)).status is TaskStatus.COMPLETED


async def test_a_node_whose_loop_was_blocked_does_not_pass_for_alive(cluster: Cluster) -> None:
    """D1.6."""
    await cluster.start("first", queues=["blocking"])
    await cluster.start("second")
    task_id = await cluster.client.enqueue(slow(2 * DEAD_S, "block", queue_name="blocking"))
    await until(lambda: bool(read_ledger(cluster.ledger)))
    result = await cluster.client.wait(task_id, 30)
    assert (result.status, result.retry_count) == (TaskStatus.COMPLETED, 1)
    # Whoever was blocked comes back, and both work.
    await until(lambda: sum(line.what != "begin" for line in read_ledger(cluster.ledger)) == 2)
    await anyio.sleep(2 * BEAT_S)
    many = await cluster.client.enqueue_many([slow(0.2, queue_name="blocking") for _ in range(40)])
    with anyio.fail_after(30):
        for each in many:
            assert (await cluster.client.wait(each)).status is TaskStatus.COMPLETED
    assert {line.node for line in read_ledger(cluster.ledger) if line.task_id in many} == {
        "first",
        "second",
    }


async def test_cancel_pause_and_wait_work_across_nodes(cluster: Cluster) -> None:
    """D2.4."""
    await cluster.start("first")
    client = cluster.client
    running = await client.enqueue(slow(60))
    await cluster.wait_for("begin", "first")
    assert await client.cancel_task(running)
    assert (await client.wait(running, 10)).status is TaskStatus.CANCELLED
    await cluster.wait_for("cut", "first")
    await client.pause_queue()
    waiting = await client.enqueue(slow(0))
    with pytest.raises(TimeoutError):
        await client.wait(waiting, 1)
    await client.resume_queue()
    assert (await client.wait(waiting, 10)).status is TaskStatus.COMPLETED
