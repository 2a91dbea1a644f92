"""A long list is looked through in parts, and is whole all the same."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from oncue.stores import (
    ByIds,
    CancelTask,
    DeadLetters,
    LiveTasks,
    PauseTask,
    Query,
    Store,
    TaskStatus,
)
from oncue.stores.redis._server import Server
from oncue.testing._store_kit import START, Claimer, TurnedClock, make_row
from oncue.testing._suite_base import dead
from tests import servers
from tests.stores.redis.kit import Place, before, opened
from tests.stores.redis.test_work import commands

pytestmark = pytest.mark.real_time

PAGE = 2000
"""How many tasks one script looks at."""
PAUSED = frozenset({TaskStatus.PAUSED})


async def fill(store: Store, count: int, queues: int = 3) -> list[UUID]:
    """So many tasks, in turn in some queues."""
    rows = [make_row(queue_name=f"q{number % queues}") for number in range(count)]
    for start in range(0, count, 1000):
        await store.add(rows[start:][:1000])
    return [row.task_id for row in rows]


async def found(store: Store, query: Query) -> list[UUID]:
    return [view.task_id for view in await store.find(query)]


def live(limit: int, queue_name: str | None = None, **fields: Any) -> LiveTasks:
    return LiveTasks(queue_name=queue_name, limit=limit, **fields)


async def costs(
    monkeypatch: pytest.MonkeyPatch, count: int, query: Callable[[list[UUID]], Query]
) -> list[int]:
    """How many commands each script call of a `find` among so many runs."""
    counted: list[int] = []
    call = Server.call

    async def counting(self: Server, name: str, *arguments: Any) -> Any:
        so_far = commands(server)
        answer = await call(self, name, *arguments)
        counted.append(commands(server) - so_far)
        return answer

    with servers.own_valkey() as server:
        async with opened(server.url) as store:
            ids = await fill(store, count)
            claimer = await Claimer.join(store)
            await claimer.settle(*map(dead, await claimer.claim("q0", limit=count)))
            await store.find(ByIds(task_ids=ids[:1]))  # the server knows the script
            with monkeypatch.context() as patched:
                patched.setattr(Server, "call", counting)
                await store.find(query(ids))
    return counted


QUERIES: dict[str, Callable[[list[UUID]], Query]] = {
    "by ids": lambda ids: ByIds(task_ids=ids),
    "live": lambda _: live(2**31 - 1),
    "one status": lambda _: live(1, statuses=PAUSED),
    "one queue": lambda _: live(2**31 - 1, "q1"),
    "dead letters": lambda _: DeadLetters(queue_name=None, limit=2**31 - 1),
}


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)
async def test_no_call_looks_at_more_than_a_page_whatever_there_is(
    monkeypatch: pytest.MonkeyPatch, query: Callable[[list[UUID]], Query]
) -> None:
    """Else the server answers nobody meanwhile, and nodes pass for dead."""
    few = await costs(monkeypatch, 3 * PAGE + 3, query)
    many = await costs(monkeypatch, 9 * PAGE + 9, query)
    assert max(*few, *many) < 60
    assert len(few) < len(many) <= 11


async def test_who_asks_for_few_is_shown_few(monkeypatch: pytest.MonkeyPatch) -> None:
    """A short list of a long queue is one call, and reads little."""
    [cost] = await costs(monkeypatch, 3 * PAGE, lambda _: live(10))
    assert cost < 20


async def test_a_list_is_whole_and_in_order_whatever_its_limit() -> None:
    async with opened() as store:
        ids = await fill(store, 2 * PAGE + 100)
        for limit in (0, 1, 150, PAGE - 1, PAGE, PAGE + 1, 2 * PAGE, len(ids), 2**31 - 1):
            assert await found(store, live(limit)) == ids[:limit]
        assert await found(store, live(2**31 - 1, "q1")) == ids[1::3]
        assert await found(store, live(PAGE + 50, "q1")) == ids[1::3][: PAGE + 50]
        assert await found(store, ByIds(task_ids=ids[::-1])) == ids[::-1]


async def test_a_list_of_one_status_is_whole() -> None:
    async with opened() as store:
        ids = await fill(store, 2 * PAGE + 100)
        chosen = [*ids[10 : PAGE + 10 : 7], ids[-1]]
        await store.edit([PauseTask(task_id=task_id) for task_id in chosen])
        for limit in (1, 150, len(chosen) - 1, len(chosen), 2**31 - 1):
            assert await found(store, live(limit, statuses=PAUSED)) == chosen[:limit]


async def test_a_list_over_many_queues_is_whole() -> None:
    async with opened() as store:
        ids = await fill(store, PAGE + 500, queues=700)
        ids += await fill(store, PAGE, queues=1)
        assert await found(store, live(2**31 - 1)) == ids


async def test_dead_letters_of_one_instant_are_all_listed() -> None:
    async with opened(clock=TurnedClock(START)) as store:
        ids = await fill(store, PAGE + 300, queues=2)
        claimer = await Claimer.join(store)
        while claimed := await claimer.claim("q0", "q1", limit=50):
            await claimer.settle(*map(dead, claimed))
        letters = await found(store, DeadLetters(queue_name=None, limit=2**31 - 1))
        assert sorted(letters) == sorted(ids)
        for limit in (1, PAGE - 1, PAGE + 1):
            query = DeadLetters(queue_name=None, limit=limit)
            assert await found(store, query) == letters[:limit]
        for name in ("q0", "q1"):
            mine = [
                view.task_id
                for view in await store.find(ByIds(task_ids=letters))
                if view.queue_name == name
            ]
            assert await found(store, DeadLetters(queue_name=name, limit=2**31 - 1)) == mine


@pytest.mark.parametrize("limit", [1, 4, 5, 10, 150])
async def test_a_row_that_cannot_be_read_hides_only_itself(limit: int) -> None:
    """In its place comes the next, whatever else the script looked at."""
    with servers.own_valkey() as server:
        place = Place(server)
        async with opened(server.url, jobs_key=place.name) as store:
            ids = await fill(store, 300)
            for spoilt in (*ids[:2], ids[4]):
                place.do("SET", "row", spoilt, "x")
            readable = [*ids[2:4], *ids[5:]]
            assert await found(store, live(limit)) == readable[:limit]


@pytest.mark.parametrize("limit", [1, 4, 5, 10, 150])
async def test_a_dead_letter_whose_row_cannot_be_read_hides_only_itself(limit: int) -> None:
    with servers.own_valkey() as server:
        place = Place(server)
        async with opened(server.url, jobs_key=place.name) as store:
            await fill(store, 300, queues=1)
            claimer = await Claimer.join(store)
            await claimer.settle(*map(dead, await claimer.claim("q0", limit=300)))
            letters = await found(store, DeadLetters(queue_name=None, limit=300))
            for spoilt in (*letters[:2], letters[4]):
                place.do("SET", "row", spoilt, "x")
            readable = [*letters[2:4], *letters[5:]]
            query = DeadLetters(queue_name=None, limit=limit)
            assert await found(store, query) == readable[:limit]


async def test_what_goes_between_two_parts_hides_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And what moved on meanwhile is not told twice."""
    async with opened() as store:
        ids = await fill(store, PAGE + 10)
        added: list[UUID] = []

        async def meanwhile() -> None:
            await store.edit([CancelTask(task_id=task_id) for task_id in ids[PAGE - 5 : PAGE + 5]])
            added.extend(await fill(store, 1))

        before(monkeypatch, "find", meanwhile, skip=1)
        assert await found(store, live(2**31 - 1)) == [*ids[:PAGE], *ids[PAGE + 5 :], *added]
