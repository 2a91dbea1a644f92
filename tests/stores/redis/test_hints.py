"""What Redis tells other processes, and that nobody depends on it."""

import anyio
import pytest

from oncue.stores import (
    Back,
    CancelTask,
    PauseQueue,
    PauseTask,
    ResumeQueue,
    ResumeTask,
    ReviseTask,
    StoreUnavailable,
)
from oncue.stores.redis import RedisStore
from oncue.testing._store_kit import Claimer, make_row
from tests import servers
from tests.stores.redis.kit import opened

pytestmark = pytest.mark.real_time


async def next_hint(store: RedisStore) -> str | None:
    with anyio.fail_after(10):
        return await store.next_hint()


async def test_others_are_told_of_work_and_oneself_is_not() -> None:
    name = servers.redis_name()
    async with opened(jobs_key=name) as one, opened(jobs_key=name) as two:
        assert await next_hint(two) is None  # it has just begun to listen
        await two.add([make_row(queue_name="own")])
        await one.add([make_row(queue_name="a") for _ in range(3)])
        assert await next_hint(two) == "a"
        claimer = await Claimer.join(one)
        held = await claimer.claim("a")
        await claimer.settle(Back(task_id=held[0].row.task_id, lease=held[0].lease))
        assert await next_hint(two) == "a"
        await one.edit([PauseQueue(queue_name="b"), ResumeQueue(queue_name="b")])
        assert await next_hint(two) == "b"
        await one.edit([CancelTask(task_id=held[1].row.task_id)])
        assert await next_hint(two) is None  # whoever runs it is to look at its leases
        await one.leave("node-a", claimer.incarnation)
        assert await next_hint(two) is None
        await one.add([make_row(queue_name=f"q{number}") for number in range(20)])
        assert await next_hint(two) is None  # too many to be named


async def test_what_waits_again_or_elsewhere_is_told_of() -> None:
    name = servers.redis_name()
    async with opened(jobs_key=name) as one, opened(jobs_key=name) as two:
        assert await next_hint(two) is None
        row = make_row(queue_name="a")
        await one.add([row])
        assert await next_hint(two) == "a"
        await one.edit([PauseTask(task_id=row.task_id), ResumeTask(task_id=row.task_id)])
        assert await next_hint(two) == "a"
        await one.edit([ReviseTask(task_id=row.task_id, queue_name="b")])
        assert await next_hint(two) == "b"


async def test_what_is_not_due_and_what_has_been_is_not_told_of() -> None:
    name = servers.redis_name()
    async with opened(jobs_key=name) as one, opened(jobs_key=name) as two:
        await one.add([make_row(queue_name="before")])
        assert await next_hint(two) is None
        await one.add([make_row(queue_name="later", delay=60)])
        await one.add([make_row(queue_name="now")])
        assert await next_hint(two) == "now"


async def test_waiting_for_a_hint_can_be_cancelled_and_begun_again() -> None:
    name = servers.redis_name()
    with servers.own_valkey() as server:
        url = server.url
        async with opened(url, jobs_key=name) as one, opened(url, jobs_key=name) as two:
            assert await next_hint(two) is None
            for _ in range(3):
                with anyio.move_on_after(0.05) as scope:
                    await two.next_hint()
                assert scope.cancelled_caught
            with anyio.fail_after(5):  # nobody waits at the server any more
                while b"blocked_clients:0" not in server.do("INFO", "clients"):  # noqa: ASYNC110
                    await anyio.sleep(0.02)
            await one.add([make_row()])
            assert await next_hint(two) == "default"


async def test_that_there_are_no_hints_is_no_trouble() -> None:
    """However soon a server that says nothing is to be given up."""
    async with opened(client_options={"stream_timeout": 0.4}) as store:
        assert await store.next_hint() is None
        with anyio.move_on_after(0.6) as scope:
            await store.next_hint()
        assert scope.cancelled_caught


async def test_whoever_waits_for_a_hint_holds_up_no_other_call() -> None:
    async with opened() as store, anyio.create_task_group() as group:
        assert await next_hint(store) is None
        group.start_soon(store.next_hint)
        await anyio.wait_all_tasks_blocked()
        with anyio.fail_after(5):
            for _ in range(20):
                await store.count()
        group.cancel_scope.cancel()


async def test_after_a_lost_connection_everything_is_looked_at() -> None:
    with servers.own_valkey() as server:
        name = servers.redis_name()
        async with opened(server.url, jobs_key=name) as store:
            assert await next_hint(store) is None
            async with anyio.create_task_group() as group:

                async def listen() -> None:
                    with pytest.raises(StoreUnavailable):
                        await next_hint(store)

                group.start_soon(listen)
                await anyio.wait_all_tasks_blocked()
                server.stop()
            server.start()
            assert await next_hint(store) is None
            async with opened(server.url, jobs_key=name) as other:
                await other.add([make_row(queue_name="a")])
            assert await next_hint(store) == "a"
