"""What the tests of the Redis store share."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from oncue.stores.redis import RedisStore
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
