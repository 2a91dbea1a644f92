"""A store that several processes share, on each kind of database; and a way to cut one off."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from oncue.adapters.apscheduler import APSchedulerQueue, APSchedulerSettings
from oncue.runtime import Clock
from oncue.stores.sql import SqlStore
from tests.faults.proxy import Proxy
from tests.servers import mysql_url, postgres_url, tables

DATABASES = {"sqlite": "asyncio", "postgresql": "trio", "mysql": "asyncio"}
"""With the event loop that the test itself runs on; its nodes take turns, on both."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """These tests take seconds: each once a database, and not for each pair."""
    items[:] = [
        item
        for item in items
        if not isinstance(item, pytest.Function)
        or "shared_store" not in item.fixturenames
        or item.callspec.params["anyio_backend"]
        == DATABASES[str(item.callspec.params["shared_store"])]
    ]


@dataclass(frozen=True, slots=True)
class SharedStore:
    """What `open_queue` is given."""

    url: str
    settings: dict[str, Any] = field(default_factory=dict[str, Any])

    def queue(self, clock: Clock | None = None, **more: Any) -> APSchedulerQueue:
        """A queue on it."""
        settings = APSchedulerSettings(
            job_store_type="sqlalchemy", job_store_url=self.url, **self.settings, **more
        )
        return APSchedulerQueue(settings, clock=clock)

    def store(self) -> SqlStore:
        """For a test that looks past the queues, or plans past them."""
        return SqlStore(
            self.url, table_name=APSchedulerSettings(**self.settings).sqlalchemy_tablename
        )


@pytest.fixture(params=DATABASES)
def shared_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SharedStore]:
    """Empty, and gone after the test."""
    if request.param == "sqlite":
        yield SharedStore(f"sqlite:///{tmp_path}/tasks.db")
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
