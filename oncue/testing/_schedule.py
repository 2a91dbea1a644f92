"""Seeded schedules: one integer decides which of trio's ready tasks goes first, each time.

    for seed in range(200):
        simulate(main, seed=seed)     # a failure says which seed; that one repeats it

Rules:

1. Same seed, same program, same order of steps: in another process, and under any
   PYTHONHASHSEED. What comes from outside the loop is not decided by it: threads, sockets,
   the operating system's clock and randomness, the moments of the garbage collector.
2. A schedule is fair. trio runs each ready task once a batch, and the seed shuffles the
   batch; so no seed can starve a task, and a hang is a hang.
3. Wall time, ids and randomness of a simulation derive from its seed too, each by a
   generator of its own, so that a new draw of one does not shift the others.

asyncio needs no seed for rule 1: its ready queue is first in, first out. It has no other
order to offer either, which is why the seeds are trio's. trio's scheduler is told what to do
through two private names, as Hypothesis does (https://github.com/python-trio/trio/issues/2675
asks for a public way); before the first schedule of a process, `_prove` looks whether they
still mean what they meant.
"""

from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from random import Random
from typing import Any, TypeVar

from oncue.runtime import SeededEntropy

from ._virtual import EPOCH, VirtualClock, run

_T = TypeVar("_T")

_EPOCHS = timedelta(days=4 * 365 + 1)
"""A simulation begins within four years of EPOCH: some in a leap year, some at a month's end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulation:
    """What a simulated program gets: the ports to hand on to what is under test."""

    seed: int
    clock: VirtualClock
    entropy: SeededEntropy


def simulate(main: Callable[[Simulation], Awaitable[_T]], *, seed: int) -> _T:
    """Run `main` on trio in virtual time, by the schedule, the ids and the epoch of `seed`.

    Returns what `main` returns. What it raises leaves with a note that names the seed.
    """
    epoch = EPOCH + Random(f"epoch {seed}").random() * _EPOCHS
    simulation = Simulation(seed=seed, clock=VirtualClock(epoch), entropy=SeededEntropy(seed))
    with seeded_schedule(seed):
        try:
            return run(main, simulation, backend="trio", clock=simulation.clock)
        except BaseException as error:
            error.add_note(f"seed {seed}: simulate(main, seed={seed}) repeats this run")
            raise


@contextmanager
def seeded_schedule(seed: int) -> Generator[None]:
    """Let `seed` schedule the trio runs that begin inside this block.

    For a program that does not start with `simulate`: around a test runner's own loop, say.
    One loop at a time; the block is entered and left outside any. Raises RuntimeError when
    this trio cannot be scheduled by a seed.
    """
    _prove()
    with _scheduled(seed):
        yield


@contextmanager
def _scheduled(seed: int) -> Generator[None]:
    scheduler = _scheduler()
    flag, state = scheduler._ALLOW_DETERMINISTIC_SCHEDULING, scheduler._r.getstate()
    scheduler._ALLOW_DETERMINISTIC_SCHEDULING = True
    # From a text: a generator that the program seeds with the same number draws others.
    scheduler._r.seed(f"schedule {seed}")
    try:
        yield
    finally:
        scheduler._ALLOW_DETERMINISTIC_SCHEDULING = flag
        scheduler._r.setstate(state)


def _scheduler() -> Any:  # private to trio, and so beyond its types
    import trio._core._run

    return trio._core._run


@cache
def _prove() -> None:
    """One order a seed, and several orders over the seeds; else RuntimeError. Takes some 10 ms."""
    import trio

    try:
        orders = [_order_of(seed) for seed in range(8)]
        again = [_order_of(seed) for seed in range(8)]
    except AttributeError as error:
        raise RuntimeError(f"trio {trio.__version__} has no seeded schedules: {error}") from error
    # Unseeded, trio runs a batch forwards or backwards, in an order that the tasks' addresses
    # give: it may well be the same again, but two orders are all there are.
    if orders != again or len({*map(tuple, orders)}) <= 2:
        raise RuntimeError(
            f"trio {trio.__version__} does not follow the seed: {orders}, then {again}"
        )


def _order_of(seed: int) -> list[int]:
    """In which order eight equal tasks run."""
    import trio

    order: list[int] = []

    async def note(number: int) -> None:
        order.append(number)

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            for number in range(8):
                nursery.start_soon(note, number)

    with _scheduled(seed):
        trio.run(main)
    return order
