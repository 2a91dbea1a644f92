"""What the tests of the Redis store share."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import pytest
from coredis.connection import TCPLocation

from oncue.stores.redis import RedisStore
from oncue.stores.redis._server import Server
from tests import servers


@asynccontextmanager
async def opened(url: str | None = None, **options: Any) -> AsyncGenerator[RedisStore]:
    """A store with keys of its own, unless they are given."""
    options.setdefault("jobs_key", servers.redis_name())
    store = RedisStore(url or servers.redis_url(), **options)
    await store.open()
    try:
        yield store
    finally:
        await store.close()


class Place:
    """A server of a test's own, and ways to spoil what is there."""

    def __init__(self, server: servers.Valkey) -> None:
        self.server = server
        self.name = servers.redis_name()

    def do(self, command: str, kind: str, key: UUID, *words: str) -> bytes:
        return self.server.do(command, f"{{{self.name}}}:{kind}:{key.hex}", *words)


@asynccontextmanager
async def spoilable(**options: Any) -> AsyncGenerator[tuple[Place, RedisStore]]:
    """A place, and a store that is open there."""
    with servers.own_valkey() as server:
        place = Place(server)
        async with opened(server.url, jobs_key=place.name, **options) as store:
            yield place, store


def before(
    monkeypatch: pytest.MonkeyPatch,
    script: str,
    meanwhile: Callable[[], Awaitable[object]],
    *,
    skip: int = 0,
) -> None:
    """Do something once: before a script is called, the first time or after some."""
    call = Server.call
    left = skip

    async def calling(self: Server, name: str, *arguments: Any) -> Any:
        nonlocal left
        if name == script:
            left -= 1
            if left < 0:
                monkeypatch.undo()
                await meanwhile()
        return await call(self, name, *arguments)

    monkeypatch.setattr(Server, "call", calling)


def lead_to(store: RedisStore, port: int) -> None:
    """Have the next call go to another place, as a cluster does that says who has the keys."""
    line = store._server._calls  # pyright: ignore[reportPrivateUsage]
    line._location = TCPLocation("127.0.0.1", port)  # pyright: ignore[reportPrivateUsage]
    line._hang_up()  # pyright: ignore[reportPrivateUsage]
