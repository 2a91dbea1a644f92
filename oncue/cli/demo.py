"""`oncue demo`: the main job on real input.

Each regular file below a folder becomes a task. The totals come from what the queue says of
each task in the end, so they are true after an interruption too.
"""

import logging
import os
import signal
import stat
import sys
import sysconfig
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import anyio
import structlog
from anyio import CancelScope, create_task_group, to_thread
from rich.console import Console
from rich.table import Table

from oncue.adapters import open_queue
from oncue.adapters.base import QueueBase
from oncue.cli.examine import examine_file, examine_source, file_uri
from oncue.cli.progress import show_progress
from oncue.runtime import Clock, SystemClock
from oncue.stores import TaskData, TaskResult, TaskStatus

BATCH = 200
RETRIES = 2
RETRY_DELAY_S = 0.1
DRAIN_S = 10.0
INTERRUPTED = 128 + signal.SIGINT


@dataclass(slots=True)
class Summary:
    """The totals over all tasks. `waiting` were not run: the demo was interrupted."""

    files: int = 0
    done: int = 0
    waiting: int = 0
    bytes: int = 0
    lines: int = 0
    functions: int = 0
    classes: int = 0
    retries: int = 0
    dead: Counter[str] = field(default_factory=Counter[str])
    seconds: float = 0.0
    interrupted: bool = False

    def add(self, result: TaskResult | None) -> None:
        """Count one task by how it stands."""
        self.files += 1
        if result is None:
            self.waiting += 1
            return
        self.retries += result.retry_count
        match result.status:
            case TaskStatus.COMPLETED:
                self.done += 1
                self.bytes += result.result["bytes"]
                self.lines += result.result["lines"]
                self.functions += result.result["functions"]
                self.classes += result.result["classes"]
            case TaskStatus.DEAD_LETTER:
                self.dead[(result.error or "?").partition(":")[0]] += 1
            case _:
                self.waiting += 1

    def table(self) -> Table:
        """For people; numbers without separators, so that they can be cut out and compared."""
        table = Table(box=None, show_header=False)
        ended = self.done + self.dead.total()
        rows: list[tuple[str, Any]] = [
            ("files", self.files),
            ("completed", self.done),
            ("bytes", self.bytes),
            ("lines", self.lines),
            ("functions", self.functions),
            ("classes", self.classes),
            ("seconds", f"{self.seconds:.2f}"),
            ("tasks per second", f"{ended / self.seconds:.0f}" if self.seconds else "0"),
            ("retries", self.retries),
            ("dead letters", self.dead.total()),
            *((f"  {reason}", count) for reason, count in sorted(self.dead.items())),
        ]
        if self.interrupted:
            rows.append(("not run", self.waiting))
        for name, value in rows:
            table.add_row(name, str(value))
        return table


def run_demo(directory: Path | None, *, backend: str, workers: int) -> int:
    """Run to the end, print the table, and return the exit status."""
    root = os.path.abspath(directory or sysconfig.get_path("stdlib"))
    console = Console(highlight=False)
    if not os.path.isdir(root):
        Console(stderr=True, highlight=False).print(f"oncue demo: {root} is no folder")
        return 2
    # Byte code written below the standard library while it is being counted would make the
    # count wrong, here and in the worker processes.
    sys.dont_write_bytecode = True
    # The table says what became of each failure; their log lines would drown it.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    summary = anyio.run(_demo, root, workers, console, SystemClock(), backend=backend)
    console.print(summary.table())
    return INTERRUPTED if summary.interrupted else 0


async def _demo(root: str, workers: int, console: Console, clock: Clock) -> Summary:
    queue = open_queue(
        "memory", max_workers=workers, result_cache_limit=sys.maxsize, when_full="wait"
    )
    queue.register_handler("file", examine_file)
    queue.register_handler("python source", examine_source)
    console.print(f"examining {root} with {workers} workers")
    summary = Summary()
    began = clock.monotonic()
    async with queue, create_task_group() as group:
        task_ids: list[str] = []
        with CancelScope() as work:
            group.start_soon(_stop_at_signal, work, summary)
            group.start_soon(show_progress, console, queue, task_ids)
            paths = regular_files(root, console)
            while batch := await to_thread.run_sync(_next_batch, paths):
                # Before the call: cancelled, it may have stored them all the same.
                task_ids += [str(task.task_id) for task in batch]
                await queue.enqueue_many(batch)
            for task_id in task_ids:
                await queue.wait(task_id)
        if summary.interrupted:
            await _drain(queue)
        for task_id in task_ids:
            summary.add(await queue.get_task_status(task_id))
        group.cancel_scope.cancel()
    summary.seconds = clock.monotonic() - began
    return summary


def regular_files(root: str, console: Console) -> Iterator[str]:
    """All that `find ROOT -type f` finds; what cannot be listed is said, and skipped."""

    def complain(error: OSError) -> None:
        console.print(f"cannot list {error.filename!r}: {error.strerror}")

    for folder, _, names in os.walk(root, onerror=complain):
        for name in names:
            path = os.path.join(folder, name)
            try:
                is_file = stat.S_ISREG(os.lstat(path).st_mode)
            except OSError as error:  # it has gone since it was listed
                complain(error)
                continue
            if is_file:
                yield path


def _next_batch(paths: Iterator[str]) -> list[TaskData]:
    return [
        TaskData(
            task_type="python source" if path.endswith(".py") else "file",
            queue_name="files",
            payload={"uri": file_uri(path)},
            max_retries=RETRIES,
            retry_delay=RETRY_DELAY_S,
        )
        for path in islice(paths, BATCH)
    ]


async def _stop_at_signal(work: CancelScope, summary: Summary) -> None:
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async for _ in signals:
            # A second Ctrl-C changes nothing: the drain is bounded.
            summary.interrupted = True
            work.cancel()


async def _drain(queue: QueueBase) -> None:
    """Start nothing more, and let what runs end."""
    await queue.pause_queue("files")
    with anyio.move_on_after(DRAIN_S):
        while (await queue.get_queue_info("files"))["processing_tasks"]:  # noqa: ASYNC110
            await anyio.sleep(0.05)  # what is running is the store's to say, and it says no more
