"""`oncue demo`: the main job on real input.

Each regular file below a folder becomes a task. The totals come from what the queue says of
each task in the end, so they are true after an interruption too.

On a durable store a run that was killed goes on when the demo is started again. A task of its
own, which never runs, stands for the run while it is not over; the id of each file's task is
made of the run's id and the file's name, so enqueuing it again changes nothing.
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
from datetime import UTC, datetime
from hashlib import sha256
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

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
from oncue.stores import DuplicateTask, StoreUnavailable, TaskData, TaskResult, TaskStatus

FILES = "files"
"""The queue."""
LOOK_S = 0.25
"""How often to look whether all have ended: a database reads the rows to count them."""
BATCH = 200
RETRIES = 2
RETRIES_DURABLE = 10
"""More, because a task whose process was killed has used up an attempt."""
RETRY_DELAY_S = 0.1
RUN = "demo run"
"""The type of the task that stands for a run: nobody handles it."""
FAR = datetime(2999, 1, 1, tzinfo=UTC)
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


def run_demo(directory: Path | None, *, backend: str, workers: int, store: str | None) -> int:
    """Run to the end, print the table, and return the exit status."""
    root = os.path.abspath(directory or sysconfig.get_path("stdlib"))
    console = Console(highlight=False)
    if not os.path.isdir(root):
        _complain(f"{root} is no folder")
        return 2
    # Byte code written below the standard library while it is being counted would make the
    # count wrong, here and in the worker processes.
    sys.dont_write_bytecode = True
    # The table says what became of each failure; their log lines would drown it.
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    if find_spec(backend) is None:
        _complain(f"{backend} is not installed: pip install {backend}")
        return 2
    try:
        queue = _open(store, workers)
    except (ValueError, ImportError) as error:
        _complain(str(error))
        return 2
    console.print(f"examining {root} with {workers} workers")
    demo = Demo(queue, root, console, SystemClock(), durable=store is not None)
    try:
        summary = anyio.run(demo.run, backend=backend)
    except (StoreUnavailable, RuntimeError) as failure:
        _complain(str(failure))
        return 1
    console.print(summary.table())
    if summary.interrupted and demo.durable:
        console.print("started again on this store, it goes on from here")
    return INTERRUPTED if summary.interrupted else 0


def _complain(what: str) -> None:
    # An extra's name stands in brackets, which are markup to rich.
    Console(stderr=True, highlight=False, markup=False, soft_wrap=True).print(f"oncue demo: {what}")


def _open(store: str | None, workers: int) -> QueueBase:
    if store is None:
        settings = {"result_cache_limit": sys.maxsize, "when_full": "wait"}
        queue = open_queue("memory", max_workers=workers, **settings)
    else:
        queue = open_queue(store, max_workers=workers, retry_exponential_base=1.0)
    queue.register_handler("file", examine_file)
    queue.register_handler("python source", examine_source)
    return queue


class Demo:
    """One run over the files below `root`."""

    def __init__(
        self, queue: QueueBase, root: str, console: Console, clock: Clock, *, durable: bool
    ) -> None:
        self.durable = durable
        self._queue = queue
        self._root = root
        self._console = console
        self._clock = clock
        self._summary = Summary()
        self._task_ids: list[str] = []

    async def run(self) -> Summary:
        """Until all files are examined, or a signal comes."""
        summary, queue = self._summary, self._queue
        began = self._clock.monotonic()
        async with queue, create_task_group() as group:
            await queue.resume_queue(FILES)  # an interrupted run has left it paused
            run_id = await self._begin_run()
            with CancelScope() as work:
                group.start_soon(_stop_at_signal, work, summary)
                group.start_soon(show_progress, self._console, queue, self._task_ids)
                await self._enqueue_files(run_id)
                while (await queue.get_queue_info(FILES))["job_count"]:  # noqa: ASYNC110
                    await anyio.sleep(LOOK_S)  # thousands end a second: nobody waits for each
            if summary.interrupted:
                await _drain(queue)
            for task_id in self._task_ids:
                summary.add(await queue.get_task_status(task_id))
            if not summary.interrupted:
                await queue.cancel_task(run_id)
            group.cancel_scope.cancel()
        summary.seconds = self._clock.monotonic() - began
        return summary

    async def _begin_run(self) -> UUID:
        """The id of a new run over this folder, or of the one that is not over."""
        run = TaskData(
            task_type=RUN, queue_name="demo", unique_key=self._run_key(), scheduled_at=FAR
        )
        try:
            await self._queue.enqueue(run)
        except DuplicateTask as unfinished:
            self._console.print("going on with a run that was not finished")
            return unfinished.live_task_id
        return run.task_id

    def _run_key(self) -> str:
        return sha256(os.fsencode(self._root)).hexdigest()

    async def _enqueue_files(self, run_id: UUID) -> None:
        paths = regular_files(self._root, self._console)
        while batch := await to_thread.run_sync(self._next_batch, paths, run_id):
            # Before the call: cancelled, it may have stored them all the same.
            self._task_ids += [str(task.task_id) for task in batch]
            await self._queue.enqueue_many(batch)

    def _next_batch(self, paths: Iterator[str], run_id: UUID) -> list[TaskData]:
        return [
            TaskData(
                task_id=uuid5(run_id, file_uri(path)),
                task_type="python source" if path.endswith(".py") else "file",
                queue_name=FILES,
                payload={"uri": file_uri(path)},
                max_retries=RETRIES_DURABLE if self.durable else RETRIES,
                retry_delay=RETRY_DELAY_S,
            )
            for path in islice(paths, BATCH)
        ]


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


async def _stop_at_signal(work: CancelScope, summary: Summary) -> None:
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async for _ in signals:
            # A second Ctrl-C changes nothing: the drain is bounded.
            summary.interrupted = True
            work.cancel()


async def _drain(queue: QueueBase) -> None:
    """Start nothing more, and let what runs end."""
    await queue.pause_queue(FILES)
    with anyio.move_on_after(DRAIN_S):
        while (await queue.get_queue_info(FILES))["processing_tasks"]:  # noqa: ASYNC110
            await anyio.sleep(0.05)  # what is running is the store's to say, and it says no more
