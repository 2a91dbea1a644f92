"""Whose fault it was, and that work goes on by itself once a server is back."""

import signal
from contextlib import closing
from typing import Any

import anyio
import pytest
from coredis.connection import UnixDomainSocketConnection
from coredis.exceptions import ConnectionError
from coredis.parser import Parser

from oncue.stores import (
    Added,
    AlreadyKnown,
    Beat,
    ByIds,
    CancelTask,
    Pulse,
    StoreUnavailable,
    TaskStatus,
)
from oncue.stores.redis import KeysTooNew, RedisStore, ServerTooOld
from oncue.stores.redis._server import Server, is_no_longer_there, is_the_worlds
from oncue.testing._store_kit import Claimer, done, ids, make_row, view_of
from tests import servers
from tests.faults.proxy import Proxy
from tests.stores.redis.kit import opened

pytestmark = pytest.mark.real_time


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
async def test_work_goes_on_when_the_server_is_back(how: signal.Signals) -> None:
    """D1.1: with a log that is written before the answer, what was acknowledged is there."""
    with servers.own_valkey() as server:
        async with opened(server.url) as store:
            claimer = await Claimer.join(store)
            rows = [make_row() for _ in range(3)]
            await store.add(rows)
            [held] = await claimer.claim(limit=1)
            server.stop(how)
            for _ in range(3):
                with pytest.raises(StoreUnavailable) as caught:
                    await store.add([make_row()])
                assert caught.value.__cause__ is not None
            server.start()
            assert await claimer.settle(done(held)) == []
            assert ids(await claimer.claim()) == [row.task_id for row in rows[1:]]


async def test_a_server_that_is_not_there_is_unavailable_at_open() -> None:
    store = RedisStore("redis://ada:secret@127.0.0.1:1/0")
    for _ in range(2):
        with pytest.raises(StoreUnavailable) as caught:
            await store.open()
        assert "secret" not in f"{caught.value} {caught.value.__cause__} {store!r}"


async def test_a_wrong_password_is_the_worlds_fault_and_is_not_shown() -> None:
    with servers.own_valkey("--requirepass", "right") as server:
        async with opened(server.url.replace("unix://", "unix://:right@")):
            pass
        store = RedisStore(server.url.replace("unix://", "unix://:secret@"))
        with pytest.raises(StoreUnavailable) as caught:
            await store.open()
        assert "secret" not in f"{caught.value} {caught.value.__cause__} {store!r}"


async def test_a_server_that_forgot_the_scripts_is_sent_them_again() -> None:
    with servers.own_valkey() as server:
        async with opened(server.url) as store:
            claimer = await Claimer.join(store)
            row = make_row()
            await store.add([row])
            server.do("SCRIPT", "FLUSH")
            assert await store.add([row]) == [AlreadyKnown()]
            server.do("SCRIPT", "FLUSH")
            assert ids(await claimer.claim()) == [row.task_id]


async def test_a_server_that_was_emptied_is_begun_with_anew() -> None:
    with servers.own_valkey() as server:
        async with opened(server.url) as store:
            claimer = await Claimer.join(store, beat_s=5)
            await store.add([make_row(), make_row()])
            held, _ = await claimer.claim()
            server.do("FLUSHALL")
            assert await store.heartbeat(
                [Beat(node="node-a", incarnation=claimer.incarnation)]
            ) == [Pulse.LOST]
            assert await claimer.settle(done(held)) == [done(held)]
            row = make_row()
            assert await store.add([row]) == [Added()]
            assert await claimer.claim() == []
            anew = await Claimer.join(store, beat_s=5)
            assert anew.incarnation != claimer.incarnation
            assert ids(await anew.claim()) == [row.task_id]
            assert (await store.count()).live == 1


async def test_without_memory_nothing_is_taken_and_all_else_goes_on() -> None:
    """D1.7. To join, claim, settle and cancel makes room, so it is not refused."""
    with servers.own_valkey() as server:
        async with opened(server.url, result_ttl_s=0) as store:
            claimer = await Claimer.join(store)
            rows = [make_row(payload={"fill": "x" * 100_000}) for _ in range(30)]
            await store.add(rows)
            server.do("CONFIG", "SET", "maxmemory", "1mb")
            refused = make_row(unique_key="k")
            with pytest.raises(StoreUnavailable) as caught:
                await store.add([refused])
            assert "OOM" in str(caught.value.__cause__)
            assert await store.find(ByIds(task_ids=[refused.task_id])) == []
            assert (await store.count()).live == 30
            beat = Beat(node="node-a", incarnation=claimer.incarnation)
            assert await store.heartbeat([beat]) == [Pulse.ALIVE]
            await store.close()
            await store.open()
            claimer = await Claimer.join(store)
            [edited] = await store.edit([CancelTask(task_id=rows[0].task_id)])
            assert edited.count == 1
            claimed = await claimer.claim()
            assert len(claimed) == 29
            assert await claimer.settle(*map(done, claimed)) == []
            server.do("CONFIG", "SET", "maxmemory", "0")
            assert await store.add([refused]) == [Added()]
            assert (await store.count()).payload_bytes == 2


async def test_a_replica_takes_nothing_until_it_is_promoted() -> None:
    """D1.7. After a failover the connection may lead to one."""
    with servers.own_valkey() as server:
        async with opened(server.url) as store:
            await store.add([make_row()])
            server.do("REPLICAOF", "127.0.0.1", "1")
            for _ in range(2):
                with pytest.raises(StoreUnavailable):
                    await store.add([make_row()])
            server.do("REPLICAOF", "NO", "ONE")
            assert await store.add([make_row()]) == [Added()]
            assert (await store.count()).live == 2


async def test_after_a_failover_the_new_server_is_found_under_the_old_name() -> None:
    """Also where the former one answers still, as a replica."""
    with (
        servers.own_valkey() as former,
        servers.own_valkey() as latter,
        closing(Proxy(former.url)) as proxy,
    ):
        async with opened(proxy.url) as store:
            await store.add([make_row()])
            proxy.lead_to(latter.url)
            former.do("REPLICAOF", "127.0.0.1", "1")
            with pytest.raises(StoreUnavailable):
                await store.add([make_row()])
            assert await store.add([make_row()]) == [Added()]
            assert (await store.count()).live == 1


async def test_a_call_whose_answer_is_lost_is_not_sent_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """D1.3. Or who claims would own two tasks by one lease."""
    ask = UnixDomainSocketConnection.create_request

    async def unanswered(self: UnixDomainSocketConnection, *words: Any, **options: Any) -> None:
        monkeypatch.undo()
        await ask(self, *words, **options)
        raise ConnectionError("planted")

    with servers.own_valkey() as server:
        async with opened(server.url) as store:
            claimer = await Claimer.join(store)
            await store.add([make_row(), make_row()])
            await claimer.claim(limit=0)  # the server knows the script
            monkeypatch.setattr(UnixDomainSocketConnection, "create_request", unanswered)
            with pytest.raises(StoreUnavailable):
                await claimer.claim(limit=1)
            assert (await store.count()).processing == 1
            assert (await store.reconcile("node-a", claimer.incarnation, ())).returned == 1


async def test_a_server_that_hangs_is_given_up_also_by_who_was_cancelled() -> None:
    with closing(Proxy(servers.redis_url())) as proxy:
        async with opened(proxy.url, client_options={"stream_timeout": 1}) as store:
            proxy.cut()
            with anyio.fail_after(10):
                with pytest.raises(StoreUnavailable):
                    await store.count()
                with anyio.move_on_after(0.1):
                    await store.count()
            proxy.mend()
            assert (await store.count()).live == 0


async def test_a_cancelled_call_leaves_its_connection_clean() -> None:
    """Its answer is nobody else's."""
    async with opened() as store:
        row = make_row()
        await store.add([row])
        for _ in range(50):
            with anyio.CancelScope() as scope:
                async with anyio.create_task_group() as group:
                    group.start_soon(store.count)
                    await anyio.lowlevel.checkpoint()
                    scope.cancel()
            assert (await view_of(store, row.task_id)).status is TaskStatus.PENDING
        assert await store.add([row]) == [AlreadyKnown()]


async def test_a_store_is_opened_and_closed_by_whatever_task() -> None:
    store = RedisStore(servers.redis_url(), jobs_key=servers.redis_name())
    for _ in range(2):
        async with anyio.create_task_group() as group:
            group.start_soon(store.open)
        assert await store.add([make_row()]) == [Added()]
        with anyio.fail_after(5):
            async with anyio.create_task_group() as group:
                group.start_soon(store.close)


async def test_keys_of_a_newer_version_are_refused() -> None:
    name = servers.redis_name()
    with servers.own_valkey() as server:
        server.do("HSET", f"{{{name}}}:counters", "schema", "99")
        store = RedisStore(server.url, jobs_key=name)
        for _ in range(2):
            with pytest.raises(KeysTooNew, match="version 99"):
                await store.open()


async def test_a_server_that_is_too_old_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    async def info(self: Server, section: str) -> dict[str, str]:
        return {"redis_version": "6.0.16"}

    monkeypatch.setattr(Server, "info", info)
    store = RedisStore(servers.redis_url(), jobs_key=servers.redis_name())
    with pytest.raises(ServerTooOld, match=r"6\.0\.16, and 6\.2 or later"):
        await store.open()


@pytest.mark.parametrize(
    "said",
    [
        "OOM command not allowed when used memory > 'maxmemory'.",
        "ERR Error running script (call to f_0a): @user_script:5: @user_script: 5: -OOM command not"
        " allowed when used memory > 'maxmemory'.",
        "ERR Error running script (call to f_0a): @user_script:5: -READONLY You can't write against"
        " a read only replica.",
        "READONLY You can't write against a read only replica.",
        "LOADING Redis is loading the dataset in memory",
        "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.",
        "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist",
        "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
        "NOREPLICAS Not enough good replicas to write.",
        "CLUSTERDOWN Hash slot not served",
        "MOVED 3999 127.0.0.1:6381",
        "TRYAGAIN Multiple keys request during rehashing of slot",
        "NOAUTH Authentication required.",
        "NOPERM this user has no permissions to run the 'evalsha' command",
    ],
)
def test_what_a_server_says_when_it_cannot_just_now_is_the_worlds_fault(said: str) -> None:
    assert is_the_worlds(Parser().parse_error(said))


@pytest.mark.parametrize(
    "said",
    [
        "ERR user_script:1: Script attempted to access nonexistent global variable 'x'",
        "WRONGTYPE Operation against a key holding the wrong kind of value",
    ],
)
def test_what_we_did_wrong_is_not(said: str) -> None:
    assert not is_the_worlds(Parser().parse_error(said))


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("READONLY You can't write against a read only replica.", True),
        (
            "ERR Error running script (call to f_0a): @user_script:5: -READONLY You can't write",
            True,
        ),
        ("MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.", True),
        ("LOADING Redis is loading the dataset in memory", True),
        ("CLUSTERDOWN Hash slot not served", True),
        ("OOM command not allowed when used memory > 'maxmemory'.", False),
        ("BUSY Redis is busy running a script.", False),
        ("WRONGTYPE Operation against a key holding the wrong kind of value", False),
    ],
)
def test_a_connection_to_who_may_not_write_any_more_is_given_up(said: str, expected: bool) -> None:
    assert is_no_longer_there(Parser().parse_error(said)) is expected
