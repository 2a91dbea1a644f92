"""A memory queue on the test's virtual clock, and small things to say about tasks."""

from typing import Any

import anyio

from oncue.adapters.memory import MemoryQueue, MemorySettings
from oncue.runtime import SeededEntropy
from oncue.stores import TaskData, TaskStatus
from oncue.testing import VirtualClock


def make_queue(clock: VirtualClock, **settings: Any) -> MemoryQueue:
    """A queue that is not running yet."""
    return MemoryQueue(MemorySettings(**settings), clock=clock, entropy=SeededEntropy(1))


def task(task_type: str = "ok", **fields: Any) -> TaskData:
    return TaskData(task_type=task_type, **fields)


async def settled(queue: MemoryQueue) -> None:
    """Until nothing of the queue is live."""
    while (await queue.health_check())["memory_queue"]["total_tasks"]:  # noqa: ASYNC110
        await anyio.sleep(0.01)  # virtual


async def ok(task: TaskData) -> str:
    return "done"


async def fails(task: TaskData) -> None:
    raise ValueError(f"attempt {task.retry_count + 1}")


ENDED = {TaskStatus.COMPLETED, TaskStatus.CANCELLED, TaskStatus.DEAD_LETTER}
