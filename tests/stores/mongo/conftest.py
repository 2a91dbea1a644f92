"""A server with transactions and one without, each test once on each."""

from collections.abc import Iterator

import pytest

from tests import servers
from tests.stores.mongo import kit


@pytest.fixture(params=list(kit.URLS))
def place(request: pytest.FixtureRequest) -> Iterator[kit.Place]:
    with servers.collections(kit.URLS[request.param]()) as mine:
        yield kit.Place(mine)


@pytest.fixture
def alone() -> Iterator[kit.Place]:
    """Without transactions."""
    with servers.collections(servers.lone_mongodb_url()) as mine:
        yield kit.Place(mine)
