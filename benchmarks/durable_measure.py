"""One measure of one durable queue, in this process; `durable_queue.py` runs it for each.

    python benchmarks/durable_measure.py CONTENDER MEASURE URL COUNT [--loop asyncio|uvloop|trio]

prints a line "figures: ..." with one or two numbers.

install     make the tables in an empty database
load        enqueue COUNT tasks by the bulk call, or one by one where there is none
enqueue     tasks a second, one by one from 100 callers, each waiting for its commit
enqueue-1   the same from one caller
bulk        tasks a second, 1000 a call
drain       tasks a second of COUNT loaded no-ops, from the start of the first to the moment that
            the ends of all are recorded
claim       tasks a second of the first COUNT of more loaded ones, until COUNT have started
latency     milliseconds from before the call that enqueues, in another process, to the handler's
            start, at 50 tasks a second: the median and the 99th of 100, without the first second
near        the same with both in one process (OnCue)
idle        percent of a processor that a worker takes with nothing to do for COUNT seconds, and
            that it makes its server take, where there is one
produce     what `latency` runs as the other process
"""

import argparse
import logging
import os
import sys
from collections.abc import Awaitable, Callable
from statistics import median, quantiles
from time import perf_counter, process_time

import anyio
from durable_ours import OnCue
from durable_peers import (
    ChancyPeer,
    Contender,
    HueyPeer,
    ObanPeer,
    PgQueuerPeer,
    Producer,
)
from durable_redis_peers import ON_REDIS
from mongodb_servers import mongodb_seconds
from redis_servers import redis_seconds
from servers import server_seconds

CALLERS = 100
BULK = 1000
A_SECOND = 50
LOOK_S = 0.005
SETTLE_S = 1.0
FIGURES = "figures:"

CONTENDERS: dict[str, Callable[[str], Contender]] = {
    "pgqueuer": lambda url: PgQueuerPeer(url, batch=100),
    "pgqueuer, batch 1000": lambda url: PgQueuerPeer(url, batch=1000),
    "pgqueuer, psycopg": lambda url: PgQueuerPeer(url, batch=100, driver="psycopg"),
    "chancy": lambda url: ChancyPeer(url, concurrency=1000, write_s=0.05),
    "oban, 100 at once": lambda url: ObanPeer(url, limit=100),
    "oban": lambda url: ObanPeer(url, limit=1000),
    "huey": lambda url: HueyPeer(url, workers=1),
    "huey, 4 threads": lambda url: HueyPeer(url, workers=4),
    **ON_REDIS,
    "oncue": lambda url: OnCue(url=url, settings={"max_workers": 100}),
    "oncue, 1000 workers": lambda url: OnCue(url=url, settings={"max_workers": 1000}),
    "oncue, no results": lambda url: OnCue(url=url, settings={"max_workers": 100, "result_ttl": 0}),
    "oncue, 1000 workers, no results": lambda url: OnCue(
        url=url, settings={"max_workers": 1000, "result_ttl": 0}
    ),
    "oncue, polls every 10 ms": lambda url: OnCue(
        url=url, settings={"max_workers": 100, "poll_interval": 0.01}
    ),
}


SERVER_SECONDS = {
    "postgresql": server_seconds,
    "unix": redis_seconds,
    "mongodb": mongodb_seconds,
}


class Started:
    """The handler: how many started, when the first did, and how long each had waited."""

    def __init__(self) -> None:
        self.count = 0
        self.first_at = 0.0
        self.waited_ms: list[float] = []

    def handle(self, sent_at: float | None) -> None:
        now = perf_counter()
        if not self.count:
            self.first_at = now
        self.count += 1
        if sent_at is not None:
            self.waited_ms.append((now - sent_at) * 1e3)

    async def reach(self, count: int) -> None:
        while self.count < count:  # noqa: ASYNC110 (handlers may run in threads)
            await anyio.sleep(LOOK_S)


async def install(contender: Contender, url: str, count: int) -> None:
    await contender.install()


async def load(contender: Contender, url: str, count: int) -> None:
    async with contender.producer() as producer:
        if producer.many is None:
            await from_callers(producer, count, 1)
        else:
            await in_bulk(producer.many, count)


async def enqueue(contender: Contender, url: str, count: int) -> None:
    await enqueue_rate(contender, count, CALLERS)


async def enqueue_alone(contender: Contender, url: str, count: int) -> None:
    await enqueue_rate(contender, count, 1)


async def enqueue_rate(contender: Contender, count: int, callers: int) -> None:
    async with contender.producer() as producer:
        await from_callers(producer, callers, callers)  # connections, caches
        began = perf_counter()
        await from_callers(producer, count, callers)
        say(count / (perf_counter() - began))


async def from_callers(producer: Producer, count: int, callers: int) -> None:
    if producer.from_callers is not None:
        await producer.from_callers(count, callers)
        return

    async def call() -> None:
        for _ in range(count // callers):
            await producer.one(None)

    async with anyio.create_task_group() as group:
        for _ in range(callers):
            group.start_soon(call)


async def bulk(contender: Contender, url: str, count: int) -> None:
    async with contender.producer() as producer:
        assert producer.many is not None
        await producer.many(BULK)
        began = perf_counter()
        await in_bulk(producer.many, count)
        say(count / (perf_counter() - began))


async def in_bulk(many: Callable[[int], Awaitable[object]], count: int) -> None:
    for done in range(0, count, BULK):
        await many(min(BULK, count - done))


async def drain(contender: Contender, url: str, count: int) -> None:
    started = Started()
    async with contender.worker(started.handle):
        await started.reach(count)
        while not await contender.all_recorded(count):  # noqa: ASYNC110
            await anyio.sleep(LOOK_S)
        took = perf_counter() - started.first_at
        # Others may run a task twice: saq's sweeper puts back what it takes for stuck.
        assert started.count == count or not isinstance(contender, OnCue)
        end_with(count / took)


async def claim(contender: Contender, url: str, count: int) -> None:
    started = Started()
    async with contender.worker(started.handle):
        await started.reach(count)
        end_with(started.count / (perf_counter() - started.first_at))


async def latency(contender: Contender, url: str, count: int) -> None:
    started = Started()
    async with contender.worker(started.handle):
        await anyio.sleep(SETTLE_S)
        command = [sys.executable, __file__, *sys.argv[1:]]
        command[command.index("latency")] = "produce"
        producing = await anyio.open_process(command)
        await started.reach(count)
        await producing.wait()
        end_with(*of_100(started.waited_ms))


async def near(contender: Contender, url: str, count: int) -> None:
    assert isinstance(contender, OnCue)
    started = Started()
    async with contender.worker_that_produces(started.handle) as producer:
        await anyio.sleep(SETTLE_S)
        await at_a_pace(producer, count)
        await started.reach(count)
        end_with(*of_100(started.waited_ms))


async def produce(contender: Contender, url: str, count: int) -> None:
    async with contender.producer() as producer:
        await at_a_pace(producer, count)


async def at_a_pace(producer: Producer, count: int) -> None:
    """A slow call delays no other."""
    began = perf_counter()
    async with anyio.create_task_group() as group:
        for number in range(count):
            await anyio.sleep(max(0.0, began + number / A_SECOND - perf_counter()))
            group.start_soon(producer.one, perf_counter())


def of_100(waited_ms: list[float]) -> tuple[float, float]:
    later = waited_ms[A_SECOND:]
    return median(later), quantiles(later, n=100)[98]


async def idle(contender: Contender, url: str, count: int) -> None:
    async with contender.worker(Started().handle):
        await anyio.sleep(SETTLE_S)
        seconds_of = SERVER_SECONDS.get(url.partition(":")[0], lambda _url: 0.0)
        served = seconds_of(url)
        used = process_time()
        await anyio.sleep(count)
        used = process_time() - used
        end_with(100 * used / count, 100 * (seconds_of(url) - served) / count)


def end_with(*figures: float) -> None:
    """Leave at once: how a worker stops is not measured."""
    say(*figures)
    os._exit(0)


def say(*figures: float) -> None:
    """On a line that is told from what a library logs."""
    print(FIGURES, *figures, flush=True)


MEASURES: dict[str, Callable[[Contender, str, int], Awaitable[None]]] = {
    "install": install,
    "load": load,
    "enqueue": enqueue,
    "enqueue-1": enqueue_alone,
    "bulk": bulk,
    "drain": drain,
    "claim": claim,
    "latency": latency,
    "near": near,
    "idle": idle,
    "produce": produce,
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("contender", choices=list(CONTENDERS))
    parser.add_argument("measure", choices=list(MEASURES))
    parser.add_argument("url")
    parser.add_argument("count", type=int)
    parser.add_argument("--loop", choices=("asyncio", "uvloop", "trio"), default="asyncio")
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    contender = CONTENDERS[options.contender](options.url)
    anyio.run(
        MEASURES[options.measure],
        contender,
        options.url,
        options.count,
        backend="trio" if options.loop == "trio" else "asyncio",
        backend_options={"use_uvloop": True} if options.loop == "uvloop" else None,
    )


if __name__ == "__main__":
    main()
