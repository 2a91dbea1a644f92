"""Queues of others on Redis, each at its best documented setting; `durable_measure.py` runs them.

What each records of a task that ended: the result, under the settings that it keeps them by (arq an
hour, saq and dramatiq ten minutes, taskiq for good, streaq five minutes). taskiq's command runs on
uvloop, so it does here; those of arq and saq do not, and a program of streaq's chooses, so that saq
and streaq are measured on both. All of redis-py's and coredis's have hiredis for a parser.

Of their documented settings, those that were the fastest here, or among the fastest, as the machine
was never still while they were compared:

- arq: `poll_delay` 5 ms instead of 0.5 s, which at 10 jobs is seven times as fast and is its
  latency; of `max_jobs` 10, 100 and 1000 none was faster. An idle worker pays for the polling. arq
  itself asks for redis-py < 6, beside which taskiq-redis cannot be installed; on 5.3 it drained
  some 10 to 20 percent more in the same minutes, and enqueued about as much.
- saq: `concurrency` 20 (of 5, 10, 20, 50, 100), each of which waits on a connection of its own.
  Its sweeper may put back a job that runs.
- taskiq-redis: `RedisStreamBroker`, which acknowledges, with `RedisAsyncResultBackend`; 100 tasks
  at once and 100 more prefetched, ten connections (5 to 100 did the same), orjson for messages.
- dramatiq: `Results` with its Redis backend, 100 messages prefetched, 8 threads as by default (1, 2
  and 4 did about the same; 2 are measured too); an idle consumer looks every 10 ms, where one
  second is the default.
- streaq: 100 at once and 100 prefetched (16 and 16, its default, and 1000 were no faster).
"""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import anyio
from durable_peers import Contender, Handle, Producer, from_threads

CONNECTIONS_MAX = 1000
"""Above what arq and saq take at once: redis-py 8 fails above 100 unless told."""
POLL_S = 0.01
ARQ_POLL_S = 0.005


class ArqPeer:
    def __init__(self, url: str, *, jobs: int) -> None:
        self._path = url.removeprefix("unix://")
        self._jobs = jobs
        self._pool: Any = None

    async def install(self) -> None:
        """It makes what it needs as it goes."""

    def _settings(self) -> Any:
        from arq.connections import RedisSettings

        return RedisSettings(unix_socket_path=self._path, max_connections=CONNECTIONS_MAX)

    @asynccontextmanager
    async def producer(self) -> AsyncIterator[Producer]:
        from arq import create_pool

        pool = await create_pool(self._settings())

        async def one(sent_at: float | None) -> None:
            await pool.enqueue_job("noop", sent_at)

        yield Producer(one=one)
        await pool.aclose()

    @asynccontextmanager
    async def worker(self, handle: Handle) -> AsyncIterator[None]:
        from arq import create_pool
        from arq.worker import Worker, func

        async def noop(context: Any, sent_at: float | None) -> int:
            handle(sent_at)
            return 1

        self._pool = await create_pool(self._settings())
        worker = Worker(
            [func(noop, name="noop")],
            redis_pool=self._pool,
            max_jobs=self._jobs,
            poll_delay=ARQ_POLL_S,
            handle_signals=False,
        )
        running = asyncio.create_task(worker.async_run())
        yield
        running.cancel()

    async def all_recorded(self, count: int) -> bool:
        """One transaction writes the result and takes the job off the queue."""
        return not await self._pool.zcard("arq:queue")


class SaqPeer:
    def __init__(self, url: str, *, jobs: int) -> None:
        self._url = url
        self._jobs = jobs
        self._queue: Any = None

    def _open(self) -> Any:
        from redis.asyncio import Redis
        from saq.queue.redis import RedisQueue

        return RedisQueue(Redis.from_url(self._url, max_connections=CONNECTIONS_MAX))

    async def install(self) -> None:
        """It makes what it needs as it goes."""

    @asynccontextmanager
    async def producer(self) -> AsyncIterator[Producer]:
        queue = self._open()

        async def one(sent_at: float | None) -> None:
            await queue.enqueue("noop", sent_at=sent_at)

        yield Producer(one=one)
        await queue.disconnect()

    @asynccontextmanager
    async def worker(self, handle: Handle) -> AsyncIterator[None]:
        from saq import Worker

        async def noop(context: Any, *, sent_at: float | None) -> int:
            handle(sent_at)
            return 1

        self._queue = self._open()
        worker: Any = Worker(self._queue, [("noop", noop)], concurrency=self._jobs)
        running = asyncio.create_task(worker.start())
        yield
        running.cancel()

    async def all_recorded(self, count: int) -> bool:
        """One transaction writes the result and says that the job is complete."""
        return not await self._queue.count("incomplete")


class TaskiqPeer:
    """Its broker on a stream, and its result backend."""

    def __init__(self, url: str, *, tasks: int, prefetch: int, connections: int) -> None:
        self._url = url
        self._tasks = tasks
        self._prefetch = prefetch
        self._connections = connections
        self._handle: Handle | None = None

    def _broker(self) -> Any:
        from taskiq.serializers import ORJSONSerializer
        from taskiq_redis import RedisAsyncResultBackend, RedisStreamBroker

        most = self._connections
        results: Any = RedisAsyncResultBackend(self._url, max_connection_pool_size=most)
        broker: Any = RedisStreamBroker(
            self._url, max_connection_pool_size=most, xread_count=self._prefetch
        )
        return broker.with_result_backend(results).with_serializer(ORJSONSerializer())

    def _task(self, broker: Any) -> Any:
        async def noop(sent_at: float | None = None) -> int:
            assert self._handle is not None
            self._handle(sent_at)
            return 1

        return broker.register_task(noop, task_name="noop")

    async def install(self) -> None:
        """Its group of readers, which must be there before the first task."""
        broker = self._broker()
        await broker.startup()
        await broker.shutdown()

    @asynccontextmanager
    async def producer(self) -> AsyncIterator[Producer]:
        broker = self._broker()
        noop = self._task(broker)
        await broker.startup()

        async def one(sent_at: float | None) -> None:
            await (noop.kiq() if sent_at is None else noop.kiq(sent_at))

        yield Producer(one=one)
        await broker.shutdown()

    @asynccontextmanager
    async def worker(self, handle: Handle) -> AsyncIterator[None]:
        from taskiq.api import run_receiver_task

        self._handle = handle
        broker = self._broker()
        self._task(broker)
        running = asyncio.create_task(
            run_receiver_task(
                broker, max_async_tasks=self._tasks, max_prefetch=self._prefetch, run_startup=True
            )
        )
        yield
        running.cancel()

    async def all_recorded(self, count: int) -> bool:
        """It acknowledges a task once its result is written."""
        from redis.asyncio import Redis

        async with Redis.from_url(self._url) as redis:
            return not (await redis.xpending("taskiq", "taskiq"))["pending"]


class DramatiqPeer:
    def __init__(self, url: str, *, threads: int, prefetch: int) -> None:
        # Its worker reads this as it is imported.
        os.environ["dramatiq_queue_prefetch"] = str(prefetch)  # noqa: SIM112
        import dramatiq
        from dramatiq.brokers.redis import RedisBroker
        from dramatiq.results import Results
        from dramatiq.results.backends import RedisBackend

        self._threads = threads
        self._handle: Handle | None = None
        self._broker = RedisBroker(url=url)
        self._broker.add_middleware(Results(backend=RedisBackend(url=url)))

        def noop(sent_at: float | None = None) -> int:
            assert self._handle is not None
            self._handle(sent_at)
            return 1

        self._noop: Any = dramatiq.actor(noop, broker=self._broker, store_results=True)

    async def install(self) -> None:
        """It makes what it needs as it goes."""

    @asynccontextmanager
    async def producer(self) -> AsyncIterator[Producer]:
        async def one(sent_at: float | None) -> None:
            self._noop.send(sent_at)

        yield Producer(one=one, from_callers=from_threads(self._noop.send))

    @asynccontextmanager
    async def worker(self, handle: Handle) -> AsyncIterator[None]:
        from dramatiq import Worker

        self._handle = handle
        worker = Worker(
            self._broker, worker_threads=self._threads, worker_timeout=int(POLL_S * 1000)
        )
        worker.start()
        yield
        worker.stop()

    async def all_recorded(self, count: int) -> bool:
        """It acknowledges a message once its result is written."""
        return not self._broker.client.hlen("dramatiq:default.msgs")


class StreaqPeer:
    def __init__(self, url: str, *, tasks: int, prefetch: int) -> None:
        self._url = url
        self._tasks = tasks
        self._prefetch = prefetch
        self._handle: Handle | None = None
        self._worker: Any = None

    def _app(self) -> tuple[Any, Any]:
        from streaq import Worker

        app: Any = Worker(
            redis_url=self._url,
            concurrency=self._tasks,
            prefetch=self._prefetch,
            handle_signals=False,
        )

        async def noop(sent_at: float | None = None) -> int:
            assert self._handle is not None
            self._handle(sent_at)
            return 1

        return app, app.task(name="noop", silent=True)(noop)

    async def install(self) -> None:
        """Its group of readers is made by the first worker, and reads from the beginning."""

    @asynccontextmanager
    async def producer(self) -> AsyncIterator[Producer]:
        app, noop = self._app()

        async def one(sent_at: float | None) -> None:
            await (noop.enqueue() if sent_at is None else noop.enqueue(sent_at))

        async def many(count: int) -> None:
            await app.enqueue_many([noop.enqueue() for _ in range(count)])

        async with app:
            yield Producer(one=one, many=many)

    @asynccontextmanager
    async def worker(self, handle: Handle) -> AsyncIterator[None]:
        self._handle = handle
        self._worker, _ = self._app()
        async with AsyncExitStack() as stack:
            group = await stack.enter_async_context(anyio.create_task_group())
            await group.start(self._worker.run_async)
            yield
            group.cancel_scope.cancel()

    async def all_recorded(self, count: int) -> bool:
        """One transaction writes the result and acknowledges the task."""
        return await self._worker.redis.zcard("streaq:default:index:results") >= count


ON_REDIS: Mapping[str, Callable[[str], Contender]] = {
    "arq": lambda url: ArqPeer(url, jobs=100),
    "saq": lambda url: SaqPeer(url, jobs=20),
    "taskiq-redis": lambda url: TaskiqPeer(url, tasks=100, prefetch=100, connections=10),
    "dramatiq": lambda url: DramatiqPeer(url, threads=8, prefetch=100),
    "dramatiq, 2 threads": lambda url: DramatiqPeer(url, threads=2, prefetch=100),
    "streaq": lambda url: StreaqPeer(url, tasks=100, prefetch=100),
}
