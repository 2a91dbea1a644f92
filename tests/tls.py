"""TLS before a server that speaks none itself, with a certificate that nobody knows."""

import ssl
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
from anyio.abc import AnyByteStream, SocketAttribute, TaskStatus
from anyio.from_thread import start_blocking_portal
from anyio.streams.tls import TLSListener
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

Connect = Callable[[], Awaitable[AnyByteStream]]


@dataclass(frozen=True, slots=True)
class Front:
    """`port` of this machine, where `certificate` is shown: that of `localhost`."""

    port: int
    certificate: Path


@contextmanager
def tls_before(connect: Connect, folder: Path) -> Generator[Front]:
    """The certificate is made in `folder`, with its key."""
    certificate = folder / "localhost.pem"
    _make_certificate(certificate)
    with start_blocking_portal() as portal:
        serving, port = portal.start_task(_serve, certificate, connect)
        yield Front(port, certificate)
        serving.cancel()


async def _serve(certificate: Path, connect: Connect, *, task_status: TaskStatus[int]) -> None:
    """Pass on what comes by TLS, for ever; started, it says at which port."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port: int = listener.extra(SocketAttribute.local_port)

    async def serve(client: AnyByteStream) -> None:
        async with client, await connect() as server, anyio.create_task_group() as group:
            group.start_soon(_pass_on, client, server)
            await _pass_on(server, client)
            group.cancel_scope.cancel()

    async with listener:
        task_status.started(port)
        await TLSListener(listener, context, standard_compatible=False).serve(serve)


async def _pass_on(source: AnyByteStream, sink: AnyByteStream) -> None:
    with suppress(anyio.EndOfStream, anyio.BrokenResourceError):
        while True:
            await sink.send(await source.receive())


def _make_certificate(path: Path) -> None:
    """Signed by itself."""
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
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(signed.public_bytes(Encoding.PEM) + secret)
