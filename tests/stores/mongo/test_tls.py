"""TLS: with a server that is known, and with no other."""

import traceback
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import anyio
import pytest

from oncue.stores import StoreUnavailable
from oncue.stores.mongo import MongoStore
from oncue.testing._store_kit import Claimer, ids, make_row
from tests import servers
from tests.tls import Front, tls_before

pytestmark = pytest.mark.real_time


@pytest.fixture
def place() -> Iterator[servers.Collections]:
    with servers.collections(servers.mongodb_url()) as mine:
        yield mine


@pytest.fixture
def front(place: servers.Collections, tmp_path: Path) -> Iterator[Front]:
    server = urlsplit(place.url)
    with tls_before(
        partial(anyio.connect_tcp, server.hostname or "", server.port or 27017), tmp_path
    ) as front:
        yield front


def store_behind(front: Front, place: servers.Collections, user: str, **options: Any) -> MongoStore:
    url = f"mongodb://{user}localhost:{front.port}/?tls=true&directConnection=true"
    options = {"serverSelectionTimeoutMS": 2000, **options}
    return MongoStore(url, database=place.database, collection=place.prefix, client_options=options)


async def test_a_known_server_is_talked_to(front: Front, place: servers.Collections) -> None:
    store = store_behind(front, place, "", tlsCAFile=str(front.certificate))
    await store.open()
    claimer = await Claimer.join(store)
    row = make_row()
    await store.add([row])
    assert ids(await claimer.claim()) == [row.task_id]
    await store.close()


async def test_who_is_not_known_is_unavailable_and_no_password_is_shown(
    front: Front, place: servers.Collections
) -> None:
    store = store_behind(front, place, "ada:hunter2@")
    with pytest.raises(StoreUnavailable) as caught:
        await store.open()
    told = "".join(traceback.format_exception(caught.value))
    assert "self-signed certificate" in told
    assert "hunter2" not in told + repr(store)
    await store.close()
