"""What an acknowledged task outlives is what the server is set to, and the store says it."""

from collections.abc import Sequence

import pytest

from oncue import open_queue
from tests import servers
from tests.stores.redis.kit import opened

pytestmark = pytest.mark.real_time


@pytest.mark.parametrize(
    ("settings", "summary", "warnings"),
    [
        ([("appendfsync", "always")], "appendonly yes, appendfsync always", []),
        (
            [("appendfsync", "everysec")],
            "appendonly yes, appendfsync everysec",
            ["loses up to a second of acknowledged tasks"],
        ),
        (
            [("appendfsync", "no")],
            "appendonly yes, appendfsync no",
            ["loses what its system had not written yet"],
        ),
        ([("appendonly", "no")], "appendonly no", ["a crash or a restart loses all"]),
        (
            [("maxmemory-policy", "allkeys-lru")],
            "appendonly yes, appendfsync always",
            ["removes tasks when its memory is full (maxmemory-policy allkeys-lru)"],
        ),
        ([("maxmemory-policy", "volatile-ttl")], "appendonly yes, appendfsync always", []),
    ],
)
async def test_the_store_says_what_the_servers_settings_give(
    settings: Sequence[tuple[str, str]], summary: str, warnings: Sequence[str]
) -> None:
    with servers.own_valkey() as server:
        for name, value in settings:
            server.do("CONFIG", "SET", name, value)
        async with opened(server.url) as store:
            said = await store.durability()
        assert said.summary == summary
        assert len(said.warnings) == len(warnings)
        assert all(part in one for part, one in zip(warnings, said.warnings, strict=True))


async def test_a_server_that_does_not_tell_its_settings_is_asked_for_no_more() -> None:
    with servers.own_valkey() as server:
        server.do("ACL", "SETUSER", "ada", "on", ">pw", "~*", "&*", "+@all", "-config")
        async with opened(server.url.replace("unix://", "unix://ada:pw@")) as store:
            said = await store.durability()
        assert said.summary == "appendonly yes, appendfsync not told"


async def test_the_health_check_has_it() -> None:
    with servers.own_valkey("--appendonly", "no") as server:
        async with open_queue(server.url, redis_jobs_key=servers.redis_name()) as queue:
            health = await queue.health_check()
        assert health["healthy"]
        section = health["apscheduler_queue"]
        assert (section["job_store_type"], section["durability"]) == ("redis", "appendonly no")
        assert [one for one in health["warnings"] if "appendonly no" in one]
