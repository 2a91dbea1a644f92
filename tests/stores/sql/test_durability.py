"""What an acknowledged task outlives is what the database is set to, and the store says it."""

import pytest

from oncue import open_queue
from tests.stores.sql import kit

pytestmark = pytest.mark.real_time

ON_SQLITE = pytest.mark.parametrize("place", ["sqlite"], indirect=True)


@ON_SQLITE
async def test_sqlite_loses_the_last_moments_only_without_full(place: kit.Place) -> None:
    async with place.opened() as store:
        said = await store.durability()
        assert (said.summary, said.warnings) == ("synchronous=FULL", ())
    async with place.opened(synchronous="NORMAL") as store:
        said = await store.durability()
        assert said.summary == "synchronous=NORMAL"
        [warning] = said.warnings
        assert "a power failure can lose the tasks acknowledged in the last moments" in warning


@pytest.mark.parametrize("place", ["postgresql"], indirect=True)
@pytest.mark.parametrize(("waits_for", "warns"), [("on", False), ("local", False), ("off", True)])
async def test_postgresql_is_asked_what_its_commits_wait_for(
    place: kit.Place, waits_for: str, *, warns: bool
) -> None:
    arguments = {"options": f"-c synchronous_commit={waits_for}"}
    async with place.opened(engine_options={"connect_args": arguments}) as store:
        said = await store.durability()
    fsync, _, commit = said.summary.partition(", ")
    assert commit == f"synchronous_commit={waits_for}"
    assert any("(synchronous_commit=off)" in each for each in said.warnings) == warns
    assert any("(fsync=off)" in each for each in said.warnings) == (fsync == "fsync=off")


@pytest.mark.parametrize(
    "place",
    [pytest.param("mysql", marks=pytest.mark.skipif("mysql" not in kit.KINDS, reason="no URL"))],
    indirect=True,
)
async def test_mysql_is_asked_when_it_flushes(place: kit.Place) -> None:
    name = "innodb_flush_log_at_trx_commit"
    try:
        for level, part in ((0, "of the server loses"), (2, "of the server's machine"), (1, None)):
            place.tables.do(f"SET GLOBAL {name} = {level}")
            async with place.opened() as store:
                said = await store.durability()
            assert said.summary == f"{name}={level}"
            assert [part in each for each in said.warnings if part] == ([True] if part else [])
    finally:
        place.tables.do(f"SET GLOBAL {name} = DEFAULT")


@ON_SQLITE
async def test_the_health_check_has_it(place: kit.Place) -> None:
    async with open_queue(place.tables.url, sqlite_synchronous="NORMAL") as queue:
        health = await queue.health_check()
    assert health["healthy"]
    assert health["apscheduler_queue"]["durability"] == "synchronous=NORMAL"
    assert [each for each in health["warnings"] if "synchronous=NORMAL" in each]
