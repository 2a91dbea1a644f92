"""The store's actor: group commit, and one bad request is its own asker's alone."""

from typing import Any

import anyio
import pytest
from structlog.testing import capture_logs

from oncue import TaskStatus
from oncue.actors.messages import Add, Count, Find
from oncue.actors.store import StoreActor
from oncue.runtime import ActorSystem, ChildSpec, SupervisorSpec
from oncue.stores import (
    Added,
    ByIds,
    CallableStoreClock,
    DeadLetters,
    StoreBusy,
    StoreUnavailable,
    encode_task,
)
from oncue.testing import VirtualClock
from tests.actors.kit import HookedQueue, HookedStore, hung, kill, node_at
from tests.flow.kit import make_queue, ok, task


async def test_what_piles_up_during_one_call_is_the_next_call(clock: VirtualClock) -> None:
    """Each asker is answered after the commit that has its rows, with its own outcomes."""
    store = HookedStore(clock=CallableStoreClock(clock.now))
    calls: list[int] = []
    answered: list[tuple[int, float]] = []

    async def slow(call: str, rows: Any) -> None:
        calls.append(len(rows))
        await anyio.sleep(1)

    store.before = slow
    spec = SupervisorSpec("app", children=[ChildSpec("store", lambda: StoreActor(store))])
    async with ActorSystem(spec, clock=clock) as system, anyio.create_task_group() as group:
        ref = system.lookup("app/store")

        async def add(count: int) -> None:
            rows = [encode_task(task()) for _ in range(count)]
            assert await ref.ask(Add(rows=rows)) == [Added()] * count
            answered.append((count, clock.monotonic()))

        group.start_soon(add, 1)
        await clock.wait_all_tasks_blocked()
        for count in (2, 3, 4):
            group.start_soon(add, count)
    assert calls == [1, 9]
    assert sorted(answered) == [(1, 1.0), (2, 2.0), (3, 2.0), (4, 2.0)]


async def test_a_store_that_is_away_fails_those_who_asked_and_lives(clock: VirtualClock) -> None:
    store = HookedStore(clock=CallableStoreClock(clock.now))

    async def away(call: str, about: Any) -> None:
        raise StoreUnavailable("memory", call)

    store.before = away
    spec = SupervisorSpec("app", children=[ChildSpec("store", lambda: StoreActor(store))])
    async with ActorSystem(spec, clock=clock) as system:
        ref = system.lookup("app/store")
        for request in (Add(rows=[encode_task(task())]), Find(query=ByIds(task_ids=[]))):
            with pytest.raises(StoreUnavailable):
                await ref.ask(request)
        assert [node.restarts for node in system.tree().walk()] == [0, 0]


async def test_a_request_that_makes_no_sense_fails_its_asker_alone(clock: VirtualClock) -> None:
    """However often: the actor does not crash of it."""
    queue = make_queue(clock)
    async with hung(queue, clock) as system:
        store = system.lookup(node_at(system, "/store").path)
        for _ in range(10):
            with pytest.raises(ValueError, match="islice"):
                await store.ask(Find(query=DeadLetters(queue_name=None, limit=-1)))
            with pytest.raises(TypeError, match="unhashable"):
                await store.ask(Count(queue_name=[]))  # type: ignore[arg-type]  # pyright: ignore
        assert sum(node.restarts for node in system.tree().walk()) == 0


async def test_a_look_that_the_store_fails_at_fails_its_asker_alone(clock: VirtualClock) -> None:
    """Nothing was changed, so there is nothing to be in doubt of: no actor crashes."""
    queue = HookedQueue(clock)

    async def crash(call: str, about: Any) -> None:
        raise OverflowError("the driver has a bug")

    async with hung(queue, clock) as system:
        queue.store.before = crash
        with capture_logs() as logs:
            for _ in range(10):
                with pytest.raises(StoreUnavailable, match="the driver has a bug") as caught:
                    await queue.get_jobs()
                assert isinstance(caught.value.__cause__, OverflowError)
        queue.store.before = HookedStore.before
        assert [line["event"] for line in logs] == ["look_failed"] * 10
        assert sum(node.restarts for node in system.tree().walk()) == 0


async def test_a_paused_queue_has_a_name_that_a_task_could_have(clock: VirtualClock) -> None:
    """What is kept without a task is checked like a task's."""
    async with make_queue(clock) as queue:
        for name in ("", " a", "a\n", None):
            with pytest.raises(ValueError, match="queue_name"):
                await queue.pause_queue(name)  # type: ignore[arg-type]  # pyright: ignore
        assert await queue.list_queues() == []


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_an_enqueue_outlives_a_store_killed_in_its_commit(
    clock: VirtualClock, moment: str
) -> None:
    """Written or not, it is offered again under its id, and is there once."""
    queue = HookedQueue(clock)
    queue.register_handler("ok", ok)
    killed: list[str] = []
    async with hung(queue, clock) as system:

        async def die(call: str, about: Any) -> None:
            if call == "add" and not killed:
                killed.append(moment)
                kill(system, "memory/store")
                await anyio.sleep(1)

        setattr(queue.store, moment, die)
        task_id = await queue.enqueue(task())
        assert (await queue.wait(task_id)).status is TaskStatus.COMPLETED
        assert killed
        assert queue.metrics["completed_tasks"] == 1


async def test_those_who_ask_a_store_that_crashes_do_not_crash_with_it(
    clock: VirtualClock,
) -> None:
    """All but the pool, which hands back what it held: nobody else's restarts are spent."""
    queue = HookedQueue(clock)
    async with hung(queue, clock) as system, anyio.create_task_group() as group:
        task_id = await queue.enqueue(task())

        async def crash(call: str, about: Any) -> None:
            queue.store.before = HookedStore.before
            raise RuntimeError("the store has a bug")

        queue.store.before = crash
        group.start_soon(queue.wait, task_id, 60.0)
        await anyio.sleep(1)
        queue.register_handler("ok", ok)
    restarted = {node.name for node in system.tree().walk() if node.restarts}
    assert restarted <= {"store", "pool", "workers", "queues"} | set(map(str, range(10)))


async def test_a_lock_in_the_way_of_one_fails_that_one_alone(clock: VirtualClock) -> None:
    store = HookedStore(clock=CallableStoreClock(clock.now))
    is_first = True

    async def locked(call: str, rows: Any) -> None:
        nonlocal is_first
        if is_first:
            is_first = False
            await anyio.sleep(1)
        elif any(row.unique_key == "k" for row in rows):
            raise StoreBusy("memory", call)

    store.before = locked
    spec = SupervisorSpec("app", children=[ChildSpec("store", lambda: StoreActor(store))])
    outcomes: dict[str | None, object] = {}
    async with ActorSystem(spec, clock=clock) as system, anyio.create_task_group() as group:
        ref = system.lookup("app/store")

        async def add(key: str | None) -> None:
            try:
                outcomes[key] = await ref.ask(Add(rows=[encode_task(task(unique_key=key))]))
            except StoreUnavailable as error:
                outcomes[key] = type(error)

        for key in ("first", "a", "k", "b"):
            group.start_soon(add, key)
            await clock.wait_all_tasks_blocked()
    assert outcomes == {"first": [Added()], "a": [Added()], "k": StoreBusy, "b": [Added()]}
