"""The MongoDB store keeps the contract of a store, with transactions and without.

The server is SecantusDB unless `ONCUE_TEST_MONGODB_URL` names another. Its time does not stand
still for anybody, so the store is given a clock.
"""

from collections.abc import Iterator

import pytest

from oncue.stores import Guarantee, Store
from oncue.stores.mongo import MongoStore
from oncue.testing._store_kit import Claimer
from oncue.testing.store_suite import (
    DEAD_LETTER_TTL_S,
    RESULT_TTL_S,
    StoreSuite,
    TurnedClock,
)
from tests import servers


@pytest.mark.real_time
class TestMongoStore(StoreSuite):
    guarantees = frozenset({Guarantee.WHOLE_FIRES})

    @classmethod
    def server_url(cls) -> str:
        return servers.mongodb_url()

    @pytest.fixture(scope="class")
    @classmethod
    def class_collections(cls) -> Iterator[servers.Collections]:
        with servers.collections(cls.server_url()) as mine:
            yield mine

    @pytest.fixture(autouse=True)
    def place(self, class_collections: servers.Collections) -> Iterator[None]:
        self.collections = class_collections
        yield
        self.collections.wipe()

    def make_store(self, clock: TurnedClock) -> Store:
        return MongoStore(
            self.collections.url,
            database=self.collections.database,
            collection=self.collections.prefix,
            clock=clock,
            result_ttl_s=RESULT_TTL_S,
            dead_letter_ttl_s=DEAD_LETTER_TTL_S,
        )

    @pytest.mark.slow
    @pytest.mark.watchdog(180)
    async def test_a_thousand_schedules_are_fired_at_once(
        self, store: Store, claimer: Claimer
    ) -> None:
        await super().test_a_thousand_schedules_are_fired_at_once(store, claimer)


@pytest.mark.slow
class TestWithoutTransactions(TestMongoStore):
    guarantees = frozenset[Guarantee]()

    @classmethod
    def server_url(cls) -> str:
        return servers.lone_mongodb_url()
