"""Every async test on asyncio and on trio, in virtual time, none of them for ever.

An `async def test_...` needs no decorator. It runs once on each backend, on a fresh
`VirtualClock` that the `clock` fixture hands out. Three markers ask for something else:

- `real_time`: real clocks, for work that virtual time cannot hold still (servers, process
  executors, thread timeouts). It waits on events with deadlines, never on sleeps.
- `real_backends`: as `real_time`, and on uvloop and with eager tasks (Python 3.12) too.
- `watchdog(seconds)`: more than the usual minute before a test counts as hung.

`pytest --seeds N` runs the tests in virtual time on trio alone, each N times, scheduled by the
seeds 0 to N - 1. `test_x[trio-seed17]` is the case that repeats a failure of the seed 17.
"""

import asyncio
import sys
import threading
import traceback
from collections.abc import Awaitable, Callable, Generator, Iterator
from contextlib import suppress
from functools import partial
from inspect import iscoroutinefunction
from types import FrameType
from typing import Any, cast

import anyio
import anyio.from_thread
import anyio.lowlevel
import pytest
from anyio.lowlevel import EventLoopToken

from oncue.runtime import SeededEntropy
from oncue.testing import Backend, VirtualClock, seeded_schedule

WATCHDOG_S = 60.0

VIRTUAL: tuple[Backend, ...] = ("asyncio", "trio")


def _eager_loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    loop.set_task_factory(getattr(asyncio, "eager_task_factory"))  # noqa: B009 - not in 3.11
    return loop


def _real_backends() -> dict[str, tuple[str, dict[str, Any]]]:
    backends: dict[str, tuple[str, dict[str, Any]]] = {
        "asyncio": ("asyncio", {}),
        "trio": ("trio", {}),
    }
    if sys.platform != "win32":
        backends["uvloop"] = ("asyncio", {"use_uvloop": True})
    if sys.version_info >= (3, 12):
        backends["eager"] = ("asyncio", {"loop_factory": _eager_loop})
    return backends


REAL = _real_backends()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--seeds", type=int, default=0, help="run by so many of trio's schedules")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "anyio_backend" not in metafunc.fixturenames:
        return
    seeds = range(metafunc.config.option.seeds)
    if metafunc.definition.get_closest_marker("real_backends"):
        metafunc.parametrize("anyio_backend", tuple(REAL), indirect=True)
    elif seeds and not _in_real_time(metafunc.definition):
        ids = [f"trio-seed{seed}" for seed in seeds]
        metafunc.parametrize("anyio_backend", seeds, ids=ids, indirect=True)
    else:
        metafunc.parametrize("anyio_backend", VIRTUAL, indirect=True)


def _in_real_time(node: pytest.Item) -> bool:
    return any(node.get_closest_marker(name) for name in ("real_time", "real_backends"))


@pytest.fixture
def clock(request: pytest.FixtureRequest) -> VirtualClock:
    """The virtual clock that this test runs on."""
    if _in_real_time(request.node):
        pytest.fail("a test in real time has no virtual clock; use SystemClock()", pytrace=False)
    return VirtualClock()


@pytest.fixture
def anyio_backend(request: pytest.FixtureRequest) -> Iterator[tuple[str, dict[str, Any]]]:
    """The backend of this run and its options, as anyio's plugin wants them."""
    if _in_real_time(request.node):
        yield REAL[request.param]
        return
    clock: VirtualClock = request.getfixturevalue("clock")
    if isinstance(request.param, str):
        yield request.param, clock.backend_options(cast(Backend, request.param))
        return
    seed: int = request.param
    monkeypatch: pytest.MonkeyPatch = request.getfixturevalue("monkeypatch")
    # A system that was given no entropy would take the operating system's, in no seed's hand.
    monkeypatch.setattr("oncue.runtime._system.SeededEntropy", partial(SeededEntropy, seed))
    with seeded_schedule(seed):
        yield "trio", clock.backend_options("trio")


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Turn a hang into a failure that shows where each task of the loop stands.

    pytest-timeout shows where threads stand, a selector waiting, and its exception breaks
    trio's loop. What blocks the loop itself, or shields itself, is left to pytest's
    faulthandler_timeout, which ends the run.
    """
    if iscoroutinefunction(pyfuncitem.obj):
        marker = pyfuncitem.get_closest_marker("watchdog")
        pyfuncitem.obj = _watched(pyfuncitem.obj, marker.args[0] if marker else WATCHDOG_S)
    return (yield)


def _watched(test: Callable[..., Awaitable[object]], seconds: float) -> Callable[..., object]:
    async def watched(**arguments: object) -> None:
        def bark() -> None:
            sys.stderr.writelines(_task_stacks())
            scope.cancel()

        def call_in(token: EventLoopToken) -> None:
            with suppress(anyio.RunFinishedError):
                anyio.from_thread.run_sync(bark, token=token)

        timer = threading.Timer(seconds, call_in, (anyio.lowlevel.current_token(),))
        timer.daemon = True
        with anyio.CancelScope() as scope:
            timer.start()
            try:
                await test(**arguments)
            finally:
                timer.cancel()
        if scope.cancelled_caught:
            pytest.fail(f"hung for {seconds:g} s of real time; its tasks are on stderr")

    return watched


def _task_stacks() -> Iterator[str]:
    for task in anyio.get_running_tasks():
        yield f"\ntask {task.name}, most recent call last:\n"
        frames = ((frame, frame.f_lineno) for frame in _frames(task.coro))
        yield from traceback.StackSummary.extract(frames).format()


def _frames(awaitable: object) -> Iterator[FrameType]:
    """The frames of a suspended coroutine or generator, outermost first."""
    for prefix, inner in (("cr", "cr_await"), ("gi", "gi_yieldfrom"), ("ag", "ag_await")):
        frame = getattr(awaitable, f"{prefix}_frame", None)
        if isinstance(frame, FrameType):
            yield frame
            yield from _frames(getattr(awaitable, inner))
