"""The SQL store on MySQL or MariaDB keeps the contract of a store. The time is its server's."""

import pytest

from tests import servers
from tests.conformance.server_store import ServerStoreSuite

servers.mysql_url()  # or the module is skipped, in one line


@pytest.mark.real_time
class TestMysqlStore(ServerStoreSuite):
    @classmethod
    def server_url(cls) -> str:
        return servers.mysql_url()
