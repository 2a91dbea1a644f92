"""The `apscheduler` adapter: persistent, and clustered where its store is shared."""

import os
import socket
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID

from anyio import fail_after
from pydantic import Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from oncue.actors import durable_graph
from oncue.actors.handlers import ExecutorKind
from oncue.actors.messages import ListNodes
from oncue.actors.puller import BY_HAND
from oncue.adapters.base import HEALTH_S
from oncue.adapters.job_stores import StoreSettings, installed_stores, make_store
from oncue.adapters.metadata import QueueCapability, QueueMetadata
from oncue.adapters.scheduled import ScheduledQueue, ScheduledQueueSettings
from oncue.adapters.store_queue import CAPABILITIES, Interval, figures
from oncue.runtime import Clock, Entropy, SupervisorSpec
from oncue.stores import (
    AddOutcome,
    Assuring,
    CallableStoreClock,
    Counts,
    MemoryStore,
    Store,
    StoreUnavailable,
    TaskRow,
)
from oncue.stores.task import NAME_PATTERN

RedisKey = Annotated[str, Field(pattern=r"^[^{}\s]{1,200}$")]
BUILT_IN = ("memory", "sqlalchemy", "mongodb", "redis")
"""The job stores of our own; `oncue.stores` is the entry-point group of others'."""
EMBEDDED_URL = "sqlite:///oncue.db"
MONGODB_URL = "mongodb://localhost:27017"
REDIS_URL = "redis://localhost:6379/0"
REDIS_SCHEMES = frozenset({"redis", "rediss", "unix"})
BEAT_ALONE_S = 1.0
"""How often a node that has its store to itself looks whether somebody has taken its place."""
WATCH_SHARE = 0.05
"""How often SQLite's file is looked at for other processes' writes, in a poll's interval."""
ALONE = "single"
"""The name of such a node: whoever starts under it takes the work over at once."""


class APSchedulerSettings(ScheduledQueueSettings):
    """What can be set on the apscheduler queue. Times are seconds."""

    job_store_type: str = "memory"
    """Where tasks are kept: `memory` is gone with the process; `sqlalchemy` is SQLite, PostgreSQL,
    MySQL or MariaDB; `redis` is Redis 6.2 or later, or Valkey; `mongodb` is MongoDB; any other is
    the name of an entry point in the group `oncue.stores`."""
    job_store_url: Annotated[str | None, Field(repr=False)] = None
    """The store's address, `postgresql://user:password@host/name`; without one, `sqlalchemy` is
    the file `oncue.db` of SQLite, and `redis` and `mongodb` are this machine's servers."""
    sqlalchemy_tablename: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,47}$")] = (
        "apscheduler_jobs"
    )
    """The table of live tasks, and what the names of the other tables begin with."""
    sqlalchemy_engine_options: Annotated[dict[str, Any] | None, Field(repr=False)] = None
    """Arguments of SQLAlchemy's `create_engine`."""
    sqlite_synchronous: Literal["FULL", "NORMAL"] = "FULL"
    """`FULL`: what is acknowledged is on disk. `NORMAL`: faster, and a power failure may lose the
    last moments."""
    mongodb_database: str = "apscheduler"
    """The database of a MongoDB store; its address only names the one that knows the user."""
    mongodb_collection: str = "jobs"
    """What the names of its collections begin with."""
    mongodb_client_options: Annotated[dict[str, Any] | None, Field(repr=False)] = None
    """Arguments of its `MongoClient`, which win over the address's."""
    redis_jobs_key: RedisKey = "apscheduler.jobs"
    """What the keys in a Redis store begin with, in braces: one node of a cluster has them all."""
    redis_run_times_key: RedisKey = "apscheduler.run_times"
    """What the keys of due times begin with there, before those braces."""
    redis_client_options: Annotated[dict[str, Any] | None, Field(repr=False)] = None
    """Arguments of coredis's connections, such as `ssl_context` or `password`, which win over the
    address's."""
    job_store_options: Annotated[dict[str, Any] | None, Field(repr=False)] = None
    """What a job store of another distribution takes besides its address."""
    executor_type: Literal["asyncio", "async", "thread", "process"] = "thread"
    """Where plain functions run that do not say it themselves: `asyncio` and `async` are both the
    event loop. Async functions always run there."""
    enable_clustering: bool = False
    """Whether several processes work on the store at once."""
    cluster_id: Annotated[str, Field(max_length=200, pattern=NAME_PATTERN)] | None = None
    """This process's own name among them, unlike any other's; None: one is made up."""
    cluster_heartbeat_interval: Interval = 30.0
    """Seconds between heartbeats. Who misses four is given up, and others take over."""

    @field_validator("job_store_type")
    @classmethod
    def _is_there(cls, kind: str) -> str:
        known = BUILT_IN if kind in BUILT_IN else (*BUILT_IN, *installed_stores())
        if kind not in known:
            raise PydanticCustomError(
                "no_store",
                "no job store is named {name}; there is: {known}",
                {"name": repr(kind), "known": ", ".join(known)},
            )
        return kind

    @field_validator("job_store_url")
    @classmethod
    def _fits_the_type(cls, url: str | None, info: ValidationInfo) -> str | None:
        kind = info.data.get("job_store_type")
        if url is None or kind is None:
            return url
        if kind == "memory":
            raise PydanticCustomError(
                "no_address",
                "a memory job store has no address; for a store that keeps tasks, set "
                "job_store_type to sqlalchemy, redis or mongodb",
            )
        if kind not in BUILT_IN:
            return url  # its maker knows
        with suppress(ModuleNotFoundError):  # a driver is missed when the store is made
            try:
                _read_url(kind, url)
            except ValueError as error:
                raise PydanticCustomError("no_address", "{why}", {"why": str(error)}) from None
        return url

    @field_validator("job_store_options")
    @classmethod
    def _are_taken(
        cls, options: dict[str, Any] | None, info: ValidationInfo
    ) -> dict[str, Any] | None:
        kind = info.data.get("job_store_type")
        if options and kind in BUILT_IN:
            raise PydanticCustomError(
                "not_taken",
                "the job store {kind} has settings of its own, and takes no options",
                {"kind": kind},
            )
        return options

    @field_validator("sqlalchemy_engine_options")
    @classmethod
    def _leaves_the_isolation(cls, options: dict[str, Any] | None) -> dict[str, Any] | None:
        if options and "isolation_level" in options:
            raise PydanticCustomError("not_yours", "isolation_level is the store's own")
        return options

    @field_validator("enable_clustering")
    @classmethod
    def _needs_a_shared_store(cls, enabled: bool, info: ValidationInfo) -> bool:
        if enabled and info.data.get("job_store_type") == "memory":
            raise PydanticCustomError(
                "nothing_shared",
                "a memory job store cannot be shared by several nodes; set job_store_type to "
                "sqlalchemy, redis or mongodb, and job_store_url to what all of them reach",
            )
        return enabled

    @classmethod
    def of_url(cls, url: str) -> dict[str, Any]:
        """A server's or a file's address."""
        scheme = url.partition(":")[0].partition("+")[0]
        own = {**dict.fromkeys(REDIS_SCHEMES, "redis"), "mongodb": "mongodb"}
        kind = scheme if scheme in installed_stores() else own.get(scheme, "sqlalchemy")
        return {"job_store_type": kind, "job_store_url": url}

    @property
    def executor(self) -> ExecutorKind:
        """`executor_type` by the name that handlers know."""
        return "async" if self.executor_type == "asyncio" else self.executor_type


def _read_url(kind: str, url: str) -> None:
    """Raises ValueError for what is no address, ModuleNotFoundError without the driver."""
    if kind == "mongodb":
        from oncue.stores import mongo

        mongo.read_url(url)
    elif kind == "redis":
        from oncue.stores.redis import Address

        Address(url)
    else:
        from oncue.stores import sql

        sql.read_url(url)


class APSchedulerQueue(ScheduledQueue):
    """A queue whose tasks outlive its process, and that several processes may work on.

    Without clustering, one process works on the store at a time, as the node `single`: one that
    starts takes over at once, and the former, should it still live, cancels its handlers and ends
    with `NodeSuperseded`. With clustering each node has a name of its own. A queue with `queues=[]`
    works nothing and is no node: any number may enqueue and look.
    """

    def __init__(
        self,
        settings: APSchedulerSettings | None = None,
        *,
        clock: Clock | None = None,
        entropy: Entropy | None = None,
    ) -> None:
        self.settings = self._jobs = settings = settings or APSchedulerSettings()
        super().__init__(
            "apscheduler",
            settings,
            clock=clock,
            entropy=entropy,
            beat_s=settings.cluster_heartbeat_interval,
            executor=settings.executor,
        )
        self._chance = self._entropy.uuid().hex[:8]

    _schema_version: int | None = None
    """Of the tables or keys, where the store has any."""

    def _make_store(self) -> Store:
        settings = self.settings
        clock = CallableStoreClock(self._clock.now)
        if settings.job_store_type == "memory":
            return MemoryStore(
                clock=clock,
                result_ttl_s=settings.result_ttl,
                dead_letter_ttl_s=settings.dead_letter_ttl,
                result_cache_limit=settings.result_cache_limit,
            )
        if settings.job_store_type not in BUILT_IN:
            return make_store(
                settings.job_store_type,
                StoreSettings(
                    url=settings.job_store_url,
                    options=settings.job_store_options or {},
                    result_ttl_s=settings.result_ttl,
                    dead_letter_ttl_s=settings.dead_letter_ttl,
                    clock=clock,
                    hold=self._clock.hold,
                ),
            )
        # A driver is loaded by whoever uses it.
        if settings.job_store_type == "redis":
            return self._redis_store()
        return (
            self._mongo_store() if settings.job_store_type == "mongodb" else self._sql_store(clock)
        )

    def _redis_store(self) -> Store:
        from oncue.stores.redis import KEYS_VERSION, RedisStore

        self._schema_version = KEYS_VERSION
        settings = self.settings
        return RedisStore(
            settings.job_store_url or REDIS_URL,
            result_ttl_s=settings.result_ttl,
            dead_letter_ttl_s=settings.dead_letter_ttl,
            jobs_key=settings.redis_jobs_key,
            run_times_key=settings.redis_run_times_key,
            client_options=settings.redis_client_options,
        )

    def _mongo_store(self) -> Store:
        from oncue.stores import mongo

        self._schema_version = mongo.SCHEMA_VERSION
        settings = self.settings
        return mongo.MongoStore(
            settings.job_store_url or MONGODB_URL,
            database=settings.mongodb_database,
            collection=settings.mongodb_collection,
            result_ttl_s=settings.result_ttl,
            dead_letter_ttl_s=settings.dead_letter_ttl,
            client_options=settings.mongodb_client_options,
            hold=self._clock.hold,
        )

    def _sql_store(self, clock: CallableStoreClock) -> Store:
        from oncue.stores.sql import SCHEMA_VERSION, SqlStore

        self._schema_version = SCHEMA_VERSION
        settings = self.settings
        url = settings.job_store_url or EMBEDDED_URL
        return SqlStore(
            url,
            clock=clock if url.startswith("sqlite") else None,  # servers have one of their own
            result_ttl_s=settings.result_ttl,
            dead_letter_ttl_s=settings.dead_letter_ttl,
            table_name=settings.sqlalchemy_tablename,
            engine_options=settings.sqlalchemy_engine_options,
            synchronous=settings.sqlite_synchronous,
            watch_s=settings.poll_interval * WATCH_SHARE,
            hold=self._clock.hold,
        )

    def missing_file(self) -> Path | None:
        """SQLite's file, where it is not there yet: to open the queue would make it."""
        if self.settings.job_store_type != "sqlalchemy":
            return None
        from oncue.stores.sql import read_url

        url = read_url(self.settings.job_store_url or EMBEDDED_URL)
        name = url.database or ""
        if url.get_backend_name() != "sqlite" or name.startswith("file:") or Path(name).exists():
            return None
        return Path(name)

    async def _add_within(self, connection: object, row: TaskRow) -> AddOutcome:
        if self.settings.job_store_type != "sqlalchemy":
            return await super()._add_within(connection, row)
        from sqlalchemy import Connection
        from sqlalchemy.orm import Session

        from oncue.stores.sql import SqlStore

        assert isinstance(self._store, SqlStore)
        if not isinstance(connection, (Connection, Session)):
            raise TypeError(
                "connection must be a sync SQLAlchemy Connection or Session, not "
                f"{type(connection).__name__}; inside run_sync() of an async one, you have it"
            )
        _ = self._inside  # as every call: not outside the scope
        (outcome,) = self._store.add_on(connection, [row])
        return outcome

    @property
    def node(self) -> str:
        """What the store knows this process as; asked at each start, for a process may fork."""
        settings = self.settings
        if self._works:  # else it is nobody to the store
            name = settings.cluster_id if settings.enable_clustering else ALONE
            if name is not None:
                return name
        return f"{socket.gethostname()}-{os.getpid()}-{self._chance}"

    def child_spec(self) -> SupervisorSpec:
        interval = self.settings.cluster_heartbeat_interval
        beat_every_s = interval if self.settings.enable_clustering else min(BEAT_ALONE_S, interval)
        self._roster.superseded = None  # a new run may take the name back
        return durable_graph(self.name, self._parts(), beat_every_s=beat_every_s)

    async def _health(self, counts: Counts) -> tuple[dict[str, Any], list[str]]:
        known = await self._ask(ListNodes(), timeout_s=HEALTH_S)
        nodes = [each for each in known if not each.node.endswith(BY_HAND)]
        own = next((each for each in nodes if each.node == self.node), None)
        silent = [each.node for each in nodes if not each.alive]
        section = {
            "store_reachable": True,
            "job_store_type": self.settings.job_store_type,
            "schema_version": self._schema_version,
            "guarantees": sorted(each.value for each in self._store.guarantees),
            "scheduler_running": self.scheduler_running,
            "node": self.node,
            "heartbeat_age": own.silent_s if own else None,
            "nodes_alive": len(nodes) - len(silent),
            "nodes": [each.node for each in nodes if each.alive],
            **figures(counts),
        }
        warnings = [f"node {name!r} has been silent for too long" for name in silent]
        warnings += [
            f"job {job_id} is due and is not fired from here: {reason}"
            for job_id, reason in self._tally.unread_schedules.items()
        ]
        if isinstance(self._store, Assuring):
            try:
                with fail_after(HEALTH_S):
                    durability = await self._store.durability()
            except TimeoutError as error:
                raise StoreUnavailable(self.name, "durability") from error
            section["durability"] = durability.summary
            warnings += durability.warnings
        return section, warnings


Queue = APSchedulerQueue

MODULE_METADATA = QueueMetadata(
    id=UUID("7f822c2b-1acf-47d7-b1ee-2174bbfc3f05"),
    name="apscheduler",
    provider="oncue",
    version="1",
    description="In a database or in Redis: survives the process, and works on many nodes.",
    capabilities=CAPABILITIES
    | {
        QueueCapability.PERSISTENCE,
        QueueCapability.HORIZONTAL_SCALING,
        QueueCapability.CRON,
    },
    settings=APSchedulerSettings,
    url_schemes=frozenset({"sqlite", "postgresql", "postgres", "mysql", "mariadb"})
    | REDIS_SCHEMES
    | {"mongodb", "mongodb+srv", *installed_stores()},
)
