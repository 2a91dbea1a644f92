"""What the tests of the MongoDB store share: where its tasks are."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final, TypeVar

from anyio import to_thread

from oncue.stores.mongo import MongoStore
from oncue.stores.mongo._call import Call
from oncue.stores.mongo._database import Database
from tests import servers

T = TypeVar("T")

URLS: Final[dict[str, Callable[[], str]]] = {
    "replicated": servers.mongodb_url,
    "alone": servers.lone_mongodb_url,
}
"""With transactions and without."""


class Place:
    """Where a test keeps its tasks."""

    def __init__(self, collections: servers.Collections) -> None:
        self.collections = collections

    def store(self, **options: Any) -> MongoStore:
        """One more store on the same collections, as another process would have it."""
        mine = self.collections
        return MongoStore(mine.url, database=mine.database, collection=mine.prefix, **options)

    @asynccontextmanager
    async def opened(self, **options: Any) -> AsyncGenerator[MongoStore]:
        store = self.store(**options)
        await store.open()
        try:
            yield store
        finally:
            await store.close()

    def raw(self, name: str) -> Any:
        """A collection, as another program has it."""
        return self.collections.all[f"{self.collections.prefix}_{name}"]


def database_of(store: MongoStore) -> Database:
    return store._database  # pyright: ignore[reportPrivateUsage]


async def within(store: MongoStore, work: Callable[[Call], T]) -> T:
    """A call of one's own."""
    return await to_thread.run_sync(database_of(store).write, "test", work)
