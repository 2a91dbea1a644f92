"""From a URL to connections: which server, and how they are set up.

Rules:
- Connections are coredis's, and its client and pool are not used: the pool loses a place for each
  connection that dies while somebody waits on it (6.9), and the client would send a call twice.
"""

import ssl
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias
from urllib.parse import parse_qsl, quote, unquote, urlsplit, urlunsplit

from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from coredis.connection import (
    TCPConnection,
    TCPLocation,
    UnixDomainSocketConnection,
    UnixDomainSocketLocation,
)

Connection: TypeAlias = TCPConnection | UnixDomainSocketConnection
Location: TypeAlias = TCPLocation | UnixDomainSocketLocation

CONNECT_TIMEOUT_S: Final = 10.0
SILENCE_S_MAX: Final = 60.0
"""A server that says nothing for so long when asked is given up, so that a stop that waits for the
call has an end."""

SCHEMES: Final = ("redis", "rediss", "unix")
PORT: Final = 6379


def _truth(text: str) -> bool:
    return text.lower() in ("1", "true", "yes")


_IN_QUERY: Final[dict[str, Callable[[str], Any]]] = {
    "client_name": str,
    "connect_timeout": float,
    "db": int,
    "noevict": _truth,
    "notouch": _truth,
    "stream_timeout": float,
}
_TLS_IN_QUERY: Final = frozenset(
    {"ssl_ca_certs", "ssl_cert_reqs", "ssl_certfile", "ssl_check_hostname", "ssl_keyfile"}
)
_OURS: Final = frozenset({"decode_responses", "noreply", "encoding", "max_idle_time"})


class Address:
    """A server's URL, read. Its text has no password. Raises ValueError."""

    def __init__(self, text: str) -> None:
        try:
            parts = urlsplit(text)
            host, port = parts.hostname or "", parts.port
        except ValueError:
            raise _no_address() from None
        if parts.scheme not in SCHEMES or not (parts.path if parts.scheme == "unix" else host):
            raise _no_address()
        query = dict(parse_qsl(parts.query))
        self._tls = query if parts.scheme == "rediss" else None
        known = _IN_QUERY.keys() | (_TLS_IN_QUERY if parts.scheme == "rediss" else frozenset[str]())
        if unknown := sorted(query.keys() - known):
            raise ValueError(f"a {parts.scheme}:// URL has no option {', '.join(unknown)}")
        try:
            self.options: dict[str, Any] = {
                name: read(query[name]) for name, read in _IN_QUERY.items() if name in query
            }
            if parts.scheme != "unix" and parts.path.strip("/"):
                self.options.setdefault("db", int(parts.path.strip("/")))
        except ValueError:
            raise ValueError("an option of the URL, or its database, is no number") from None
        for name, value in (("username", parts.username), ("password", parts.password)):
            if value:
                self.options[name] = unquote(value)
        self.location: Location = (
            UnixDomainSocketLocation(unquote(parts.path))
            if parts.scheme == "unix"
            else TCPLocation(unquote(host), port or PORT)
        )
        user = quote(unquote(parts.username or ""))
        place = f"[{host}]" if ":" in host else host
        place += "" if port is None else f":{port}"
        place = f"{user}:***@{place}" if parts.password else f"{user}@{place}" if user else place
        self._text = urlunsplit((parts.scheme, place, parts.path, "", ""))

    def __str__(self) -> str:
        return self._text

    def context(self) -> ssl.SSLContext | None:
        """TLS that knows whom it talks to, unless the URL says otherwise. Raises ValueError."""
        if self._tls is None:
            return None
        try:
            context = ssl.create_default_context(cafile=self._tls.get("ssl_ca_certs"))
            if "ssl_certfile" in self._tls:
                context.load_cert_chain(self._tls["ssl_certfile"], self._tls.get("ssl_keyfile"))
        except OSError as error:
            raise ValueError(f"a file of the URL's TLS options will not do: {error}") from error
        trusting = self._tls.get("ssl_cert_reqs") == "none"
        if trusting or not _truth(self._tls.get("ssl_check_hostname", "true")):
            context.check_hostname = False
        if trusting:
            context.verify_mode = ssl.CERT_NONE
        return context


def _no_address() -> ValueError:
    return ValueError(
        "no Redis server's address; one looks like redis://user:password@host:6379/0, "
        "rediss://... or unix:///path/to/socket"
    )


class Plug:
    """Makes connections that are not connected yet, all alike.

    The URL's own options win over ours, and `options` over both. Raises ValueError for what will
    not do.
    """

    def __init__(self, address: Address, options: Mapping[str, Any]) -> None:
        if taken := sorted(_OURS & options.keys()):
            raise ValueError(f"{', '.join(taken)} is the store's own, and no option of its client")
        ours: dict[str, Any] = {
            "connect_timeout": CONNECT_TIMEOUT_S,
            "stream_timeout": SILENCE_S_MAX,
        }
        if isinstance(address.location, TCPLocation):
            ours["socket_keepalive"] = True
            if "ssl_context" not in options:
                ours["ssl_context"] = address.context()
        self.home = address.location
        self._options = {**ours, **address.options, **options}
        try:
            discard(self.make(self.home))
        except TypeError as error:
            raise ValueError(f"the client's options will not do: {error}") from error

    @property
    def silence_s(self) -> float:
        """How long an answer is waited for."""
        return self._options["stream_timeout"] or SILENCE_S_MAX

    def make(self, location: Location) -> Connection:
        """One to that place. It is `run` once."""
        if isinstance(location, TCPLocation):
            return TCPConnection(location, **self._options)
        return UnixDomainSocketConnection(location, **self._options)


def discard(connection: Connection) -> None:
    """Close what one holds that was never connected: coredis leaves it to the garbage collection,
    with a ResourceWarning for each buffer."""
    for each in vars(connection).values():
        if isinstance(each, (MemoryObjectSendStream, MemoryObjectReceiveStream)):
            each.close()
