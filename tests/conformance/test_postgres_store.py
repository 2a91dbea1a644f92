"""The SQL store on PostgreSQL keeps the contract of a store. The time is its server's."""

import pytest

from tests import servers
from tests.conformance.server_store import ServerStoreSuite


@pytest.mark.real_time
class TestPostgresStore(ServerStoreSuite):
    @classmethod
    def server_url(cls) -> str:
        return servers.postgres_url()
