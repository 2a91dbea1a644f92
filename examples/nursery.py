"""Checksums of all files of a folder, in a trio nursery, as sha256sum prints them.

    uv run python examples/nursery.py FOLDER

The queue starts in the program's own nursery, and its handlers run in threads, a few at a time.
A full queue makes the producer wait: memory stays bounded however large the folder is. A file
that cannot be read is tried again, and then named on stderr.
"""

import hashlib
import os
import sys
from pathlib import Path

import structlog
import trio

from oncue import QueueBase, TaskData, TaskStatus, open_queue, task_handler

WORKERS = 4
WAITING_MAX = 100


@task_handler("checksum")
def checksum(task: TaskData) -> str:
    """A plain function: it runs in a thread."""
    with open(task.payload["path"], "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


async def enqueue_files(
    queue: QueueBase, root: Path, enqueued: trio.MemorySendChannel[tuple[str, str]]
) -> None:
    """One task for each file; waits while the queue is full, or nobody takes the results."""
    async with enqueued:
        for folder, folders, names in os.walk(root):
            folders.sort()
            for name in sorted(names):
                path = os.path.join(folder, name)
                task_id = await queue.create_task(
                    "checksum", {"path": path}, max_retries=1, retry_delay=0.1
                )
                await enqueued.send((task_id, path))


async def main(root: Path) -> int:
    """Print a line for each file, in order; 1 when one could not be read."""
    queue = open_queue(
        "memory", max_workers=WORKERS, max_tasks_per_queue=WAITING_MAX, when_full="wait"
    )
    queue.register_handler("checksum", checksum)
    status = 0
    async with trio.open_nursery() as nursery:
        await nursery.start(queue.run)
        sender, receiver = trio.open_memory_channel[tuple[str, str]](WAITING_MAX)
        nursery.start_soon(enqueue_files, queue, root, sender)
        async for task_id, path in receiver:
            result = await queue.wait(task_id)
            if result.status is TaskStatus.COMPLETED:
                print(f"{result.result}  {path}")
            else:
                print(f"{path}: {result.error}", file=sys.stderr)
                status = 1
        nursery.cancel_scope.cancel()  # drains the queue, then ends the nursery
    return status


if __name__ == "__main__":
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    sys.exit(trio.run(main, Path(sys.argv[1])))
