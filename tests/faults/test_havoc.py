"""Three nodes, five queues, a random kill every second: what was acknowledged is completed.

The seed is in the test's name and decides who is killed when; the rest is up to the machine.
"""

import time
from collections import Counter
from pathlib import Path
from random import Random

import anyio
import pytest

from oncue import StoreUnavailable, TaskData, TaskStatus, open_queue
from oncue.adapters.base import QueueBase
from tests.faults.cluster import SETTINGS, Node, overlaps, read_ledger
from tests.faults.conftest import SharedStore

TASKS = 5000
TASKS_OF_SECANTUS = 500
QUEUES = 5
NODES = 3
BATCH = 25
PRODUCING_S = 10.0
KILL_S = 1.0
MIXED = ("asyncio", "trio")

pytestmark = [pytest.mark.slow, pytest.mark.real_time, pytest.mark.watchdog(180)]


class Havoc:
    """The cluster, who kills it, and who brings it work."""

    def __init__(self, store: SharedStore, folder: Path, seed: int) -> None:
        self.store = store
        self.ledger = folder / "ledger"
        self.random = Random(seed)
        self.tasks = TASKS_OF_SECANTUS if store.url.startswith("mongodb") else TASKS
        self.started = 0
        self.nodes: list[Node] = []
        self.ended_at_s: dict[str, float] = {}
        self.acknowledged: list[str] = []
        self.produced = anyio.Event()

    def start_node(self) -> None:
        name = f"node-{self.started}"
        backend = MIXED[self.started % 2]
        self.started += 1
        self.nodes.append(Node(self.store.url, self.ledger, name, backend, **self.store.settings))

    def kill(self, node: Node) -> None:
        self.nodes.remove(node)
        node.kill()
        self.ended_at_s[node.name] = time.monotonic()

    async def kill_and_start(self) -> None:
        while not self.produced.is_set():
            await anyio.sleep(KILL_S)
            self.kill(self.random.choice(self.nodes))
            self.start_node()

    async def produce(self, queue: QueueBase) -> None:
        """Until all are acknowledged; what was not is brought again under the same ids."""
        for start in range(0, self.tasks, BATCH):
            tasks = [
                TaskData(
                    task_type="work",
                    queue_name=f"queue-{self.random.randrange(QUEUES)}",
                    payload={"takes": self.random.choice([0, 0, 0, 0.05])},
                    max_retries=1000,
                    retry_delay=0.01,
                    timeout=60 + start,
                )
                for _ in range(BATCH)
            ]
            while True:
                try:
                    self.acknowledged += await queue.enqueue_many(tasks)
                    break
                except StoreUnavailable:
                    await anyio.sleep(0.1)
            await anyio.sleep(PRODUCING_S * BATCH / self.tasks)
        self.produced.set()


@pytest.mark.long
@pytest.mark.parametrize("seed", [1])
async def test_whatever_is_killed_every_acknowledged_task_is_completed(
    shared_store: SharedStore, tmp_path: Path, seed: int
) -> None:
    """D1.1."""
    havoc = Havoc(shared_store, tmp_path, seed)
    client = open_queue(shared_store.url, **{**SETTINGS, **shared_store.settings, "queues": []})
    try:
        for _ in range(NODES):
            havoc.start_node()
        async with client:
            async with anyio.create_task_group() as group:
                group.start_soon(havoc.kill_and_start)
                await havoc.produce(client)
            results = [await client.wait(task_id, 60) for task_id in havoc.acknowledged]
            statuses = Counter(result.status for result in results)
            assert statuses == {TaskStatus.COMPLETED: havoc.tasks}
            for name in await client.list_queues():
                assert (await client.get_queue_info(name))["job_count"] == 0
        for node in list(havoc.nodes):
            await node.stop()
            havoc.nodes.remove(node)
    finally:
        for node in list(havoc.nodes):
            havoc.kill(node)
    assert overlaps(read_ledger(havoc.ledger), havoc.ended_at_s) == []
    assert havoc.started > NODES + 3  # or there was no havoc
