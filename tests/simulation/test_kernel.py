"""The kernel under random histories: every message is accounted for, and nothing lives twice.

A seed decides the whole history: who sends what to whom and when, who crashes, is killed,
stopped or slow, and how trio schedules all of it. Twenty seeds here; `--seeds N` for more.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, cast

import anyio
import pytest
from anyio.lowlevel import checkpoint

from oncue.runtime import (
    Actor,
    ActorDied,
    ActorStopped,
    ActorSystem,
    AskTimeout,
    Backoff,
    ChildSpec,
    DeadLetter,
    Envelope,
    Event,
    MailboxFull,
    Overflow,
    Ref,
    Request,
    Restart,
    Strategy,
    SupervisorSpec,
)
from oncue.testing import Simulation, simulate, wait_until_idle

SEEDS: Final = 20
DRIVERS: Final = 5
STEPS: Final = 60


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "seed" in metafunc.fixturenames:
        metafunc.parametrize("seed", range(metafunc.config.option.seeds or SEEDS))


@dataclass(frozen=True, slots=True, kw_only=True)
class Job(Request[int]):
    """`number` is unique in a history."""

    number: int
    seconds: float = 0.0
    crash: bool = False


@dataclass(slots=True)
class Ledger:
    """What was seen from outside the kernel, to be compared in the end."""

    told: set[int] = field(default_factory=set[int])
    """Tells whose `tell` returned: each is handled once, or a dead letter once."""
    refused: set[int] = field(default_factory=set[int])
    """Sends that raised `MailboxFull` or `ActorStopped`: never handled, no dead letter."""
    replied: set[int] = field(default_factory=set[int])
    """Asks with a reply: handled once."""
    died: set[int] = field(default_factory=set[int])
    """Asks that got `ActorDied`: not handled to the end, no dead letter."""
    unknown: set[int] = field(default_factory=set[int])
    """Asks that timed out or were cancelled, and tells cancelled in their wait."""
    handled: Counter[int] = field(default_factory=Counter[int])
    dead: Counter[int] = field(default_factory=Counter[int])
    alive: Counter[str] = field(default_factory=Counter[str])
    wrong: list[str] = field(default_factory=list[str])
    crashes: int = 0

    def observe(self, event: Event) -> None:
        if isinstance(event, DeadLetter):
            assert isinstance(event.message, Job)
            self.dead[event.message.number] += 1


class OneByOne(Actor[Job]):
    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger

    async def on_start(self) -> None:
        alive = self.ledger.alive
        alive[self.context.path] += 1
        if alive[self.context.path] != 1:
            self.ledger.wrong.append(f"{self.context.path} lives {alive[self.context.path]} times")

    async def on_stop(self, reason: Exception | None) -> None:
        await checkpoint()
        self.ledger.crashes += reason is not None
        self.ledger.alive[self.context.path] -= 1

    async def do(self, job: Job) -> int:
        if job.seconds:
            await anyio.sleep(job.seconds)
        if job.crash:
            raise ValueError(job.number)
        self.ledger.handled[job.number] += 1
        return job.number

    async def receive(self, message: Job) -> int:
        return await self.do(message)


class Batches(OneByOne):
    """Answers the first half of each batch, and the rest with the next one or never."""

    batch_max = 4

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self.kept: list[Envelope] = []

    async def receive_batch(self, batch: list[Envelope]) -> None:
        now, self.kept = [*self.kept, *batch[::2]], [e for e in batch[1::2] if e.wants_reply]
        now += [e for e in batch[1::2] if not e.wants_reply]
        for envelope in now:
            number = await self.do(cast(Job, envelope.message))
            envelope.reply(number)


def spec_of(ledger: Ledger) -> SupervisorSpec:
    def child(name: str, kind: Callable[[Ledger], Actor[Job]], **how: Any) -> ChildSpec[Job]:
        return ChildSpec(name, lambda: kind(ledger), shutdown_s=0.5, **how)

    return SupervisorSpec(
        "app",
        intensity=10_000,
        children=[
            child("plain", OneByOne),
            child("small", OneByOne, capacity=2),
            child("strict", OneByOne, capacity=2, overflow=Overflow.FAIL),
            child("lossy", OneByOne, capacity=2, overflow=Overflow.DROP_OLD),
            child("slow-to-return", OneByOne, backoff=Backoff(first_s=0.5, max_s=2)),
            SupervisorSpec(
                "together",
                strategy=Strategy.ONE_FOR_ALL,
                intensity=3,
                children=[child("x", OneByOne), child("y", Batches, capacity=4)],
            ),
            SupervisorSpec(
                "after",
                strategy=Strategy.REST_FOR_ONE,
                intensity=3,
                children=[child("x", Batches), child("y", OneByOne, restart=Restart.TRANSIENT)],
            ),
            SupervisorSpec("crowd", strategy=Strategy.DYNAMIC, intensity=10_000),
        ],
    )


@dataclass(slots=True)
class History:
    """The drivers' side of one run."""

    simulation: Simulation
    system: ActorSystem
    ledger: Ledger
    sent: int = 0
    started: int = 0
    crowd: list[Ref[Job]] = field(default_factory=list[Ref[Job]])

    def chance(self, of: float) -> bool:
        return self.simulation.entropy.random() < of

    def seconds(self, most: float) -> float:
        return self.simulation.entropy.random() * most

    def anyone(self) -> Ref[Job]:
        names = ["plain", "small", "strict", "lossy", "slow-to-return"]
        names += ["together/x", "together/y", "after/x", "after/y"]
        refs = [self.system.lookup(f"app/{name}") for name in names] + self.crowd[-3:]
        return refs[int(self.simulation.entropy.random() * len(refs))]

    def job(self) -> Job:
        self.sent += 1
        seconds = self.seconds(0.4) if self.chance(0.3) else 0.0
        return Job(number=self.sent, seconds=seconds, crash=self.chance(0.08))

    async def step(self) -> None:
        draw = self.simulation.entropy.random()
        if draw < 0.35:
            await self.tell(self.anyone(), self.job())
        elif draw < 0.7:
            await self.ask(self.anyone(), self.job())
        elif draw < 0.78:
            self.tell_nowait(self.anyone(), self.job())
        elif draw < 0.82:
            self.system.kill(self.anyone())
        elif draw < 0.87:
            await self.start_one()
        elif draw < 0.9 and self.crowd:
            await self.stop_one()
        else:
            await anyio.sleep(self.seconds(0.3))

    async def tell(self, ref: Ref[Job], job: Job) -> None:
        bucket = self.ledger.unknown
        try:
            with anyio.move_on_after(self.seconds(1.0)):
                await ref.tell(job)
                bucket = self.ledger.told
        except (ActorStopped, MailboxFull):
            bucket = self.ledger.refused
        bucket.add(job.number)

    def tell_nowait(self, ref: Ref[Job], job: Job) -> None:
        try:
            ref.tell_nowait(job)
            self.ledger.told.add(job.number)
        except (ActorStopped, MailboxFull):
            self.ledger.refused.add(job.number)

    async def ask(self, ref: Ref[Job], job: Job) -> None:
        timeout_s, began = self.seconds(2.0), self.simulation.clock.monotonic()
        bucket = self.ledger.unknown
        try:
            with anyio.move_on_after(self.seconds(4.0)):
                number = await ref.ask(job, timeout_s=timeout_s)
                bucket = self.ledger.replied
                if number != job.number:
                    self.ledger.wrong.append(f"ask {job.number} was answered {number}")
        except AskTimeout:
            pass
        except ActorDied:
            bucket = self.ledger.died
        except (ActorStopped, MailboxFull):
            bucket = self.ledger.refused
        bucket.add(job.number)
        took_s = self.simulation.clock.monotonic() - began
        if took_s > timeout_s + 1e-6:
            self.ledger.wrong.append(f"ask {job.number} took {took_s} s of {timeout_s} s")

    async def start_one(self) -> None:
        self.started += 1
        kind = Batches if self.chance(0.3) else OneByOne
        restart = Restart.TEMPORARY if self.chance(0.3) else Restart.PERMANENT
        spec = ChildSpec(str(self.started), lambda: kind(self.ledger), restart, shutdown_s=0.5)
        self.crowd.append(await self.system.start_child(spec, under="app/crowd"))

    async def stop_one(self) -> None:
        await self.system.stop_child(self.crowd[int(self.seconds(len(self.crowd)))])


async def play(simulation: Simulation, *, to_the_end: bool) -> Ledger:
    ledger = Ledger()
    system = ActorSystem(
        spec_of(ledger),
        clock=simulation.clock,
        entropy=simulation.entropy,
        observe=ledger.observe,
    )
    async with system:
        history = History(simulation=simulation, system=system, ledger=ledger)

        async def drive() -> None:
            for _ in range(STEPS):
                await history.step()

        async with anyio.create_task_group() as group:
            for _ in range(DRIVERS):
                group.start_soon(drive)
        if to_the_end:
            await settle(system)
    return ledger


async def settle(system: ActorSystem) -> None:
    # Batches keep asks for a next batch that may never come; they expire within 2 s.
    await anyio.sleep(2.1)
    await wait_until_idle(system)
    for node in system.tree().walk():
        assert (node.mailbox_depth, node.in_hand) == (0, 0), node


def check(ledger: Ledger) -> None:
    assert ledger.wrong == []
    assert +ledger.alive == Counter(), "on_stop ran for each on_start"
    assert all(count == 1 for count in ledger.handled.values()), "handled at most once"
    assert all(count == 1 for count in ledger.dead.values()), "a dead letter at most once"
    handled, dead = set(ledger.handled), set(ledger.dead)
    assert not handled & dead
    assert ledger.told <= handled | dead, f"lost: {ledger.told - handled - dead}"
    assert ledger.replied <= handled
    assert not ledger.refused & (handled | dead)
    assert not ledger.died & dead
    assert handled | dead <= ledger.told | ledger.replied | ledger.unknown | ledger.died


def test_every_message_is_accounted_for_when_all_has_settled(seed: int) -> None:
    async def main(simulation: Simulation) -> None:
        check(await play(simulation, to_the_end=True))

    simulate(main, seed=seed)


def test_and_when_the_system_is_left_in_the_middle(seed: int) -> None:
    async def main(simulation: Simulation) -> None:
        check(await play(simulation, to_the_end=False))

    simulate(main, seed=seed)


def test_the_histories_hold_what_they_are_meant_to_hold() -> None:
    async def main(simulation: Simulation) -> Ledger:
        return await play(simulation, to_the_end=True)

    ledgers = [simulate(main, seed=seed) for seed in range(5)]
    for name in ("told", "refused", "replied", "died", "unknown", "handled", "dead"):
        assert sum(len(getattr(ledger, name)) for ledger in ledgers) >= 5, name
    assert sum(ledger.crashes for ledger in ledgers) >= 20


def test_a_seed_repeats_its_history() -> None:
    async def main(simulation: Simulation) -> str:
        return repr(await play(simulation, to_the_end=True))

    histories = {simulate(main, seed=seed % 3) for seed in range(6)}
    assert len(histories) == 3
