"""A store of another distribution keeps the contract: examples/oncue-lmdb, by its entry point."""

from pathlib import Path
from typing import Any

import pytest

from oncue.adapters.apscheduler import MODULE_METADATA, APSchedulerQueue, APSchedulerSettings
from oncue.adapters.base import QueueBase
from oncue.adapters.job_stores import StoreSettings, make_store
from oncue.runtime import Clock
from oncue.stores import Store
from oncue.testing import VirtualClock
from oncue.testing.queue_suite import QueueSuite
from oncue.testing.store_suite import (
    DEAD_LETTER_TTL_S,
    RESULT_TTL_S,
    StoreSuite,
    TurnedClock,
)


class TestLmdbStore(StoreSuite):
    @pytest.fixture(autouse=True)
    def place(self, tmp_path: Path, clock: VirtualClock) -> None:
        self.folder = tmp_path
        self.hold = clock.hold

    def make_store(self, clock: TurnedClock) -> Store:
        settings = StoreSettings(
            url=f"lmdb:{self.folder}/jobs",
            options={"sync": False},  # nothing here outlives the machine,
            result_ttl_s=RESULT_TTL_S,
            dead_letter_ttl_s=DEAD_LETTER_TTL_S,
            clock=clock,
            hold=self.hold,
        )
        return make_store("lmdb", settings)


class TestOnLmdb(QueueSuite):
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
                job_store_type="lmdb",
                job_store_url=f"lmdb:{self.folder / str(self.made)}",
                **settings,
            ),
            clock=clock,
        )

    def make_twin(self, queue: QueueBase, clock: Clock) -> QueueBase:
        assert isinstance(queue, APSchedulerQueue)
        return APSchedulerQueue(queue.settings, clock=clock)
