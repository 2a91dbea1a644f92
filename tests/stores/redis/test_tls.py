"""TLS: to whom the server's certificate is known, and to nobody else.

The test server speaks no TLS itself; what stands before it here does.
"""

import ssl
import traceback
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import pytest
from anyio.abc import AnyByteStream, SocketAttribute, TaskStatus
from anyio.from_thread import start_blocking_portal
from anyio.streams.tls import TLSListener
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from oncue import StoreUnavailable, open_queue
from oncue.stores.redis import RedisStore
from oncue.testing._store_kit import Claimer, ids, make_row
from tests import servers
from tests.stores.redis.kit import opened

pytestmark = pytest.mark.real_time


async def serve_tls(certificate: Path, *, task_status: TaskStatus[int]) -> None:
    """Pass on to the server what comes by TLS, for ever; started, it says at which port."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port: int = listener.extra(SocketAttribute.local_port)

    async def serve(client: AnyByteStream) -> None:
        async with (
            client,
            await anyio.connect_unix(path) as server,
            anyio.create_task_group() as tg,
        ):
            tg.start_soon(pass_on, client, server)
            await pass_on(server, client)
            tg.cancel_scope.cancel()

    async def pass_on(source: AnyByteStream, sink: AnyByteStream) -> None:
        with suppress(anyio.EndOfStream, anyio.BrokenResourceError):
            while True:
                await sink.send(await source.receive())

    path = servers.redis_url().removeprefix("unix://")
    async with listener:
        task_status.started(port)
        await TLSListener(listener, context, standard_compatible=False).serve(serve)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of `localhost`, with its key, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "localhost.pem"
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(signed.public_bytes(Encoding.PEM) + secret)
    return path


@pytest.fixture
def port(certificate: Path) -> Iterator[int]:
    with start_blocking_portal() as portal:
        serving, port = portal.start_task(serve_tls, certificate)
        yield port
        serving.cancel()


async def test_a_known_server_is_talked_to(port: int, certificate: Path) -> None:
    async with opened(f"rediss://localhost:{port}/0?ssl_ca_certs={certificate}") as store:
        claimer = await Claimer.join(store)
        row = make_row(payload={"fill": "x" * 200_000})
        await store.add([row])
        assert ids(await claimer.claim()) == [row.task_id]


async def test_a_context_of_ones_own_does_as_well(port: int, certificate: Path) -> None:
    queue = open_queue(
        f"rediss://localhost:{port}/0",
        redis_jobs_key=servers.redis_name(),
        redis_client_options={"ssl_context": ssl.create_default_context(cafile=certificate)},
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
    port: int, certificate: Path, url: str, why: str
) -> None:
    store = RedisStore(url.format(port=port, certificate=certificate))
    with pytest.raises(StoreUnavailable) as caught:
        await store.open()
    told = "".join(traceback.format_exception(caught.value))
    assert why in told
    assert "hunter2" not in told + repr(store)
