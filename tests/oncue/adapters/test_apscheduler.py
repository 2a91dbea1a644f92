"""The apscheduler adapter: its settings, its stores, and what it does not tell."""

import builtins
import importlib.util
import sys
import threading
from pathlib import Path
from typing import Any

import anyio
import pytest
from pydantic import ValidationError
from sqlalchemy import create_engine
from sqlalchemy.orm import Session

from oncue import (
    QueueBase,
    QueueCapability,
    QueueNotRunning,
    SettingsError,
    StoreUnavailable,
    TaskData,
    TaskStatus,
    depends,
    import_adapter,
    open_queue,
)
from oncue.adapters.apscheduler import (
    MODULE_METADATA,
    APSchedulerQueue,
    APSchedulerSettings,
)
from oncue.runtime import SeededEntropy
from oncue.testing import VirtualClock
from tests import servers
from tests.flow.kit import ok, task
from tests.oncue.kit import Folder


def make(clock: VirtualClock, **settings: Any) -> APSchedulerQueue:
    return APSchedulerQueue(APSchedulerSettings(**settings), clock=clock, entropy=SeededEntropy(1))


def on_file(clock: VirtualClock, folder: Path, **settings: Any) -> APSchedulerQueue:
    url = f"sqlite:///{folder}/queue.db"
    return make(clock, job_store_type="sqlalchemy", job_store_url=url, **settings)


# -- settings -----------------------------------------------------------------------------


def test_what_it_says_of_itself() -> None:
    assert MODULE_METADATA.settings is APSchedulerSettings
    assert MODULE_METADATA.name == "apscheduler"
    assert QueueCapability.PERSISTENCE in MODULE_METADATA.capabilities
    assert QueueCapability.CRON in MODULE_METADATA.capabilities
    assert QueueCapability.HORIZONTAL_SCALING in MODULE_METADATA.capabilities


def sql(url: str) -> dict[str, Any]:
    return {"job_store_type": "sqlalchemy", "job_store_url": url}


def mongo(url: str) -> dict[str, Any]:
    return {"job_store_type": "mongodb", "job_store_url": url}


def redis(url: str) -> dict[str, Any]:
    return {"job_store_type": "redis", "job_store_url": url}


def test_settings_made_by_hand_show_no_password_either() -> None:
    with pytest.raises(ValidationError) as caught:
        APSchedulerSettings(job_store_url="postgresql://app:hunter2@db/x")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"enable_clustering": True}, "enable_clustering: a memory job store cannot be shared"),
        (
            {"enable_clustering": True},
            "set job_store_type to sqlalchemy, redis or mongodb, and ",
        ),
        (mongo("postgresql://me:hunter2@db/x"), "job_store_url: no address of a MongoDB"),
        (mongo("mongodb://me:hunter2@"), "job_store_url: no address of a MongoDB"),
        (mongo("mongodb://me:hunter2:x@db/"), "job_store_url: no address of a MongoDB"),
        (mongo("mongodb://db:hunter2/"), "job_store_url: no address of a MongoDB"),
        (
            {"job_store_type": "sqlite"},
            "job_store_type: no job store is named 'sqlite'; there",
        ),
        ({"job_store_options": {"x": 1}}, "job_store_options: the job store memory has settings"),
        ({"job_store_url": "sqlite:///x"}, "job_store_url: a memory job store has no address"),
        ({"executor_type": "gevent"}, "executor_type: Input should be 'asyncio', 'async', "),
        ({"max_tasks_per_queue": 1}, "max_tasks_per_queue: no such key"),
        (sql("oracle://me:hunter2@db/x"), "job_store_url: 'oracle' is no SQL store; there are"),
        (sql("me:hunter2@db"), "job_store_url: no database's address"),
        (sql("postgresql://hunter2:x/d"), "job_store_url: no database's address"),
        (sql("mysql+aiomysql://db/x"), "job_store_url: the driver for mysql is pymysql, not"),
        (sql("sqlite://"), "job_store_url: a SQLite store needs a file"),
        ({"sqlalchemy_tablename": "my-table"}, "sqlalchemy_tablename: String should match"),
        ({"cluster_id": "x" * 201}, "cluster_id: String should have at most 200 characters"),
        ({"cluster_id": "a\0b"}, "cluster_id: String should match pattern"),
        (
            {"sqlalchemy_engine_options": {"isolation_level": "SERIALIZABLE"}},
            "sqlalchemy_engine_options: isolation_level is the store's own",
        ),
        (redis("postgresql://me:hunter2@db/x"), "job_store_url: no Redis server's address"),
        (redis("redis://me:hunter2@db/x"), "job_store_url: an option of the URL, or its database"),
        (sql("redis://me:hunter2@db/x"), "job_store_url: 'redis' is no SQL store"),
        ({"redis_jobs_key": "a{b}"}, "redis_jobs_key: String should match pattern"),
        ({"sqlite_synchronous": "OFF"}, "sqlite_synchronous: Input should be 'FULL' or 'NORMAL'"),
    ],
)
def test_what_cannot_be_is_refused_with_what_can(settings: dict[str, Any], why: str) -> None:
    with pytest.raises(SettingsError) as caught:
        open_queue("apscheduler", **settings)
    assert why in str(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:///tasks.db",
        "postgresql://app@db/tasks",
        "postgresql+psycopg://app@db/tasks",
        "mysql://app@db/tasks",
        "mariadb://app@db/tasks",
    ],
)
def test_a_databases_address_opens_it(url: str) -> None:
    queue = open_queue(url, max_workers=3)
    assert isinstance(queue, APSchedulerQueue)
    settings = queue.settings
    assert (settings.job_store_type, settings.job_store_url) == ("sqlalchemy", url)
    assert settings.max_workers == 3


@pytest.mark.parametrize(
    "url", ["mongodb://app:pw@db,db2:27018/?replicaSet=rs", "mongodb+srv://app:pw@cluster.example/"]
)
def test_a_mongodbs_address_opens_it(url: str) -> None:
    queue = open_queue(url, mongodb_database="app")
    assert isinstance(queue, APSchedulerQueue)
    settings = queue.settings
    assert (settings.job_store_type, settings.job_store_url) == ("mongodb", url)


@pytest.mark.parametrize("url", ["redis://:pw@db:7000/2", "rediss://db", "unix:///run/redis.sock"])
def test_a_redis_servers_address_opens_it(url: str) -> None:
    queue = open_queue(url, redis_jobs_key="jobs")
    assert isinstance(queue, APSchedulerQueue)
    assert (queue.settings.job_store_type, queue.settings.job_store_url) == ("redis", url)
    assert queue.missing_file() is None


def test_an_address_is_of_a_database_that_it_knows() -> None:
    with pytest.raises(ValueError, match="'oracle' is no SQL store") as caught:
        open_queue(
            "apscheduler", job_store_type="sqlalchemy", job_store_url="oracle://me:hunter2@db/x"
        )
    assert "hunter2" not in str(caught.value)


def test_a_missing_package_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    real_import = builtins.__import__

    def without_psycopg(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.startswith("psycopg"):
            raise ModuleNotFoundError("No module named 'psycopg'", name="psycopg")
        return real_import(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_psycopg)
    with pytest.raises(ImportError, match=r"psycopg.*oncue\[postgres\]"):
        open_queue("postgresql://app@db/tasks")


def test_a_missing_redis_client_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("oncue.stores.redis")]:
        monkeypatch.delitem(sys.modules, name)
    real_find_spec = importlib.util.find_spec

    def find_spec(name: str, package: str | None = None) -> Any:
        return None if name == "coredis" else real_find_spec(name, package)

    monkeypatch.setattr(importlib.util, "find_spec", find_spec)
    with pytest.raises(ImportError, match=r"coredis.*oncue\[redis\]"):
        open_queue("redis://db")


def test_names_among_nodes() -> None:
    """Fixed when alone; given or made up in a cluster; made up for who works nothing."""
    url = "postgresql://app@db/tasks"

    def node(**settings: Any) -> str:
        queue = open_queue(url, **settings)
        assert isinstance(queue, APSchedulerQueue)
        return queue.node

    assert node() == node(cluster_id="a") == "single"
    assert node(enable_clustering=True, cluster_id="a") == "a"
    made_up = {node(enable_clustering=True), node(enable_clustering=True), node(queues=[])}
    assert len(made_up) == 3
    assert node(enable_clustering=True, cluster_id="a", queues=[]) != "a"


# -- what it does not tell ----------------------------------------------------------------


async def test_a_password_is_shown_nowhere(clock: VirtualClock) -> None:
    """Not in reprs, not in errors or their causes, not in the tree, not in health."""
    queue = make(
        clock,
        job_store_type="sqlalchemy",
        job_store_url="postgresql://app:hunter2@127.0.0.1:1/tasks",
        sqlalchemy_engine_options={"connect_args": {"password": "hunter2"}},
    )
    await shows_no_password(queue)


@pytest.mark.real_time
async def test_a_redis_password_is_shown_nowhere() -> None:
    options = {"password": "hunter2"}
    url = "redis://app:hunter2@127.0.0.1:1/0"
    queue = open_queue(url, redis_client_options=options)
    assert isinstance(queue, APSchedulerQueue)
    await shows_no_password(queue)


async def shows_no_password(queue: APSchedulerQueue) -> None:
    with pytest.raises(StoreUnavailable) as caught:
        async with queue:
            pass
    error: BaseException | None = caught.value
    told = [repr(queue), repr(queue.settings), str(queue.child_spec().tree())]
    while error is not None:
        told += [str(error), repr(error)]
        error = error.__cause__ or error.__context__
    told.append(repr(await queue.health_check()))
    assert not [each for each in told if "hunter2" in each]


# -- durable ------------------------------------------------------------------------------


async def test_what_was_accepted_is_there_after_a_restart(
    clock: VirtualClock, tmp_path: Path
) -> None:
    async with on_file(clock, tmp_path) as queue:
        waiting = await queue.enqueue(task())
        dead = await queue.enqueue(task("fails", max_retries=0))
        queue.register_handler("fails", _fails)
        await queue.wait(dead)
        await queue.pause_queue("other")
    again = on_file(clock, tmp_path)
    again.register_handler("ok", ok)
    async with again:
        assert (await again.wait(waiting)).result == "done"
        assert [str(one.task_id) for one, _ in await again.get_dead_letter_tasks()] == [dead]
        assert (await again.get_queue_info("other"))["paused"]
        section = (await again.health_check())["apscheduler_queue"]
    assert section["store_reachable"]
    assert (section["node"], section["nodes_alive"], section["scheduler_running"]) == (
        "single",
        1,
        True,
    )


async def _fails(task: TaskData) -> None:
    raise ValueError("no")


@pytest.mark.parametrize("how", ["connection", "session"])
async def test_a_task_enqueued_in_a_transaction_exists_if_and_only_if_that_commits(
    clock: VirtualClock, tmp_path: Path, how: str
) -> None:
    queue = on_file(clock, tmp_path)
    queue.register_handler("ok", ok)
    engine = create_engine(f"sqlite:///{tmp_path}/queue.db")
    async with queue:
        for commits in (False, True):
            owner = engine.connect() if how == "connection" else Session(engine)
            with owner:
                task_id = await queue.enqueue(task(), connection=owner)
                (owner.commit if commits else owner.rollback)()
            await anyio.sleep(2)
            status = await queue.get_task_status(task_id)
            assert (status.status if status else None) == (
                TaskStatus.COMPLETED if commits else None
            )
        with pytest.raises(TypeError, match="sync SQLAlchemy Connection or Session, not str"):
            await queue.enqueue(task(), connection="sqlite:///")
    engine.dispose()
    with pytest.raises(QueueNotRunning), Session(engine) as session:
        await queue.enqueue(task(), connection=session)
    engine.dispose()


async def test_a_memory_job_store_takes_no_connection(clock: VirtualClock) -> None:
    async with make(clock) as queue:
        with pytest.raises(ValueError, match="not on an SQL store"):
            await queue.enqueue(task(), connection=object())


@pytest.mark.real_time
async def test_a_redis_job_store_takes_no_connection() -> None:
    async with open_queue(servers.redis_url(), redis_jobs_key=servers.redis_name()) as queue:
        with pytest.raises(ValueError, match="not on an SQL store"):
            await queue.enqueue(task(), connection=object())


# -- executors ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "in_loop"), [("asyncio", True), ("async", True), ("thread", False)]
)
async def test_executor_type_says_where_plain_functions_run(
    clock: VirtualClock, kind: str, in_loop: bool
) -> None:
    queue = make(clock, executor_type=kind)
    threads: list[bool] = []

    def plain(task: TaskData) -> None:
        threads.append(threading.current_thread() is threading.main_thread())

    queue.register_handler("plain", plain)
    async with queue:
        await queue.wait(await queue.create_task("plain"))
    assert threads == [in_loop]


def test_a_process_takes_only_what_it_can_find() -> None:
    queue = open_queue("apscheduler", executor_type="process")

    def inner(task: TaskData) -> None: ...

    with pytest.raises(ValueError, match="cannot be found by name in another process"):
        queue.register_handler("plain", inner)
    queue.register_handler("async", ok)


# -- one program, two adapters ------------------------------------------------------------


async def program(queue: QueueBase) -> list[Any]:
    """What an application does with a queue that it did not choose."""
    queue.register_handler("ok", ok)
    queue.register_handler("fails", _fails)
    async with queue:
        done = await queue.create_task("ok", delay=0.01)
        failed = await queue.create_task("fails", max_retries=1, retry_delay=0.01)
        results = [await queue.wait(task_id, timeout=20) for task_id in (done, failed)]
        assert await queue.retry_dead_letter_task(failed)
        results.append(await queue.wait(failed, timeout=20))
        health = await queue.health_check()
    return [(r.status, r.result, r.error, r.retry_count) for r in results] + [health["healthy"]]


@pytest.mark.real_time
@pytest.mark.parametrize(
    ("adapter", "settings"),
    [
        ("memory", "queue: {max_workers: 2}"),
        ("apscheduler", "queue: {max_workers: 2}"),
        ("apscheduler", "queue: {max_workers: 2, job_store_type: sqlalchemy}"),
        (
            "apscheduler",
            "queue: {max_workers: 2, job_store_type: redis, job_store_url: '${REDIS}', "
            "redis_jobs_key: '${KEYS}'}",
        ),
    ],
)
async def test_the_settings_choose_the_store_and_the_program_does_not_change(
    folder: Folder, adapter: str, settings: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDIS", servers.redis_url())
    monkeypatch.setenv("KEYS", servers.redis_name())
    folder.write("adapters.yaml", f"queue: {adapter}")
    folder.write("queue.yaml", settings)
    queue = depends.get(import_adapter("queue"))
    assert queue.name == adapter
    assert await program(queue) == [
        (TaskStatus.COMPLETED, "done", None, 0),
        (TaskStatus.DEAD_LETTER, None, "ValueError: no", 1),
        (TaskStatus.DEAD_LETTER, None, "ValueError: no", 1),
        True,
    ]
    assert (folder.root / "oncue.db").exists() == ("sqlalchemy" in settings)
