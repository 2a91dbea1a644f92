"""TLS: with a server that is known, and with no other."""

import ssl
import traceback
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import anyio
import pytest

from oncue import StoreUnavailable, open_queue
from oncue.stores.redis import RedisStore
from oncue.testing._store_kit import Claimer, ids, make_row
from tests import servers
from tests.stores.redis.kit import opened
from tests.tls import Front, tls_before

pytestmark = pytest.mark.real_time


@pytest.fixture
def front(tmp_path: Path) -> Iterator[Front]:
    path = servers.redis_url().removeprefix("unix://")
    with tls_before(partial(anyio.connect_unix, path), tmp_path) as front:
        yield front


async def test_a_known_server_is_talked_to(front: Front) -> None:
    async with opened(
        f"rediss://localhost:{front.port}/0?ssl_ca_certs={front.certificate}"
    ) as store:
        claimer = await Claimer.join(store)
        row = make_row(payload={"fill": "x" * 200_000})
        await store.add([row])
        assert ids(await claimer.claim()) == [row.task_id]


async def test_a_context_of_ones_own_does_as_well(front: Front) -> None:
    queue = open_queue(
        f"rediss://localhost:{front.port}/0",
        redis_jobs_key=servers.redis_name(),
        redis_client_options={"ssl_context": ssl.create_default_context(cafile=front.certificate)},
    )
    async with queue:
        assert (await queue.health_check())["healthy"]


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("rediss://ada:hunter2@localhost:{port}/0", "self-signed certificate"),
        (
            "rediss://ada:hunter2@127.0.0.1:{port}/0?ssl_ca_certs={certificate}",
            "not valid for '127.0.0.1'",
        ),
        ("redis://ada:hunter2@localhost:{port}/0", "Connection lost"),
    ],
    ids=["unknown", "known by another name", "without TLS"],
)
async def test_who_is_not_known_is_unavailable_and_no_password_is_shown(
    front: Front, url: str, why: str
) -> None:
    store = RedisStore(url.format(port=front.port, certificate=front.certificate))
    with pytest.raises(StoreUnavailable) as caught:
        await store.open()
    told = "".join(traceback.format_exception(caught.value))
    assert why in told
    assert "hunter2" not in told + repr(store)
