"""Where the microseconds of a drained task go: the server, the store on our side, the worker.

    uv run --group bench --all-extras python benchmarks/durable_profile.py [redis] [mongodb]
        [--tasks 50000] [--fsync everysec] [--batch 100]

Loaded no-ops are drained twice from copies of one database, on asyncio and on trio:

- by a queue with 100 workers, results recorded, under a sampler (`sampler.py`);
- by the store alone, with no actors: one call after another that settles what the last one
  claimed, `--batch` at a time.

Each time the processor time of this process and of the server is taken, the same of both for a
task. What the store alone takes here is its side, and what the queue takes more is the worker's:
actors, handlers, JSON. Where both sides have a processor, the slower one sets the pace; the wall
clock of the store alone, whose call waits for the server, is about both added.
"""

import argparse
import os
import platform
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from time import perf_counter, process_time
from typing import Any

import anyio
from durable_measure import SERVER_SECONDS, Started, in_bulk
from durable_ours import OnCue
from mongodb_servers import mongodb
from redis_servers import FSYNC, redis
from sampler import KERNEL, WAY, Seen, sampled
from servers import Databases

from oncue.stores import Claim, Claims, Done, Settlement, Store, first_lease

NODE = "profile"
QUEUE = "default"
WORKERS = 100
LOOK_S = 0.005
TASKS = {"redis": 50_000, "mongodb": 2_000}
"""MongoDB's stand-in is slow by itself."""
PARTS = {
    "Started.handle": "the handler itself",
    "claimed_of": "store: reading what was claimed",
    "exchange_arguments": "store: writing what is sent",
    "RedisStore.exchange": "store: settle and claim",
    "MongoStore.exchange": "store: settle and claim",
    **WAY,
}
PLACES = {
    "/coredis/": "driver: sends, reads and parses",
    "/pymongo/": "driver: sends, reads and parses",
    "/stores/": "store: settle and claim",
    **KERNEL,
}


@dataclass(frozen=True, slots=True)
class Took:
    """Seconds."""

    wall: float
    ours: float
    server: float

    def shown(self, count: int) -> str:
        wall, ours, server = (each / count * 1e6 for each in (self.wall, self.ours, self.server))
        return (
            f"{wall:6.1f} us a task ({count / self.wall:,.0f} a second), "
            f"processor {ours:.1f} us here and {server:.1f} us in the server"
        )


async def timed(url: str, work: Callable[[], Awaitable[object]]) -> Took:
    seconds_of = SERVER_SECONDS[url.partition(":")[0]]
    served, ours, began = seconds_of(url), process_time(), perf_counter()
    await work()
    wall, used = perf_counter() - began, process_time() - ours
    return Took(wall=wall, ours=used, server=seconds_of(url) - served)


async def by_the_queue(url: str, count: int) -> tuple[Took, Seen]:
    contender, started = OnCue(url=url, settings={"max_workers": WORKERS}), Started()

    async def drain() -> None:
        async with contender.worker(started.handle):
            await started.reach(count)
            while not await contender.all_recorded(count):  # noqa: ASYNC110
                await anyio.sleep(LOOK_S)

    with sampled(PARTS, PLACES) as seen:
        return await timed(url, drain), seen


async def by_the_store(url: str, count: int, batch: int) -> Took:
    store = open_store(url)
    await store.open()
    lease = first_lease(await store.join(NODE))

    async def drain() -> None:
        nonlocal lease
        ended: Sequence[Settlement] = []
        claimed = 0
        while claimed < count or ended:
            claims = Claims(
                node=NODE,
                first_lease=lease,
                task_types=frozenset({"noop"}),
                queues=[Claim(queue_name=QUEUE, limit=batch)],
            )
            found = (await store.exchange(ended, claims)).claimed
            lease += len(found)
            claimed += len(found)
            ended = [
                Done(
                    task_id=each.row.task_id,
                    lease=each.lease,
                    result=b"1",
                    execution_s=0.0,
                    worker_id=NODE,
                )
                for each in found
            ]

    took = await timed(url, drain)
    await store.close()
    return took


def open_store(url: str) -> Store:
    if url.startswith("mongodb"):
        from oncue.stores.mongo import MongoStore

        return MongoStore(url)
    from oncue.stores.redis import RedisStore

    return RedisStore(url)


async def load(url: str, count: int) -> None:
    contender = OnCue(url=url)
    await contender.install()
    async with contender.producer() as producer:
        assert producer.many is not None
        await in_bulk(producer.many, count)


def report(name: str, databases: Databases, count: int, batch: int) -> None:
    loaded = databases.new()
    anyio.run(load, loaded, count)
    databases.settle(loaded)
    for backend in ("asyncio", "trio"):

        def on_a_copy(work: Callable[..., Awaitable[Any]], *words: object) -> Any:
            address = databases.copy(loaded)
            databases.rest()
            try:
                return anyio.run(work, address, *words, backend=backend)  # noqa: B023
            finally:
                databases.drop(address)

        alone = on_a_copy(by_the_store, count, batch)
        whole, seen = on_a_copy(by_the_queue, count)
        print(f"\n{name} on {backend}, {count:,} tasks")
        print(f"  the store alone, {batch} a call: {alone.shown(count)}")
        print(f"  the queue, {WORKERS} workers:    {whole.shown(count)}")
        worker_us = (whole.ours - alone.ours) / count * 1e6
        print(f"  so the worker's side, processor: {worker_us:.1f} us a task")
        seen.print(one_us=whole.ours / count * 1e6)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("stores", nargs="*", default=["redis", "mongodb"])
    parser.add_argument("--tasks", type=int)
    parser.add_argument("--fsync", choices=FSYNC, default=FSYNC[0], help="when Redis writes")
    parser.add_argument("--batch", type=int, default=WORKERS)
    options = parser.parse_args()
    servers = {"redis": lambda: redis(options.fsync), "mongodb": mongodb}
    if unknown := set(options.stores) - set(servers):
        parser.error(f"{', '.join(unknown)}: not one of {', '.join(servers)}")
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, load {os.getloadavg()}")
    for name in options.stores:
        with servers[name]() as databases:
            report(name, databases, options.tasks or TASKS[name], options.batch)


if __name__ == "__main__":
    main()
