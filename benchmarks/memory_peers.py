"""In-memory task queues of others, each at its best documented setting. One measure:

    python benchmarks/memory_peers.py PEER COUNT

runs COUNT no-op tasks by 10 workers, from the first enqueue until the last one's end is
recorded, and prints tasks per second. Messages are made within the measured time, as each
library makes them in its call. `memory_queue.py` runs this, in a process for each measure.

What a peer records: taskiq, huey and dramatiq the result; pgqueuer the status, in its log;
repid that the message is acknowledged; APScheduler an event with the return value.
"""

import asyncio
import logging
import sys
import threading
from collections.abc import Awaitable, Callable
from time import perf_counter, sleep

WORKERS = 10
PRODUCERS = 10
BULK = 1000
POLL_S = 0.01
LOOK_S = 0.001
"""How often to look whether the last results are in, once all handlers have run."""


async def from_producers(count: int, enqueue: Callable[[], Awaitable[object]]) -> None:
    """Enqueue one by one, from ten tasks at once."""

    async def produce() -> None:
        for _ in range(count // PRODUCERS):
            await enqueue()

    async with asyncio.TaskGroup() as group:
        for _ in range(PRODUCERS):
            group.create_task(produce())


async def taskiq(count: int, *, in_place: bool) -> float:
    """Arguments are not cast (there are none); room for all results, so that none is dropped.

    Its `max_async_tasks` limits a listening worker, not this broker: all run at once.
    """
    from taskiq import InMemoryBroker

    broker = InMemoryBroker(
        max_async_tasks=WORKERS, max_stored_results=-1, cast_types=False, await_inplace=in_place
    )

    @broker.task
    async def noop() -> int:
        return 1

    await broker.startup()
    try:
        began = perf_counter()
        await from_producers(count, noop.kiq)
        await broker.wait_all()
        took = perf_counter() - began
        assert len(broker.result_backend.results) == count
    finally:
        await broker.shutdown()
    return count / took


async def pgqueuer(count: int, *, bulk: int, batch: int) -> float:
    """`batch` jobs are claimed at once; at least twice as many must be allowed to run."""
    from pgqueuer import PgQueuer

    queuer = PgQueuer.in_memory()
    queries = queuer.qm.queries
    ran = 0

    @queuer.entrypoint("noop")
    async def noop(job: object) -> None:
        nonlocal ran
        ran += 1

    async def enqueue() -> None:
        if bulk > 1:
            await queries.enqueue(["noop"] * bulk, [b"{}"] * bulk, [0] * bulk)
        else:
            await queries.enqueue("noop", b"{}")

    worker = asyncio.create_task(
        queuer.qm.run(batch_size=batch, max_concurrent_tasks=max(WORKERS, 2 * batch))
    )
    await asyncio.sleep(0.05)
    began = perf_counter()
    if bulk > 1:
        for _ in range(count // bulk):
            await enqueue()
    else:
        await from_producers(count, enqueue)
    while ran < count or await queries.queue_size():  # noqa: ASYNC110
        await asyncio.sleep(LOOK_S)
    took = perf_counter() - began
    queuer.shutdown.set()
    worker.cancel()
    await asyncio.wait([worker])
    return count / took


async def repid(count: int) -> float:
    from repid import InMemoryServer, Repid, Router

    app = Repid()
    server = InMemoryServer()
    app.servers.register_server("memory", server, is_default=True)
    router = Router()

    @router.actor(channel="noop")
    async def noop() -> None: ...

    app.include_router(router)
    async with server.connection():
        began = perf_counter()
        worker = asyncio.create_task(
            app.run_worker(messages_limit=count, tasks_limit=WORKERS, register_signals=[])
        )
        await from_producers(
            count,
            lambda: app.send_message(channel="noop", payload=b"", headers={"topic": "noop"}),
        )
        done = await worker
        took = perf_counter() - began
        assert done.processed == count
    return count / took


async def apscheduler(count: int) -> float:
    """APScheduler 3.11 in the event loop, where nothing limits how many run at once."""
    from apscheduler.events import EVENT_JOB_EXECUTED
    from apscheduler.schedulers.asyncio import AsyncIOScheduler

    ran = 0

    async def noop() -> int:
        return 1

    def note(event: object) -> None:
        nonlocal ran
        ran += 1

    scheduler = AsyncIOScheduler(timezone="UTC")
    scheduler.add_listener(note, EVENT_JOB_EXECUTED)
    scheduler.start()

    async def enqueue() -> None:
        scheduler.add_job(noop, misfire_grace_time=None)
        await asyncio.sleep(0)

    began = perf_counter()
    await from_producers(count, enqueue)
    while ran < count:  # noqa: ASYNC110
        await asyncio.sleep(LOOK_S)
    took = perf_counter() - began
    scheduler.shutdown()
    return count / took


def apscheduler_threads(count: int) -> float:
    """APScheduler 3.11 with ten threads."""
    from apscheduler.events import EVENT_JOB_EXECUTED
    from apscheduler.executors.pool import ThreadPoolExecutor
    from apscheduler.schedulers.background import BackgroundScheduler

    ended = threading.Semaphore(0)
    scheduler = BackgroundScheduler(
        timezone="UTC", executors={"default": ThreadPoolExecutor(WORKERS)}
    )
    scheduler.add_listener(lambda event: ended.release(), EVENT_JOB_EXECUTED)
    scheduler.start()
    began = perf_counter()
    for _ in range(count):
        scheduler.add_job(int, misfire_grace_time=None)
    for _ in range(count):
        ended.acquire()
    took = perf_counter() - began
    scheduler.shutdown()
    return count / took


def huey(count: int) -> float:
    """Threads; idle ones look every 10 ms. It does not record None, so the task returns 1."""
    from huey import MemoryHuey

    app = MemoryHuey()

    @app.task()
    def noop() -> int:
        return 1

    consumer = app.create_consumer(
        workers=WORKERS,
        periodic=False,
        initial_delay=POLL_S,
        max_delay=POLL_S,
        backoff=1.0,
        check_worker_health=False,
    )
    consumer.start()
    began = perf_counter()
    for _ in range(count):
        noop()
    while app.storage.result_store_size() < count:
        sleep(LOOK_S)
    took = perf_counter() - began
    consumer.stop(graceful=True)
    return count / took


def dramatiq(count: int) -> float:
    import dramatiq as library
    from dramatiq.brokers.stub import StubBroker
    from dramatiq.results import Results
    from dramatiq.results.backends import StubBackend

    backend = StubBackend()
    broker = StubBroker()
    broker.add_middleware(Results(backend=backend, store_results=True))
    library.set_broker(broker)

    @library.actor
    def noop() -> int:
        return 1

    worker = library.Worker(broker, worker_threads=WORKERS)
    worker.start()
    began = perf_counter()
    for _ in range(count):
        noop.send()
    broker.join(noop.queue_name)
    took = perf_counter() - began
    assert len(backend.results) == count
    worker.stop()
    return count / took


def in_loop(main: Callable[[int], Awaitable[float]]) -> Callable[[int], float]:
    async def run(count: int) -> float:
        return await main(count)

    return lambda count: asyncio.run(run(count))


PEERS: dict[str, Callable[[int], float]] = {
    "taskiq InMemoryBroker": in_loop(lambda count: taskiq(count, in_place=False)),
    "taskiq, await_inplace": in_loop(lambda count: taskiq(count, in_place=True)),
    "pgqueuer in memory": in_loop(lambda count: pgqueuer(count, bulk=1, batch=10)),
    "pgqueuer, batch 100": in_loop(lambda count: pgqueuer(count, bulk=1, batch=100)),
    "pgqueuer, batch 100, bulk": in_loop(lambda count: pgqueuer(count, bulk=BULK, batch=100)),
    "huey MemoryHuey": huey,
    "repid in memory": in_loop(repid),
    "APScheduler 3.11": in_loop(apscheduler),
    "APScheduler 3.11, threads": apscheduler_threads,
    "dramatiq StubBroker": dramatiq,
}


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    print(PEERS[sys.argv[1]](int(sys.argv[2])))
