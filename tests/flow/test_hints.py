"""Over PostgreSQL and SQLite, processes hear of each other; they poll once a minute here."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint

from oncue import QueueBase, TaskData, open_queue
from tests import servers
from tests.flow.kit import ok, task

pytestmark = pytest.mark.real_time

SOON_S = 3.0
"""Less than the 5 s after which leases are compared anyway."""


@pytest.fixture(params=["postgresql", "sqlite"])
def tables(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[servers.Tables]:
    sqlite = f"sqlite:///{tmp_path}/tasks.db"
    with servers.tables(sqlite if request.param == "sqlite" else servers.postgres_url()) as mine:
        yield mine


def make(tables: servers.Tables, **settings: Any) -> QueueBase:
    return open_queue(tables.url, sqlalchemy_tablename=tables.prefix, poll_interval=60, **settings)


async def test_a_task_enqueued_elsewhere_is_found_and_a_cancel_heard(
    tables: servers.Tables,
) -> None:
    worker, client = make(tables), make(tables, queues=[])
    begun, cancelled = anyio.Event(), anyio.Event()

    async def slow(task: TaskData) -> None:
        begun.set()
        try:
            await anyio.sleep(600)
        finally:
            cancelled.set()

    worker.register_handler("slow", slow)
    worker.register_handler("ok", ok)
    async with worker, client:
        await worker.wait(await worker.enqueue(task()))
        while (await client.health_check())["apscheduler_queue"]["nodes_alive"] != 1:
            await checkpoint()
        with anyio.fail_after(SOON_S):
            task_id = await client.enqueue(task("slow"))
            await begun.wait()
        await anyio.sleep(0.2)
        with anyio.fail_after(SOON_S):
            assert await client.cancel_task(task_id)
            await cancelled.wait()
