"""Durable queues of others, each at its best documented setting; `durable_measure.py` runs them.

What each records of a task that ended: pgqueuer its status, in its log; chancy and oban the state
of its row, which stays; huey the result. The commands of pgqueuer and of oban run on uvloop, so
they do here; chancy's does not.

Of their documented settings, those that were the fastest here:

- pgqueuer: one connection of asyncpg's (its pool was no faster, psycopg much slower), no cap on
  what runs at once, batches of 100, which are for claims and for settlements (10, its default,
  was much slower; 1000 is measured too). Producers have asyncpg's pool.
- chancy: the async executor with `concurrency=1000` (100 was slower), and `eager_polling`, which
  claims as soon as a job ends. `send_outgoing_interval` is 50 ms: so often it writes what ended
  (once a second by default, which was slower). Its default plugins run.
- oban: 1000 jobs at once, which is also what one claim takes (10 and 100 were slower).
- huey: threads, of which one alone is as fast as more, for they wait for each other to write; an
  idle one looks every 10 ms. `fsync=True` is synchronous=FULL, as OnCue's.
"""

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from servers import path_in

Handle = Callable[[float | None], None]
"""Called as a task starts, with the moment it was enqueued at where that is asked for."""
POLL_S = 0.01
CONNECTIONS = 10
"""In a pool: the default of all three; neither fewer nor more were faster, on two cores."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Producer:
    one: Callable[[float | None], Awaitable[object]]
    """Enqueue a task; done when it is committed."""
    many: Callable[[int], Awaitable[object]] | None = None
    """Enqueue so many by one call."""
    from_callers: Callable[[int, int], Awaitable[object]] | None = None
    """Enqueue so many one by one, from so many callers; None: tasks that call `one`."""


class Contender(Protocol):
    """A library on one database."""

    async def install(self) -> None: ...

    def producer(self) -> AbstractAsyncContextManager[Producer]: ...

    def worker(self, handle: Handle) -> AbstractAsyncContextManager[None]: ...

    async def all_recorded(self, count: int) -> bool:
        """Whether the ends of that many tasks, which are all there were, are recorded."""
        ...


def from_threads(enqueue: Callable[[], object]) -> Callable[[int, int], Awaitable[None]]:
    """Of a library whose calls block: a thread for each caller."""

    async def from_callers(count: int, callers: int) -> None:
        def call() -> None:
            for _ in range(count // callers):
                enqueue()

        threads = [threading.Thread(target=call) for _ in range(callers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    return from_callers


async def count_rows(url: str, table: str, state: str) -> int:
    import psycopg

    query = f"SELECT count(*) FROM {table} WHERE {state}"
    async with await psycopg.AsyncConnection.connect(url) as connection:
        row = await (await connection.execute(query.encode())).fetchone()
        assert row is not None
        return int(row[0])


class PgQueuerPeer:
    def __init__(self, url: str, *, batch: int, driver: str = "asyncpg") -> None:
        self._url = url
        self._driver = driver
        self._batch = batch

    async def install(self) -> None:
        import asyncpg
        from pgqueuer.queries import Queries

        connection = await asyncpg.connect(self._url)
        await Queries.from_asyncpg_connection(connection).install()
        await connection.close()

    @asynccontextmanager
    async def producer(self) -> AsyncIterator[Producer]:
        import asyncpg
        from pgqueuer.queries import Queries

        async with asyncpg.create_pool(
            self._url, min_size=CONNECTIONS, max_size=CONNECTIONS
        ) as pool:
            queries = Queries.from_asyncpg_pool(pool)

            async def one(sent_at: float | None) -> None:
                await queries.enqueue("noop", b"{}" if sent_at is None else repr(sent_at).encode())

            async def many(count: int) -> None:
                await queries.enqueue(["noop"] * count, [b"{}"] * count, [0] * count)

            yield Producer(one=one, many=many)

    @asynccontextmanager
    async def worker(self, handle: Handle) -> AsyncIterator[None]:
        from pgqueuer import PgQueuer

        async with self._connected() as queuer:
            assert isinstance(queuer, PgQueuer)

            @queuer.entrypoint("noop")
            async def noop(job: Any) -> None:
                handle(None if job.payload == b"{}" else float(job.payload))

            running = asyncio.create_task(queuer.run(batch_size=self._batch))
            yield
            queuer.shutdown.set()
            await running

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[object]:
        from pgqueuer import PgQueuer

        if self._driver == "psycopg":
            import psycopg

            async with await psycopg.AsyncConnection.connect(
                self._url, autocommit=True
            ) as connection:
                yield PgQueuer.from_psycopg_connection(connection)
        else:
            import asyncpg

            connection = await asyncpg.connect(self._url)
            yield PgQueuer.from_asyncpg_connection(connection)
            await connection.close()

    async def all_recorded(self, count: int) -> bool:
        return await count_rows(self._url, "pgqueuer_log", "status = 'successful'") == count


_chancy_handle: Handle | None = None
"""What `chancy_noop` calls: chancy knows a job by its function's importable name."""


async def chancy_noop(*, sent_at: float | None = None) -> int:
    assert _chancy_handle is not None
    _chancy_handle(sent_at)
    return 1


class ChancyPeer:
    def __init__(self, url: str, *, concurrency: int, write_s: float) -> None:
        self._url = url
        self._concurrency = concurrency
        self._write_s = write_s

    def _app(self) -> Any:
        from chancy import Chancy

        return Chancy(
            self._url,
            max_connection_pool_size=CONNECTIONS,
            log=logging.getLogger("chancy"),  # else it prints each job
        )

    async def install(self) -> None:
        from chancy import Chancy, Queue

        async with self._app() as app:
            await app.migrate()
            await app.declare(
                Queue(
                    "default",
                    executor=Chancy.Executor.Async,
                    concurrency=self._concurrency,
                    polling_interval=1,
                    eager_polling=True,
                )
            )

    @asynccontextmanager
    async def producer(self) -> AsyncIterator[Producer]:
        from chancy import Job

        job = Job.from_func(chancy_noop, queue="default")
        async with self._app() as app:

            async def one(sent_at: float | None) -> None:
                await app.push(job if sent_at is None else job.with_kwargs(sent_at=sent_at))

            async def many(count: int) -> None:
                async for _ in app.push_many([job] * count, batch_size=count):
                    pass

            yield Producer(one=one, many=many)

    @asynccontextmanager
    async def worker(self, handle: Handle) -> AsyncIterator[None]:
        from chancy import Worker

        global _chancy_handle
        _chancy_handle = handle
        async with self._app() as app:
            worker = Worker(app, register_signal_handlers=False)
            worker.send_outgoing_interval = self._write_s
            async with worker:
                yield

    async def all_recorded(self, count: int) -> bool:
        return await count_rows(self._url, "chancy_jobs", "state = 'succeeded'") == count


class ObanPeer:
    def __init__(self, url: str, *, limit: int) -> None:
        from oban import worker

        self._url = url
        self._limit = limit
        self._handle: Handle | None = None
        peer = self

        @worker(queue="default")
        class Noop:
            async def process(self, job: Any) -> None:
                assert peer._handle is not None
                peer._handle(job.args.get("sent_at"))

        self._noop: Any = Noop

    async def install(self) -> None:
        from oban import Oban, schema

        pool = await Oban.create_pool(self._url)
        await schema.install(pool)
        await pool.close()

    @asynccontextmanager
    async def producer(self) -> AsyncIterator[Producer]:
        async with self._running({}) as oban:

            async def one(sent_at: float | None) -> None:
                await oban.enqueue(self._noop.new({} if sent_at is None else {"sent_at": sent_at}))

            async def many(count: int) -> None:
                await oban.enqueue_many(self._noop.new() for _ in range(count))

            yield Producer(one=one, many=many)

    @asynccontextmanager
    async def worker(self, handle: Handle) -> AsyncIterator[None]:
        self._handle = handle
        async with self._running({"default": self._limit}):
            yield

    @asynccontextmanager
    async def _running(self, queues: dict[str, int]) -> AsyncIterator[Any]:
        from oban import Oban

        pool = await Oban.create_pool(self._url, min_size=CONNECTIONS, max_size=CONNECTIONS)
        async with Oban(pool=pool, queues=queues) as oban:
            yield oban
        await pool.close()

    async def all_recorded(self, count: int) -> bool:
        return await count_rows(self._url, "oban_jobs", "state = 'completed'") == count


class HueyPeer:
    def __init__(self, url: str, *, workers: int) -> None:
        from huey import SqliteHuey

        self._workers = workers
        self._app = SqliteHuey(filename=str(path_in(url)), fsync=True)
        self._handle: Handle | None = None

        @self._app.task()
        def noop(sent_at: float | None = None) -> int:
            assert self._handle is not None
            self._handle(sent_at)
            return 1

        self._noop = noop

    async def install(self) -> None:
        """Its tables were made as it was."""

    @asynccontextmanager
    async def producer(self) -> AsyncIterator[Producer]:
        async def one(sent_at: float | None) -> None:
            self._noop(sent_at)

        yield Producer(one=one, from_callers=from_threads(self._noop))

    @asynccontextmanager
    async def worker(self, handle: Handle) -> AsyncIterator[None]:
        self._handle = handle
        consumer = self._app.create_consumer(
            workers=self._workers,
            periodic=False,
            initial_delay=POLL_S,
            max_delay=POLL_S,
            backoff=1.0,
            check_worker_health=False,
        )
        consumer.start()
        yield
        consumer.stop(graceful=True)

    async def all_recorded(self, count: int) -> bool:
        return self._app.storage.result_store_size() == count
