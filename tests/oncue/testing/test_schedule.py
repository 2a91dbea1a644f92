"""One seed, one order, everywhere; many seeds, many orders; and a failure names its seed."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from random import Random
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint

from oncue.runtime import Actor, ActorSystem, ChildSpec, Ref, SupervisorSpec
from oncue.testing import (
    EPOCH,
    Simulation,
    _schedule,  # pyright: ignore[reportPrivateUsage]
    run,
    seeded_schedule,
    simulate,
    wait_until_idle,
)

SEEDS = range(20)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    by: int
    left: int


class Hopper(Actor[Hop]):
    """Passes a hop on to the next one, and notes it in a list that all share."""

    def __init__(self, number: int, noted: list[tuple[int, int]], peers: list[Ref[Hop]]) -> None:
        self.number = number
        self.noted = noted
        self.peers = peers

    async def receive(self, message: Hop) -> None:
        self.noted.append((message.by, self.number))
        if message.left:
            peer = self.peers[(self.number + message.by) % len(self.peers)]
            await peer.tell(Hop(by=message.by, left=message.left - 1))


async def hops(simulation: Simulation) -> list[tuple[int, int]]:
    """Five hoppers, four hops of ten at once: in which order they come."""
    noted: list[tuple[int, int]] = []
    peers: list[Ref[Hop]] = []
    spec = SupervisorSpec(
        "app", children=[ChildSpec(str(n), hopper(n, noted, peers)) for n in range(5)]
    )
    async with ActorSystem(spec, clock=simulation.clock, entropy=simulation.entropy) as system:
        peers += [system.lookup(f"app/{n}") for n in range(5)]
        for n in range(4):
            await peers[n].tell(Hop(by=n + 1, left=10))
        await wait_until_idle(system)
    return noted


def hopper(n: int, noted: list[tuple[int, int]], peers: list[Ref[Hop]]) -> Callable[[], Hopper]:
    return lambda: Hopper(n, noted, peers)


def test_the_same_seed_gives_the_same_order() -> None:
    for seed in SEEDS:
        assert simulate(hops, seed=seed) == simulate(hops, seed=seed)


def test_twenty_seeds_give_several_orders() -> None:
    assert len({tuple(simulate(hops, seed=seed)) for seed in SEEDS}) >= 15


def test_the_order_is_the_same_in_every_process_whatever_its_hash_seed() -> None:
    program = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from test_schedule import hops, simulate\n"
        "print([simulate(hops, seed=seed) for seed in range(3)])"
    )
    printed: set[str] = set()
    for hash_seed in ("1", "2", "3"):
        command = [sys.executable, "-c", program, os.path.dirname(__file__)]
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        printed.add(subprocess.check_output(command, env=environment, text=True))
    assert printed == {f"{[simulate(hops, seed=seed) for seed in range(3)]}\n"}


def test_ids_randomness_and_wall_time_derive_from_the_seed() -> None:
    async def drawn(simulation: Simulation) -> object:
        entropy = simulation.entropy
        return simulation.clock.now(), entropy.uuid(), entropy.random()

    assert simulate(drawn, seed=1) == simulate(drawn, seed=1)
    assert simulate(drawn, seed=1) != simulate(drawn, seed=2)


def test_time_is_virtual_and_begins_within_four_years() -> None:
    async def sleep(simulation: Simulation) -> None:
        assert (simulation.clock.now() - EPOCH).days in range(4 * 365 + 1)
        await anyio.sleep(10 * 24 * 3600)
        assert simulation.clock.monotonic() == 10 * 24 * 3600

    simulate(sleep, seed=3)


def test_what_main_returns_is_returned() -> None:
    async def seed_of(simulation: Simulation) -> int:
        return simulation.seed

    assert simulate(seed_of, seed=5) == 5


def test_a_failure_names_its_seed() -> None:
    async def fail(_: Simulation) -> None:
        raise LookupError("no")

    with pytest.raises(LookupError) as failure:
        simulate(fail, seed=17)
    assert failure.value.__notes__ == ["seed 17: simulate(main, seed=17) repeats this run"]


# -- a planted race ---------------------------------------------------------------------


class Account:
    """Two withdrawals at once may both pass its check: the planted bug."""

    def __init__(self) -> None:
        self.balance = 10

    async def withdraw(self, amount: int) -> None:
        if self.balance >= amount:
            await checkpoint()  # where a real one would ask its store
            self.balance -= amount


async def withdraw_twice(_: Simulation) -> None:
    account = Account()

    async def customer(steps: int) -> None:
        for _ in range(steps):
            await checkpoint()
        await account.withdraw(10)

    async with anyio.create_task_group() as group:
        group.start_soon(customer, 0)
        group.start_soon(customer, 1)
    assert account.balance == 0, f"balance {account.balance}"


def fails(seed: int) -> bool:
    try:
        simulate(withdraw_twice, seed=seed)
    except AssertionError:
        return True
    return False


def test_some_seed_finds_a_planted_race_and_each_that_does_repeats_it() -> None:
    found = [seed for seed in SEEDS if fails(seed)]
    assert found
    assert len(found) < len(SEEDS), "no race: it fails always"
    assert [seed for seed in found if fails(seed)] == found


# -- the private names ------------------------------------------------------------------

SCHEDULER: Any = import_module("trio._core._run")


class Unseeded(Random):
    """Forgets the seed that it is given."""

    def seed(self, a: object = None, version: int = 2) -> None:
        super().seed()


@pytest.fixture
def unproved() -> Iterator[None]:
    prove = _schedule._prove  # pyright: ignore[reportPrivateUsage]
    prove.cache_clear()
    yield
    prove.cache_clear()


def test_outside_a_schedule_trio_is_as_it_was() -> None:
    flag, state = SCHEDULER._ALLOW_DETERMINISTIC_SCHEDULING, SCHEDULER._r.getstate()
    with seeded_schedule(1):
        run(anyio.sleep, 1, backend="trio")
    assert flag is SCHEDULER._ALLOW_DETERMINISTIC_SCHEDULING
    assert SCHEDULER._r.getstate() == state


@pytest.mark.usefixtures("unproved")
def test_a_trio_that_does_not_follow_the_seed_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SCHEDULER, "_r", Unseeded())
    with pytest.raises(RuntimeError, match=r"trio \S+ does not follow the seed"):
        simulate(hops, seed=1)


@pytest.mark.usefixtures("unproved")
def test_a_trio_without_the_names_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(SCHEDULER, "_ALLOW_DETERMINISTIC_SCHEDULING")
    with pytest.raises(RuntimeError, match=r"trio \S+ has no seeded schedules"):
        simulate(hops, seed=1)
