"""A store that several processes share, on each kind of database; and a way to cut one off."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from oncue.adapters.apscheduler import APSchedulerQueue, APSchedulerSettings
from oncue.runtime import Clock
from oncue.stores.mongo import MongoStore
from oncue.stores.redis import RedisStore
from oncue.stores.sql import SqlStore
from tests.faults.proxy import Proxy
from tests.servers import (
    collections,
    mongodb_url,
    mysql_url,
    postgres_url,
    redis_name,
    redis_url,
    tables,
)

DATABASES = {
    "sqlite": "asyncio",
    "postgresql": "trio",
    "mysql": "asyncio",
    "mongodb": "trio",
    "redis": "trio",
}
"""With the event loop that the test itself runs on; its nodes take turns, on both."""

AnyStore: TypeAlias = SqlStore | MongoStore | RedisStore


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """These tests take seconds: each once a database, and not for each pair.

    Those marked `long` take half a minute: without ONCUE_TEST_LONG on SQLite only.
    """
    items[:] = [
        item
        for item in items
        if not isinstance(item, pytest.Function)
        or "shared_store" not in item.fixturenames
        or item.callspec.params["anyio_backend"]
        == DATABASES[str(item.callspec.params["shared_store"])]
    ]
    if os.environ.get("ONCUE_TEST_LONG"):
        return
    for item in items:
        if (
            item.get_closest_marker("long")
            and isinstance(item, pytest.Function)
            and item.callspec.params["shared_store"] != "sqlite"
        ):
            item.add_marker(pytest.mark.skip("half a minute on a server: ONCUE_TEST_LONG=1"))


@dataclass(frozen=True, slots=True)
class SharedStore:
    """What `open_queue` is given."""

    url: str
    settings: dict[str, Any] = field(default_factory=dict[str, Any])

    def queue(self, clock: Clock | None = None, **more: Any) -> APSchedulerQueue:
        """A queue on it."""
        settings = APSchedulerSettings(
            **APSchedulerSettings.of_url(self.url), **self.settings, **more
        )
        return APSchedulerQueue(settings, clock=clock)

    def store(self) -> AnyStore:
        """For a test that looks past the queues, or plans past them."""
        settings = APSchedulerSettings(**APSchedulerSettings.of_url(self.url), **self.settings)
        if settings.job_store_type == "redis":
            return RedisStore(self.url, jobs_key=settings.redis_jobs_key)
        if settings.job_store_type == "sqlalchemy":
            return SqlStore(self.url, table_name=settings.sqlalchemy_tablename)
        return MongoStore(
            self.url,
            database=settings.mongodb_database,
            collection=settings.mongodb_collection,
            client_options=settings.mongodb_client_options,
        )


@pytest.fixture(params=DATABASES)
def shared_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SharedStore]:
    """Empty, and gone after the test."""
    if request.param == "sqlite":
        yield SharedStore(f"sqlite:///{tmp_path}/tasks.db")
        return
    if request.param == "mongodb":
        with collections(mongodb_url()) as ours:
            named = {"mongodb_database": ours.database, "mongodb_collection": ours.prefix}
            # What stands in for it is slow, and slowest to write journals; here it never dies.
            hasty = {"mongodb_client_options": {"w": 1, "journal": False}}
            yield SharedStore(ours.url, named | hasty)
        return
    if request.param == "redis":
        yield SharedStore(redis_url(), {"redis_jobs_key": redis_name()})
        return
    url = postgres_url() if request.param == "postgresql" else mysql_url()
    with tables(url) as mine:
        yield SharedStore(url, {"sqlalchemy_tablename": mine.prefix})


@pytest.fixture
def proxy(shared_store: SharedStore) -> Iterator[Proxy]:
    """Between a node and the shared store's server; there is none where the store is a file."""
    if shared_store.url.startswith("sqlite"):
        pytest.skip("nobody can be cut off from a file")
    proxy = Proxy(shared_store.url)
    yield proxy
    proxy.close()
