"""OnCue on one database, for `durable_measure.py`: the queue that `open_queue(URL)` gives."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from durable_peers import Handle, Producer

from oncue import TaskData, open_queue
from oncue.adapters.base import QueueBase


@dataclass(kw_only=True)
class OnCue:
    """`settings` are the worker's; a producer has no workers, so it is no node of the store."""

    url: str
    settings: dict[str, Any] = field(default_factory=dict[str, Any])
    _queue: QueueBase | None = None

    async def install(self) -> None:
        async with open_queue(self.url, queues=[]):
            """The first queue that opens a store makes its tables."""

    @asynccontextmanager
    async def producer(self) -> AsyncIterator[Producer]:
        async with open_queue(self.url, queues=[]) as queue:
            yield producer_on(queue)

    @asynccontextmanager
    async def worker(self, handle: Handle) -> AsyncIterator[None]:
        async def noop(task: TaskData) -> int:
            handle(task.payload.get("sent_at"))
            return 1

        queue = open_queue(self.url, **self.settings)
        queue.register_handler("noop", noop)
        async with queue:
            self._queue = queue
            yield

    @asynccontextmanager
    async def worker_that_produces(self, handle: Handle) -> AsyncIterator[Producer]:
        """Both in one queue, as in a program that works its own tasks."""
        async with self.worker(handle):
            assert self._queue is not None
            yield producer_on(self._queue)

    async def all_recorded(self, count: int) -> bool:
        assert self._queue is not None
        return not (await self._queue.get_queue_info())["job_count"]


def producer_on(queue: QueueBase) -> Producer:
    async def one(sent_at: float | None) -> None:
        payload = {} if sent_at is None else {"sent_at": sent_at}
        await queue.enqueue(TaskData(task_type="noop", payload=payload))

    async def many(count: int) -> None:
        await queue.enqueue_many([TaskData(task_type="noop") for _ in range(count)])

    return Producer(one=one, many=many)
