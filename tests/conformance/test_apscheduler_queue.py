"""The apscheduler adapter keeps the contract of a queue: in a file, in memory, Redis, MongoDB."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from oncue import QueueCapability
from oncue.adapters.apscheduler import MODULE_METADATA, APSchedulerQueue, APSchedulerSettings
from oncue.adapters.base import QueueBase
from oncue.runtime import Clock, SystemClock
from oncue.testing.queue_suite import QueueSuite
from tests import servers


class TestOnSqlite(QueueSuite):
    metadata = MODULE_METADATA

    @pytest.fixture(autouse=True)
    def place(self, tmp_path: Path) -> None:
        self.folder = tmp_path
        self.made = 0

    def make_queue(self, clock: Clock, **settings: Any) -> QueueBase:
        self.made += 1
        settings.setdefault("poll_interval", 0.1)
        return APSchedulerQueue(
            APSchedulerSettings(
                job_store_type="sqlalchemy",
                job_store_url=f"sqlite:///{self.folder / str(self.made)}.db",
                sqlite_synchronous="NORMAL",  # nothing here outlives the machine
                **settings,
            ),
            clock=clock,
        )

    def make_twin(self, queue: QueueBase, clock: Clock) -> QueueBase:
        assert isinstance(queue, APSchedulerQueue)
        return APSchedulerQueue(queue.settings, clock=clock)


@pytest.mark.slow
@pytest.mark.real_time
class TestOnSqliteInRealTime(TestOnSqlite):
    @pytest.fixture
    def clock(self) -> Clock:
        return SystemClock()


@pytest.mark.slow
@pytest.mark.real_time
class TestOnRedis(QueueSuite):
    metadata = MODULE_METADATA

    @pytest.fixture
    def clock(self) -> Clock:
        return SystemClock()

    def make_queue(self, clock: Clock, **settings: Any) -> QueueBase:
        settings.setdefault("poll_interval", 0.1)
        return APSchedulerQueue(
            APSchedulerSettings(
                job_store_type="redis",
                job_store_url=servers.redis_url(),
                redis_jobs_key=servers.redis_name(),
                **settings,
            ),
            clock=clock,
        )

    def make_twin(self, queue: QueueBase, clock: Clock) -> QueueBase:
        assert isinstance(queue, APSchedulerQueue)
        return APSchedulerQueue(queue.settings, clock=clock)


class TestInMemory(QueueSuite):
    metadata = replace(
        MODULE_METADATA, capabilities=MODULE_METADATA.capabilities - {QueueCapability.PERSISTENCE}
    )

    def make_queue(self, clock: Clock, **settings: Any) -> QueueBase:
        return APSchedulerQueue(APSchedulerSettings(**settings), clock=clock)


@pytest.mark.slow
@pytest.mark.real_time
class TestOnMongo(QueueSuite):
    """On SecantusDB, unless `ONCUE_TEST_MONGODB_URL` names another server."""

    metadata = MODULE_METADATA

    @pytest.fixture(autouse=True)
    def place(self) -> Iterator[None]:
        self.made = 0
        with servers.collections(servers.mongodb_url()) as self.collections:
            yield

    @pytest.fixture
    def clock(self) -> Clock:
        return SystemClock()

    def make_queue(self, clock: Clock, **settings: Any) -> QueueBase:
        self.made += 1
        settings.setdefault("poll_interval", 0.1)
        return APSchedulerQueue(
            APSchedulerSettings(
                job_store_type="mongodb",
                job_store_url=self.collections.url,
                mongodb_database=self.collections.database,
                mongodb_collection=f"{self.collections.prefix}_{self.made}",
                **settings,
            ),
            clock=clock,
        )

    def make_twin(self, queue: QueueBase, clock: Clock) -> QueueBase:
        assert isinstance(queue, APSchedulerQueue)
        return APSchedulerQueue(queue.settings, clock=clock)
