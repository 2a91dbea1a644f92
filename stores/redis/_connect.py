"""From a URL to a client: which server, and how its connections are set up."""

import ssl
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qsl, quote, unquote, urlsplit, urlunsplit

from coredis import Redis, RedisCluster
from coredis.retry import NoRetryPolicy

Client = Redis[bytes] | RedisCluster[bytes]

CONNECT_TIMEOUT_S: Final = 10.0
SILENCE_S_MAX: Final = 60.0
"""A server that says nothing for so long when asked is given up, so that a stop that waits for the
call has an end."""

SCHEMES: Final = ("redis", "rediss", "unix")
"""The names in URLs; `+cluster` may follow the first two."""
_OURS: Final = frozenset({"decode_responses", "noreply", "retry_policy", "verify_version"})
# What coredis's client takes of a URL's query. It passes over what it does not know in silence.
_IN_QUERY: Final = frozenset(
    {
        "client_name",
        "connect_timeout",
        "db",
        "max_connections",
        "max_idle_time",
        "noevict",
        "notouch",
        "ssl_ca_certs",
        "ssl_cert_reqs",
        "ssl_certfile",
        "ssl_check_hostname",
        "ssl_keyfile",
        "stream_timeout",
        "timeout",
    }
)


class Address:
    """A server's URL. Its text has no password."""

    def __init__(self, text: str) -> None:
        try:
            parts = urlsplit(text)
            port = parts.port
        except ValueError:
            raise _no_address() from None
        scheme, _, mode = parts.scheme.partition("+")
        if scheme not in SCHEMES or mode not in ("", "cluster") or (scheme == "unix" and mode):
            raise _no_address()
        if not (parts.path if scheme == "unix" else parts.hostname):
            raise _no_address()
        unknown = {name for name, _ in parse_qsl(parts.query)} - _IN_QUERY
        if unknown:
            raise ValueError(f"a Redis URL has no option {', '.join(sorted(unknown))}")
        self.is_cluster = mode == "cluster"
        self.tls = dict(parse_qsl(parts.query)) if scheme == "rediss" else None
        self.url = urlunsplit(parts._replace(scheme=scheme))
        host = parts.hostname or ""
        place = f"[{host}]" if ":" in host else host
        place = place if port is None else f"{place}:{port}"
        user = f"{quote(unquote(parts.username))}:***@" if parts.username else ""
        user = user or (":***@" if parts.password else "")
        self._text = urlunsplit((parts.scheme, user + place, parts.path, "", ""))

    def __str__(self) -> str:
        return self._text


def _no_address() -> ValueError:
    return ValueError(
        "no Redis server's address; one looks like redis://user:password@host:6379/0, "
        "rediss://..., redis+cluster://... or unix:///path/to/socket"
    )


def make_client(address: Address, options: Mapping[str, Any]) -> Client:
    """A client that is not connected yet.

    The URL's own options win over `options`, and those over ours. A call is sent once and never
    again by itself: to claim twice is to lose what the first claimed. Raises ValueError for options
    that will not do.
    """
    taken = sorted(_OURS & options.keys())
    if taken:
        raise ValueError(f"{', '.join(taken)} is the store's own, and no option of its client")
    everything: dict[str, Any] = {
        "connect_timeout": CONNECT_TIMEOUT_S,
        "stream_timeout": SILENCE_S_MAX,
        **options,
    }
    if address.tls is not None and "ssl_context" not in options:
        everything["ssl_context"] = _context(address.tls)
    everything["retry_policy"] = NoRetryPolicy()
    everything["decode_components"] = True  # a password may be percent-encoded
    kind: Any = RedisCluster if address.is_cluster else Redis  # its overloads know too little
    try:
        client: Client = kind.from_url(address.url, verify_version=False, **everything)
    except (TypeError, KeyError) as error:
        raise ValueError(f"the client's options will not do: {error}") from error
    return client


def _context(query: Mapping[str, str]) -> ssl.SSLContext:
    """TLS that knows whom it talks to, unless the URL says otherwise.

    coredis's own would not compare the certificate with the host's name.
    """
    try:
        context = ssl.create_default_context(cafile=query.get("ssl_ca_certs"))
        if "ssl_certfile" in query:
            context.load_cert_chain(query["ssl_certfile"], query.get("ssl_keyfile"))
    except OSError as error:
        raise ValueError(f"a file of the URL's TLS options cannot be used: {error}") from error
    if query.get("ssl_check_hostname", "true").lower() in ("false", "no", "0"):
        context.check_hostname = False
    if query.get("ssl_cert_reqs", "required") == "none":
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
