"""What is the memory store's own: its bounds, and that it leaves nothing behind."""

import gc
import tracemalloc
from uuid import UUID

import pytest

from oncue.stores import ByIds, CancelTask, MemoryStore, StoreUnavailable, first_lease
from oncue.stores import _memory_table as memory_table
from oncue.stores.clock import CallableStoreClock
from oncue.stores.errors import DuplicateTask, StoreClosed
from oncue.stores.lease import INCARNATION_MAX, LEASE_COUNTER_BITS, incarnation_of
from oncue.testing._store_kit import START, Claimer, TurnedClock, done, make_row, view_of


async def test_the_oldest_results_leave_past_the_limit() -> None:
    store = MemoryStore(result_cache_limit=2)
    await store.open()
    claimer = await Claimer.join(store)
    rows = [make_row() for _ in range(3)]
    await store.add(rows)
    for task in await claimer.claim():
        await claimer.settle(done(task))
    left = await store.find(ByIds(task_ids=[row.task_id for row in rows]))
    assert [view.task_id for view in left] == [row.task_id for row in rows[1:]]
    assert repr(store) == (
        "<MemoryStore open live=0 processing=0 delayed=0 dead_letters=0 results=2>"
    )


async def test_one_call_moves_a_bounded_number_of_delayed_tasks_and_asks_to_be_called_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(memory_table, "PROMOTIONS_MAX", 10)
    clock = TurnedClock()
    store = MemoryStore(clock=clock)
    await store.open()
    claimer = await Claimer.join(store)
    rows = [make_row(delay=5) for _ in range(25)]
    await store.add(rows)
    clock.turn(6)
    taken: list[UUID] = []
    told: list[float | None] = []
    for _ in range(3):
        exchanged = await claimer.exchange()
        taken += [task.row.task_id for task in exchanged.claimed]
        assert exchanged.survey is not None
        told.append(exchanged.survey.next_due_s)
    assert taken == [row.task_id for row in rows]
    assert told == [0.0, 0.0, None]


async def test_queue_names_that_come_and_go_leave_nothing_behind() -> None:
    store = MemoryStore(result_cache_limit=0)
    await store.open()
    claimer = await Claimer.join(store)

    async def turnover(count: int) -> None:
        for number in range(count):
            name = f"queue {number}"
            first, second = make_row(queue_name=name, unique_key="k"), make_row(queue_name=name)
            await store.add([first, second])
            await store.edit([CancelTask(task_id=second.task_id)])
            [task] = await claimer.claim(name)
            await claimer.settle(done(task))

    await turnover(100)
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        await turnover(1000)
        gc.collect()
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert grown < 50_000
    assert await store.queues() == []


async def test_a_waiting_task_takes_less_than_a_kilobyte_and_a_half_beyond_its_payload() -> None:
    store = MemoryStore()
    await store.open()
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for number in range(5000):
            await store.add([make_row(payload={"n": number}, delay=number % 2 * 100)])
        taken = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert taken / 5000 < 1536


async def test_a_clock_that_steps_back_loses_nothing_and_keeps_the_order_of_due_times() -> None:
    clock = TurnedClock()
    store = MemoryStore(clock=clock)
    await store.open()
    claimer = await Claimer.join(store)
    early = make_row()
    await store.add([early])
    clock.turn(-3600)
    earlier = make_row()
    await store.add([earlier])
    exchanged = await claimer.exchange()
    order = [task.row.task_id for task in exchanged.claimed]
    assert order == [earlier.task_id, early.task_id]


async def test_any_callable_will_do_for_a_clock() -> None:
    store = MemoryStore(clock=CallableStoreClock(lambda: START))
    await store.open()
    row = make_row()
    await store.add([row])
    assert (await view_of(store, row.task_id)).run_at == START


def test_leases_of_an_older_incarnation_are_all_below_and_all_fit_a_bigint() -> None:
    assert first_lease(4) - 1 < first_lease(4) < first_lease(5)
    assert incarnation_of(first_lease(4) + 2**LEASE_COUNTER_BITS - 1) == 4
    assert first_lease(INCARNATION_MAX) + 2**LEASE_COUNTER_BITS - 1 == 2**63 - 1


def test_errors_make_their_own_sentence_and_keep_the_facts() -> None:
    duplicate = DuplicateTask(queue_name="q", unique_key="k", live_task_id=UUID(int=1))
    assert "'k'" in str(duplicate)
    assert str(UUID(int=1)) in str(duplicate)
    assert (duplicate.queue_name, duplicate.unique_key, duplicate.live_task_id) == (
        "q",
        "k",
        UUID(int=1),
    )
    assert "memory" in str(StoreUnavailable("memory", "adding"))
    assert "open()" in str(StoreClosed("memory"))
