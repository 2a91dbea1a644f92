"""URLs and the client's options: what is taken, what is refused, and what is shown."""

import ssl
from typing import Any

import pytest
from coredis.connection import TCPLocation, UnixDomainSocketLocation
from structlog.testing import capture_logs

from oncue.stores import StoreUnavailable
from oncue.stores.redis import Address, RedisStore
from oncue.stores.redis._connect import Plug
from tests import servers
from tests.stores.redis.kit import opened


@pytest.mark.parametrize(
    ("url", "location", "options"),
    [
        ("redis://db", TCPLocation("db", 6379), {}),
        ("redis://db:7000/3", TCPLocation("db", 7000), {"db": 3}),
        ("redis://db/3?db=4", TCPLocation("db", 6379), {"db": 4}),
        ("redis://[::1]:7000", TCPLocation("::1", 7000), {}),
        (
            "redis://ada:p%40ss@db?stream_timeout=2.5&noevict=1",
            TCPLocation("db", 6379),
            {"username": "ada", "password": "p@ss", "stream_timeout": 2.5, "noevict": True},
        ),
        ("redis://:secret@db", TCPLocation("db", 6379), {"password": "secret"}),
        ("unix:///run/redis.sock?db=2", UnixDomainSocketLocation("/run/redis.sock"), {"db": 2}),
    ],
)
def test_a_url_is_read(url: str, location: object, options: dict[str, Any]) -> None:
    address = Address(url)
    assert (address.location, address.options) == (location, options)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("postgresql://db", "no Redis server's address"),
        ("redis://", "no Redis server's address"),
        ("redis://db:port", "no Redis server's address"),
        ("unix://", "no Redis server's address"),
        ("redis://db?colour=red", "has no option colour"),
        ("redis://db?ssl_cert_reqs=none", "has no option ssl_cert_reqs"),
        ("redis://db?stream_timeout=soon", "is no number"),
        ("redis://db/zero", "is no number"),
    ],
)
def test_a_url_that_will_not_do_is_refused(url: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        RedisStore(url)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"decode_responses": True}, "decode_responses is the store's own"),
        ({"nonsense": 1}, "nonsense"),
    ],
)
def test_options_that_will_not_do_are_the_callers_fault(options: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        RedisStore("redis://db", client_options=options)


@pytest.mark.parametrize("name", ["", "a b", "{a}", "a}"])
def test_a_key_is_a_plain_name(name: str) -> None:
    with pytest.raises(ValueError, match="without blanks and braces"):
        RedisStore("redis://db", jobs_key=name)
    with pytest.raises(ValueError, match="without blanks and braces"):
        RedisStore("redis://db", run_times_key=name)


def test_a_password_is_never_shown() -> None:
    store = RedisStore("redis://ada:secret@db/1?client_name=x", client_options={"password": "s2"})
    assert repr(store) == "<RedisStore closed redis://ada:***@db/1 keys={apscheduler.jobs}>"
    assert str(Address("unix://:secret@/run/s")) == "unix://:***@/run/s"


def test_tls_knows_whom_it_talks_to_unless_the_url_says_otherwise() -> None:
    strict = Address("rediss://db").context()
    assert strict is not None
    assert (strict.check_hostname, strict.verify_mode) == (True, ssl.CERT_REQUIRED)
    lax = Address("rediss://db?ssl_check_hostname=false").context()
    assert lax is not None
    assert (lax.check_hostname, lax.verify_mode) == (False, ssl.CERT_REQUIRED)
    blind = Address("rediss://db?ssl_cert_reqs=none").context()
    assert blind is not None
    assert (blind.check_hostname, blind.verify_mode) == (False, ssl.CERT_NONE)
    assert Address("redis://db").context() is None
    with pytest.raises(ValueError, match="TLS options"):
        RedisStore("rediss://db?ssl_ca_certs=/nowhere")


def test_the_options_win_over_the_urls() -> None:
    """As in the other stores."""
    address = Address("redis://db?stream_timeout=2")
    assert Plug(address, {"stream_timeout": 9}).silence_s == 9
    assert Plug(address, {}).silence_s == 2


@pytest.mark.real_time
async def test_a_password_in_the_options_wins_over_the_urls_and_neither_is_shown() -> None:
    with servers.own_valkey() as server:
        for name, password in (("ada", "sesame"), ("bob", "hunter2")):
            server.do("ACL", "SETUSER", name, "on", f">{password}", "~*", "&*", "+@all")
        url = server.url.replace("unix://", "unix://ada:hunter2@")
        async with opened(url, client_options={"password": "sesame"}):
            pass
        async with opened(url, client_options={"username": "bob"}):
            pass
        store = RedisStore(url.replace("hunter2", "sesame"), client_options={"password": "hunter2"})
        with capture_logs() as logs, pytest.raises(StoreUnavailable) as caught:
            await store.open()
        shown = f"{logs} {caught.value!r} {caught.value.__cause__!r} {store!r}"
        assert "sesame" not in shown
        assert "hunter2" not in shown
