"""The store suite on a database server: tables of a module's own, and the server's clock frozen."""

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


class ServerStoreSuite(StoreSuite):
    """Subclass it, say which server, and mark it `real_time`."""

    @classmethod
    def server_url(cls) -> str:
        raise NotImplementedError

    @pytest.fixture(scope="class")
    @classmethod
    def class_tables(cls) -> Iterator[servers.Tables]:
        with servers.tables(cls.server_url()) as mine:
            yield mine

    @pytest.fixture(autouse=True)
    def place(self, class_tables: servers.Tables) -> Iterator[None]:
        self.tables = class_tables
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
