"""The SQL store on MySQL or MariaDB keeps the contract of a store. The time is its server's."""

from collections.abc import Iterator

import pytest

from oncue.stores import Store
from oncue.stores.sql import SqlStore
from oncue.testing.store_suite import (
    DEAD_LETTER_TTL_S,
    RESULT_TTL_S,
    StoreSuite,
    TurnedClock,
)
from tests import servers

URL = servers.mysql_url()


@pytest.fixture(scope="module")
def module_tables() -> Iterator[servers.Tables]:
    with servers.tables(URL) as mine:
        yield mine


@pytest.mark.real_time
class TestMysqlStore(StoreSuite):
    @pytest.fixture(autouse=True)
    def place(self, module_tables: servers.Tables) -> Iterator[None]:
        self.tables = module_tables
        yield
        self.tables.wipe()

    def make_store(self, clock: TurnedClock) -> Store:
        return SqlStore(
            self.tables.url,
            table_name=self.tables.prefix,
            engine_options=self.tables.freeze(clock.now()),
            result_ttl_s=RESULT_TTL_S,
            dead_letter_ttl_s=DEAD_LETTER_TTL_S,
        )

    async def pass_time(self, clock: TurnedClock, seconds: float) -> None:
        clock.turn(seconds)
        self.tables.turn(clock.now())
