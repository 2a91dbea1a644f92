"""The SQL store on SQLite keeps the contract of a store."""

from pathlib import Path

import pytest

from oncue.stores import Store
from oncue.stores.sql import SqlStore
from oncue.testing import VirtualClock
from oncue.testing.store_suite import (
    DEAD_LETTER_TTL_S,
    RESULT_TTL_S,
    StoreSuite,
    TurnedClock,
)


class TestSqliteStore(StoreSuite):
    @pytest.fixture(autouse=True)
    def place(self, tmp_path: Path, clock: VirtualClock) -> None:
        self.path = tmp_path / "tasks.db"
        self.hold = clock.hold

    def make_store(self, clock: TurnedClock) -> Store:
        return SqlStore(
            f"sqlite:///{self.path}",
            clock=clock,
            result_ttl_s=RESULT_TTL_S,
            dead_letter_ttl_s=DEAD_LETTER_TTL_S,
            synchronous="NORMAL",  # nothing here outlives the machine
            hold=self.hold,
        )
