"""The memory queue beside its peers, how it grows, and where its microseconds go.

    uv run --group bench python benchmarks/memory_queue.py [rates] [growth] [profile] [--rounds 5]

rates: a no-op async handler, its result recorded, 10 workers, from the first enqueue until
the store says that nothing is live. Each measure is a process of its own; every round runs
each once, in the same order, so that a machine whose speed drifts drifts for all. Printed is
the median over the rounds, and its ratio to the fastest peer's; the ratio of the highest is what a
busy machine disturbs least. Each task is made
within the measured time, as the peers make theirs in their calls; "made before" leaves that
out. `memory_peers.py` says how each peer is set.

growth: the same rate with so many other tasks waiting, and what one that waits weighs: by how
much resident memory grew, less the payloads.

profile: a sampler (`sampler.py`) looks at the stack every few milliseconds of processor time; what
it sees is counted for the file on top, and for the part of a task's way that the stack is in.
"""

import argparse
import gc
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from itertools import islice
from pathlib import Path
from statistics import median
from time import perf_counter, process_time

import anyio
from sampler import WAY, Seen, sampled

from oncue import TaskData, open_queue
from oncue.adapters.base import QueueBase

WORKERS = 10
PRODUCERS = 10
BULK = 1000
"""Tasks in one `enqueue_many`."""
LOOK_S = 0.001
"""How often to look whether the last results are in, once all handlers have run."""
DEPTHS = (1_000, 10_000, 100_000, 1_000_000)
HERE = Path(__file__)


class Ran:
    """The handler, which counts how often it ran."""

    def __init__(self) -> None:
        self.count = 0
        self.wanted = 0
        self.reached = anyio.Event()

    async def handle(self, task: TaskData) -> int:
        self.count += 1
        if self.count == self.wanted:
            self.reached.set()
        return 1


def memory_queue(*, tracing: bool = False) -> QueueBase:
    return open_queue(
        "memory",
        max_tasks_per_queue=None,
        max_memory_usage=None,
        max_workers=WORKERS,
        result_cache_limit=1000,
        tracing=tracing,
    )


def new_tasks(count: int) -> Iterator[TaskData]:
    return (TaskData(task_type="noop") for _ in range(count))


async def one_by_one(queue: QueueBase, tasks: Iterator[TaskData]) -> None:
    """`enqueue`, from ten producers at once."""

    async def produce() -> None:
        for task in tasks:
            await queue.enqueue(task)

    async with anyio.create_task_group() as group:
        for _ in range(PRODUCERS):
            group.start_soon(produce)


async def in_bulk(queue: QueueBase, tasks: Iterator[TaskData]) -> None:
    while part := list(islice(tasks, BULK)):
        await queue.enqueue_many(part)


async def rate(
    count: int,
    enqueue: Callable[[QueueBase, Iterator[TaskData]], Awaitable[None]],
    *,
    made_before: bool = False,
    tracing: bool = False,
) -> float:
    """Tasks per second, from the first enqueue until nothing is live."""
    ran = Ran()
    ran.wanted = count
    queue = memory_queue(tracing=tracing)
    queue.register_handler("noop", ran.handle)
    async with queue:
        tasks = new_tasks(count)
        if made_before:
            tasks = iter(list(tasks))
            gc.collect()
        began = perf_counter()
        await enqueue(queue, tasks)
        await ran.reached.wait()
        while (await queue.get_queue_info())["job_count"]:  # noqa: ASYNC110
            await anyio.sleep(LOOK_S)
        return count / (perf_counter() - began)


async def traced_rate(
    count: int, enqueue: Callable[[QueueBase, Iterator[TaskData]], Awaitable[None]]
) -> float:
    """With each step logged as a line of JSON to a file, which `oncue trace` could read."""
    import structlog

    with tempfile.TemporaryFile("w") as lines:
        structlog.configure(
            processors=[
                structlog.contextvars.merge_contextvars,
                structlog.processors.add_log_level,
                structlog.processors.TimeStamper(fmt="iso"),
                structlog.processors.JSONRenderer(),
            ],
            logger_factory=structlog.WriteLoggerFactory(file=lines),
            cache_logger_on_first_use=True,
        )
        return await rate(count, enqueue, tracing=True)


async def logging_rate(
    count: int, enqueue: Callable[[QueueBase, Iterator[TaskData]], Awaitable[None]]
) -> float:
    """Tracing off, in a program that uses structlog: each task is bound to its context."""
    import structlog  # noqa: F401

    return await rate(count, enqueue)


OURS: dict[str, Callable[[int], Awaitable[float]]] = {
    "enqueue": lambda count: rate(count, one_by_one),
    "enqueue, made before": lambda count: rate(count, one_by_one, made_before=True),
    "enqueue_many": lambda count: rate(count, in_bulk),
    "enqueue_many, made before": lambda count: rate(count, in_bulk, made_before=True),
    "enqueue, structlog in use": lambda count: logging_rate(count, one_by_one),
    "enqueue, tracing on": lambda count: traced_rate(count, one_by_one),
}
BACKENDS = ("asyncio", "trio")
PEERS = (
    "taskiq InMemoryBroker",
    "taskiq, await_inplace",
    "pgqueuer in memory",
    "pgqueuer, batch 100",
    "pgqueuer, batch 100, bulk",
    "huey MemoryHuey",
    "repid in memory",
    "APScheduler 3.11",
    "APScheduler 3.11, threads",
    "dramatiq StubBroker",
)


def run_one(*arguments: str) -> list[float]:
    """One measure, in a process of its own."""
    command = [sys.executable, *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return [float(word) for word in done.stdout.split()]


def report_rates(rounds: int, tasks: int) -> None:
    ours = {
        f"oncue {name} ({backend})": [str(HERE), "--one", name, "--backend", backend]
        for name in OURS
        for backend in BACKENDS
    }
    peers = {name: [str(HERE.with_name("memory_peers.py")), name] for name in PEERS}
    rates: dict[str, list[float]] = {name: [] for name in (*ours, *peers)}
    for _ in range(rounds):
        # Neighbours in a table are neighbours in time.
        for name, arguments in (*peers.items(), *ours.items()):
            rates[name] += run_one(*arguments, *(["--tasks"] if name in ours else []), str(tasks))
    middle = {name: median(values) for name, values in rates.items()}
    fastest = max(peers, key=middle.__getitem__)
    print(f"\ntasks per second, median of {rounds} (lowest, highest); beside {fastest}")
    for name, values in rates.items():
        print(
            f"  {name:42} {middle[name]:>8.0f}  ({min(values):.0f}, {max(values):.0f})"
            f"  {middle[name] / middle[fastest]:.2f}"
            f"  {max(values) / max(rates[fastest]):.2f} by the highest"
        )


# -- growth ---------------------------------------------------------------------------------


async def growth(depth: int, moved: int) -> None:
    """Print the rates of adding and of draining `moved` on top of `depth`, and bytes a task."""
    ran = Ran()
    ran.wanted = moved
    queue = memory_queue()
    queue.register_handler("noop", ran.handle)
    async with queue:
        await queue.pause_queue()
        await in_bulk(queue, new_tasks(BULK))  # what is made once is made
        await queue.purge_queue()
        gc.collect()
        before = resident_bytes()
        await in_bulk(queue, growing_tasks(depth))
        gc.collect()
        payloads = (await queue.health_check())["memory_queue"]["memory_usage"]
        weight = (resident_bytes() - before - payloads) / depth
        began = perf_counter()
        await in_bulk(queue, growing_tasks(moved))
        added_s = perf_counter() - began
        began = perf_counter()
        await queue.resume_queue()
        await ran.reached.wait()
        drained_s = perf_counter() - began
        print(moved / added_s, moved / drained_s, weight, flush=True)
        os._exit(0)  # a million tasks are not to be taken apart


def growing_tasks(count: int) -> Iterator[TaskData]:
    return (TaskData(task_type="noop", payload={"number": number}) for number in range(count))


def resident_bytes() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def report_growth(rounds: int, moved: int) -> None:
    found: dict[tuple[str, int], list[list[float]]] = {
        (backend, depth): [] for backend in BACKENDS for depth in DEPTHS
    }
    for _ in range(rounds):
        for (backend, depth), rows in found.items():
            one = [str(HERE), "--growth", str(depth), "--backend", backend, "--tasks", str(moved)]
            rows.append(run_one(*one))
    print(f"\n{moved} tasks added by enqueue_many, then as many drained; median of {rounds}")
    for (backend, depth), rows in found.items():
        added, drained, weight = zip(*rows, strict=True)
        print(
            f"  {backend:8} {depth:>9,} waiting: {median(added):>7.0f} added/s"
            f"  {median(drained):>7.0f} drained/s ({min(drained):.0f}, {max(drained):.0f})"
            f"  {median(weight):>5.0f} bytes each"
        )


# -- profile --------------------------------------------------------------------------------

PARTS = {
    # The first of these that the stack holds, from the innermost, says what it is about.
    "new_tasks.<locals>.<genexpr>": "making TaskData (pydantic, id, clock)",
    "Ran.handle": "the handler itself",
    "MemoryStore.add": "store: add",
    "MemoryStore.exchange": "store: settle and claim",
    **WAY,
}


def profile(name: str, backend: str, count: int) -> None:
    """Sample one measure and print its shares, as microseconds of one task."""

    async def measured() -> tuple[float, Seen]:
        with sampled(PARTS) as seen:
            return await OURS[name](count), seen

    began_s = process_time()
    speed, seen = anyio.run(measured, backend=backend)
    one_us = (process_time() - began_s) / count * 1e6
    print(
        f"\n{name} on {backend}: {one_us:.1f} us of processor a task, {1e6 / speed:.1f} us in all"
    )
    seen.print(one_us=one_us)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("what", nargs="*", default=["rates", "growth", "profile"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tasks", type=int, default=20_000)
    parser.add_argument("--backend", choices=BACKENDS, default="asyncio", help=argparse.SUPPRESS)
    parser.add_argument("--one", choices=list(OURS), help=argparse.SUPPRESS)
    parser.add_argument("--growth", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(anyio.run(OURS[options.one], options.tasks, backend=options.backend))
        return
    if options.growth:
        anyio.run(growth, options.growth, options.tasks, backend=options.backend)
        return
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, load {os.getloadavg()}")
    if "rates" in options.what:
        report_rates(options.rounds, options.tasks)
    if "growth" in options.what:
        report_growth(options.rounds, options.tasks)
    if "profile" in options.what:
        for name in ("enqueue", "enqueue_many"):
            for backend in BACKENDS:
                profile(name, backend, 10 * options.tasks)


if __name__ == "__main__":
    main()
