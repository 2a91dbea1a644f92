"""Virtual time: real waits cost nothing, and the clock stands still where it must."""

import math
import socket
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise

import anyio
import anyio.to_thread
import pytest

from oncue.runtime._clock import Clock
from oncue.testing import EPOCH, Backend, VirtualClock, run

DAY_S = 24 * 3600.0
MONTH_S = 30 * DAY_S

both = pytest.mark.parametrize("backend", ["asyncio", "trio"])


def blocks_50_ms() -> None:
    """Work of a worker thread, which no virtual clock can hurry."""
    time.sleep(0.05)


async def test_a_month_of_sleep_takes_no_time(clock: VirtualClock) -> None:
    began = time.perf_counter()
    await anyio.sleep(MONTH_S)
    assert clock.now() - EPOCH == timedelta(days=30)
    assert time.perf_counter() - began < 1


async def test_time_goes_on_when_its_floats_have_no_nanoseconds(clock: VirtualClock) -> None:
    """After 97 days a tick of asyncio's clock is less than a float's last bit."""
    await anyio.sleep(200 * DAY_S)
    for _ in range(100):
        await anyio.sleep(0.001)
    assert clock.now() - EPOCH == timedelta(days=200, milliseconds=100)


async def test_monotonic_time_is_the_clock_of_the_cancel_scopes(clock: VirtualClock) -> None:
    await anyio.sleep(1.5)
    assert clock.monotonic() == anyio.current_time() == 1.5
    with anyio.move_on_at(clock.monotonic() + 2) as scope:
        await anyio.sleep_forever()
    assert scope.cancelled_caught
    assert clock.monotonic() == 3.5


async def test_tasks_wake_in_the_order_of_their_deadlines(clock: VirtualClock) -> None:
    woken: list[tuple[float, float]] = []

    async def sleeper(seconds: float) -> None:
        await anyio.sleep(seconds)
        woken.append((seconds, clock.monotonic()))

    async with anyio.create_task_group() as group:
        for seconds in (3600, 0.001, MONTH_S, 7, 60):
            group.start_soon(sleeper, seconds)
    assert woken == [(s, s) for s in (0.001, 7, 60, 3600, MONTH_S)]
    assert all(early < late for (_, early), (_, late) in pairwise(woken))


async def test_time_waits_until_every_task_is_blocked(clock: VirtualClock) -> None:
    async def busy() -> None:
        for _ in range(100):
            await anyio.lowlevel.checkpoint()
        assert clock.monotonic() == 0

    async with anyio.create_task_group() as group:
        group.start_soon(anyio.sleep, 1)
        group.start_soon(busy)
    assert clock.monotonic() == 1


async def test_a_held_clock_stands_still_while_a_thread_works(clock: VirtualClock) -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(anyio.sleep, 5)
        with clock.hold():
            await anyio.to_thread.run_sync(blocks_50_ms)
            assert clock.monotonic() == 0
    assert clock.monotonic() == 5


async def test_a_clock_that_nobody_holds_jumps_over_the_work_of_a_thread(
    clock: VirtualClock,
) -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(anyio.sleep, 5)
        await anyio.to_thread.run_sync(blocks_50_ms)
        assert clock.monotonic() == 5


async def test_holds_nest_and_the_last_one_lets_go(clock: VirtualClock) -> None:
    async def hop() -> None:
        with clock.hold():
            await anyio.to_thread.run_sync(blocks_50_ms)

    async with anyio.create_task_group() as group:
        group.start_soon(anyio.sleep, 5)
        with clock.hold():
            await hop()
            await anyio.to_thread.run_sync(blocks_50_ms)
            assert clock.monotonic() == 0
    assert clock.monotonic() == 5


async def test_a_cancelled_hop_lets_the_clock_go(clock: VirtualClock) -> None:
    async def hop() -> None:
        with clock.hold():
            await anyio.to_thread.run_sync(blocks_50_ms, abandon_on_cancel=True)

    async with anyio.create_task_group() as group:
        group.start_soon(hop)
        await clock.wait_all_tasks_blocked()
        group.cancel_scope.cancel()
    await anyio.sleep(5)
    assert clock.monotonic() == 5


async def test_tasks_that_are_ready_run_on_under_a_hold(clock: VirtualClock) -> None:
    done = anyio.Event()

    async def other() -> None:
        await anyio.lowlevel.checkpoint()
        done.set()

    async with anyio.create_task_group() as group:
        group.start_soon(other)
        with clock.hold():
            await done.wait()
    assert clock.monotonic() == 0


async def test_time_stands_still_with_no_deadline_ahead(clock: VirtualClock) -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(anyio.sleep, math.inf)
        group.start_soon(anyio.sleep_forever)
        await anyio.to_thread.run_sync(blocks_50_ms)
        group.cancel_scope.cancel()
    assert clock.monotonic() == 0


@pytest.mark.parametrize("sleep_s", [math.inf, DAY_S])
def test_the_asyncio_loop_sleeps_while_it_must_wait(sleep_s: float) -> None:
    clock = VirtualClock()

    async def program() -> float:
        spent = math.inf
        async with anyio.create_task_group() as group:
            group.start_soon(anyio.sleep, sleep_s)
            with clock.hold():
                began = time.thread_time()
                await anyio.to_thread.run_sync(time.sleep, 0.2)
                spent = time.thread_time() - began
            group.cancel_scope.cancel()
        return spent

    assert run(program, clock=clock) < 0.1


async def test_waiting_until_all_are_blocked_takes_no_time(clock: VirtualClock) -> None:
    steps: list[int] = []

    async def busy() -> None:
        for step in range(100):
            await anyio.lowlevel.checkpoint()
            steps.append(step)
        await anyio.sleep(1)
        steps.append(-1)

    async with anyio.create_task_group() as group:
        group.start_soon(busy)
        await clock.wait_all_tasks_blocked()
        assert steps == list(range(100))
        with clock.hold():
            await clock.wait_all_tasks_blocked()
        assert clock.monotonic() == 0
    assert steps[-1] == -1


async def test_waiting_until_all_are_blocked_can_be_cancelled(clock: VirtualClock) -> None:
    with anyio.CancelScope() as scope:
        scope.cancel()
        await clock.wait_all_tasks_blocked()
    assert scope.cancelled_caught
    await anyio.sleep(1)
    assert clock.monotonic() == 1


async def test_a_clock_without_a_run_has_no_tasks_to_wait_for() -> None:
    with pytest.raises(RuntimeError, match="has no run"):
        await VirtualClock().wait_all_tasks_blocked()


async def test_bytes_on_a_socket_come_before_a_jump(clock: VirtualClock) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.send(b"x")
        with anyio.fail_after(DAY_S):
            await anyio.wait_readable(ours)
    assert clock.monotonic() == 0


@both
def test_run_starts_a_program_in_virtual_time(backend: Backend) -> None:
    async def program(seconds: float) -> float:
        await anyio.sleep(seconds)
        return anyio.current_time()

    assert run(program, MONTH_S, backend=backend) == MONTH_S


@both
def test_wall_time_goes_on_over_runs_and_monotonic_time_starts_again(backend: Backend) -> None:
    clock = VirtualClock()
    for days in (1, 2):
        run(anyio.sleep, DAY_S, backend=backend, clock=clock)
        assert clock.now() == EPOCH + timedelta(days=days)
        assert clock.monotonic() == DAY_S


def test_options_serve_anyio_run(clock: VirtualClock) -> None:
    anyio.run(anyio.sleep, 60, backend_options=clock.backend_options("asyncio"))
    assert clock.now() == EPOCH + timedelta(minutes=1)


async def test_a_step_of_the_wall_clock_moves_no_deadline(clock: VirtualClock) -> None:
    with anyio.move_on_after(10):
        clock.epoch += timedelta(hours=1)
        await anyio.sleep_forever()
    assert clock.monotonic() == 10
    assert clock.now() == EPOCH + timedelta(hours=1, seconds=10)


def test_an_epoch_is_kept_in_utc_and_a_naive_one_is_refused() -> None:
    berlin = datetime(2026, 6, 1, 2, tzinfo=timezone(timedelta(hours=2)))
    assert VirtualClock(berlin).now() == datetime(2026, 6, 1, tzinfo=UTC)
    assert VirtualClock(berlin).now().tzinfo is UTC
    with pytest.raises(ValueError, match="epoch needs a time zone"):
        VirtualClock(datetime(2026, 6, 1))


@both
def test_a_held_clock_cannot_begin_a_run(backend: Backend) -> None:
    clock = VirtualClock()
    with clock.hold(), pytest.raises(RuntimeError, match="held still"):
        run(anyio.sleep, 1, backend=backend, clock=clock)


def test_a_virtual_clock_is_a_clock() -> None:
    def needs(clock: Clock) -> Callable[[], datetime]:
        return clock.now

    assert needs(VirtualClock())() == EPOCH
