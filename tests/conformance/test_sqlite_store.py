"""The contract of a store is not memory-shaped: a store of rows and SQL keeps it too."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from oncue.stores import Store
from oncue.testing.store_suite import (
    DEAD_LETTER_TTL_S,
    RESULT_TTL_S,
    StoreSuite,
    TurnedClock,
)
from tests.conformance.sqlite_store import SqliteStore


class TestSqliteStore(StoreSuite):
    stores: list[SqliteStore]

    @pytest.fixture(autouse=True)
    def place(self, tmp_path: Path) -> Iterator[None]:
        self.path = tmp_path
        self.stores = []
        yield
        for store in self.stores:
            store.shut()

    def make_store(self, clock: TurnedClock) -> Store:
        store = SqliteStore(
            str(self.path / f"{len(self.stores)}.db"),
            clock=clock,
            result_ttl_s=RESULT_TTL_S,
            dead_letter_ttl_s=DEAD_LETTER_TTL_S,
        )
        self.stores.append(store)
        return store
