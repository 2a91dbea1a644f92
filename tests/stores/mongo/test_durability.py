"""What an acknowledged task outlives is what the client asks for, and the store says it."""

from typing import Any

import pytest

from oncue import open_queue
from oncue.stores import Assuring, StoreClosed
from oncue.stores.mongo import MongoStore
from oncue.stores.mongo._connect import make_client
from oncue.stores.mongo._durability import durability
from tests.stores.mongo.kit import Place

pytestmark = pytest.mark.real_time

JOURNAL = "not in its journal yet"
PRIMARY = "another server becomes the primary"


@pytest.mark.parametrize(
    ("query", "is_replicated", "summary", "warnings"),
    [
        ("", True, "w=majority, journal=true, transactions", []),
        ("", False, "w=majority, journal=true, no transactions: a server alone", []),
        ("?w=1", True, "w=1, journal=true, transactions", [PRIMARY]),
        ("?w=1", False, "w=1, journal=true, no transactions: a server alone", []),
        ("?w=2", True, "w=2, journal=true, transactions", []),
        ("?journal=false", True, "w=majority, journal=false, transactions", [JOURNAL]),
        ("?w=1&journal=false", True, "w=1, journal=false, transactions", [JOURNAL, PRIMARY]),
    ],
)
def test_what_the_url_says_is_what_is_told(
    query: str, is_replicated: bool, summary: str, warnings: list[str]
) -> None:
    with make_client(f"mongodb://db/{query}", {"connect": False}) as client:
        said = durability(client.write_concern.document, is_replicated)
    assert said.summary == summary
    assert len(said.warnings) == len(warnings)
    assert all(part in one for part, one in zip(warnings, said.warnings, strict=True))


async def test_a_closed_store_says_nothing() -> None:
    store = MongoStore("mongodb://db")
    assert isinstance(store, Assuring)
    with pytest.raises(StoreClosed):
        await store.durability()


async def test_the_health_check_has_it(place: Place) -> None:
    named: dict[str, Any] = {
        "mongodb_database": place.collections.database,
        "mongodb_collection": place.collections.prefix,
        "mongodb_client_options": {"journal": False},
    }
    async with place.opened() as store:
        kind = "transactions" if store.guarantees else "no transactions: a server alone"
    async with open_queue(place.collections.url, **named) as queue:
        health = await queue.health_check()
    assert health["healthy"]
    section = health["apscheduler_queue"]
    assert section["job_store_type"] == "mongodb"
    assert section["durability"] == f"w=majority, journal=false, {kind}"
    assert [one for one in health["warnings"] if JOURNAL in one]
