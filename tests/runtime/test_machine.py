"""A supervision tree against a pure model of Erlang/OTP's rules, step by step.

Hypothesis makes up histories: who crashes, ends, is killed, is stopped, is started, fails to
start or to stop, and when; the supervisor is killed too, and in the end the system is left or
cancelled. After each step the whole tree must be what the model says, no actor may live twice,
and every message must be accounted for; the last stop goes in reverse start order. Asks, full
mailboxes and batches have histories of their own, in tests/simulation/test_kernel.py.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import anyio
import anyio.lowlevel
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from oncue.runtime import (
    Actor,
    ActorSystem,
    ChildSpec,
    NoSuchActor,
    Request,
    Restart,
    Strategy,
    SupervisorSpec,
)
from oncue.runtime._ref import cell_of
from oncue.testing import wait_until_idle
from tests.runtime.kit import quiet

INTENSITY, PERIOD_S = 3, 5.0
STEP_S = 0.1037
STATIC = {
    "a": Restart.PERMANENT,
    "b": Restart.TRANSIENT,
    "c": Restart.TEMPORARY,
    "d": Restart.PERMANENT,
}
STRATEGIES = [Strategy.ONE_FOR_ONE, Strategy.ONE_FOR_ALL, Strategy.REST_FOR_ONE]


@dataclass
class Kid:
    restart: Restart
    generation: int = 0
    up: bool = False


@dataclass
class Model:
    """What OTP's supervisor documentation says, and no more. Times are seconds."""

    strategy: Strategy
    kids: dict[str, Kid] = field(default_factory=dict[str, Kid])
    restarts: list[float] = field(default_factory=list[float])
    bad_starts: Counter[str] = field(default_factory=Counter[str])
    bad_stops: set[str] = field(default_factory=set[str])

    def start_all(self) -> None:
        """The supervisor starts, or starts anew after it gave up."""
        while True:
            self.restarts = []
            old = self.kids
            self.kids = {}
            for name, restart in STATIC.items():
                kid = old.get(name)
                # One that had ended for good gets a new place; the others keep theirs.
                ended = kid is None or kid.generation < 0
                self.kids[name] = Kid(restart) if kid is None or ended else kid
            if all(self._come_up(name) for name in self.kids):
                return
            self._all_down()

    def _all_down(self) -> None:
        for name in self.kids:
            self._down(name)

    def _down(self, name: str) -> bool:
        """Whether its on_stop did not fail. It runs if and only if the kid was up."""
        was_up, self.kids[name].up = self.kids[name].up, False
        if was_up and name in self.bad_stops:
            self.bad_stops.remove(name)
            return False
        return True

    def kill_all(self) -> None:
        """The supervisor is killed, and restarted by its own."""
        self._all_down()
        self.start_all()

    def _come_up(self, name: str) -> bool:
        kid = self.kids[name]
        kid.generation += 1
        if self.bad_starts[name]:
            self.bad_starts[name] -= 1
            return False
        kid.up = True
        return True

    def end(self, name: str, *, normal: bool, now: float) -> None:
        """An incarnation has ended by itself."""
        kid = self.kids[name]
        normal = self._down(name) and normal
        keeps = kid.restart is Restart.PERMANENT or (
            kid.restart is Restart.TRANSIENT and not normal
        )
        if not keeps:
            self.gone(name)
            return
        self.restarts = [then for then in self.restarts if now - then <= PERIOD_S] + [now]
        if len(self.restarts) > INTENSITY:
            self._all_down()
            self.start_all()
            return
        self._restart(name, now)

    def gone(self, name: str) -> None:
        """For good."""
        self._down(name)
        if name in STATIC:
            self.kids[name].generation = -1
        else:
            del self.kids[name]

    def _restart(self, fallen: str, now: float) -> None:
        order = [name for name, kid in self.kids.items() if kid.generation >= 0]
        group = {
            Strategy.ONE_FOR_ONE: [fallen],
            Strategy.ONE_FOR_ALL: order,
            Strategy.REST_FOR_ONE: order[order.index(fallen) :],
        }[self.strategy]
        for name in group:
            self._down(name)
            if name != fallen and self.kids[name].restart is Restart.TEMPORARY:
                self.gone(name)
        for name in group:
            if name in self.kids and self.kids[name].generation >= 0 and not self._come_up(name):
                self.end(name, normal=False, now=now)
                return

    def start(self, name: str, restart: Restart) -> None:
        self.kids[name] = Kid(restart)
        if not self._come_up(name):
            del self.kids[name]


class Crash(Request[None]): ...


class End(Request[None]): ...


class Ping(Request[str]): ...


@dataclass
class World:
    """What the actors share with the test."""

    living: Counter[str] = field(default_factory=Counter[str])
    most: Counter[str] = field(default_factory=Counter[str])
    bad_starts: Counter[str] = field(default_factory=Counter[str])
    bad_stops: set[str] = field(default_factory=set[str])
    ends: list[str] = field(default_factory=list[str])

    def factory(self, name: str) -> Callable[[], "Subject"]:
        return lambda: Subject(name, self)


class Subject(Actor[Crash | End | Ping | str]):
    def __init__(self, name: str, world: World) -> None:
        self.name = name
        self.world = world

    async def on_start(self) -> None:
        if self.world.bad_starts[self.name]:
            self.world.bad_starts[self.name] -= 1
            raise OSError("bad start")
        self.world.living[self.name] += 1
        self.world.most[self.name] = max(self.world.most[self.name], self.world.living[self.name])

    async def on_stop(self, reason: Exception | None) -> None:
        await anyio.sleep(0.001)
        self.world.living[self.name] -= 1
        self.world.ends.append(self.name)
        if self.name in self.world.bad_stops:
            self.world.bad_stops.remove(self.name)
            raise OSError("bad stop")

    async def receive(self, message: Crash | End | Ping | str) -> object:
        match message:
            case Crash():
                async with anyio.create_task_group():
                    raise ValueError("crash in a group")
            case End():
                self.context.stop()
            case Ping():
                return "pong"
            case str():
                await anyio.lowlevel.checkpoint()
        return None


NAMES = [*STATIC, "x", "y"]
name = st.sampled_from(NAMES)
step = st.one_of(
    st.tuples(st.sampled_from(["crash", "end", "kill", "ping", "stop"]), name),
    st.tuples(st.sampled_from(["bad start", "bad stop"]), name),
    st.just(("kill all",)),
    st.tuples(st.just("start"), st.sampled_from(["x", "y"]), st.sampled_from(list(Restart))),
    # Sums of these and of STEP_S stay clear of PERIOD_S, where a millisecond would decide.
    st.tuples(st.just("advance"), st.sampled_from([0.513, 1.372, 2.719, 6.171])),
)


@given(
    strategy=st.sampled_from(STRATEGIES), steps=st.lists(step, max_size=14), cancel=st.booleans()
)
@settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
async def test_the_tree_is_what_otp_says(
    strategy: Strategy, steps: list[tuple[Any, ...]], cancel: bool
) -> None:
    """K2.1, K2.4, K2.5, K2.6, K2.8, K3.3, K3.4, K4.2, K7.1, K7.2, K7.4."""
    world, model = World(), Model(strategy)
    children = [ChildSpec(n, world.factory(n), restart=r) for n, r in STATIC.items()]
    inner = SupervisorSpec("inner", strategy, INTENSITY, PERIOD_S, children)
    # The root outlives any storm, so that what the inner one does when it gives up is seen.
    root = SupervisorSpec("root", intensity=10_000, children=[inner])
    with anyio.CancelScope() as scope:
        async with ActorSystem(root, observe=quiet) as system:
            model.start_all()
            for taken in steps:
                note(f"{anyio.current_time():.3f} {taken}")
                await act(system, world, model, taken)
                await anyio.sleep(STEP_S)
                await wait_until_idle(system)
                compare(system, world, model)
            world.ends.clear()
            if cancel:
                scope.cancel()
                await anyio.sleep_forever()
    assert world.ends == [name for name, kid in reversed(model.kids.items()) if kid.up]
    assert not +world.living
    assert all(count <= 1 for count in world.most.values())


async def act(system: ActorSystem, world: World, model: Model, taken: tuple[Any, ...]) -> None:
    """The same step in the tree and in the model."""
    what, *rest = taken
    if what == "advance":
        await anyio.sleep(rest[0])
        return
    if what == "kill all":
        system.kill(system.lookup("root/inner"))
        model.kill_all()
        return
    who = rest[0]
    if what == "bad start":
        world.bad_starts[who] = model.bad_starts[who] = 2
        return
    if what == "bad stop":
        world.bad_stops.add(who)
        model.bad_stops.add(who)
        return
    if what == "start":
        if who in model.kids:
            return
        try:
            spec = ChildSpec(who, world.factory(who), restart=rest[1])
            await system.start_child(spec, under="root/inner")
        except OSError:
            pass
        model.start(who, rest[1])
        return
    if who not in model.kids or not model.kids[who].up:
        return
    ref = system.lookup(f"root/inner/{who}")
    now = anyio.current_time()
    match what:
        case "crash":
            ref.tell_nowait("before")
            ref.tell_nowait(Crash())
            ref.tell_nowait("after")
            model.end(who, normal=False, now=now)
        case "end":
            await ref.tell(End())
            model.end(who, normal=True, now=now)
        case "kill":
            system.kill(ref)
            model.end(who, normal=False, now=now)
        case "stop":
            await system.stop_child(ref)
            model.gone(who)
        case _:
            assert await ref.ask(Ping()) == "pong"


def compare(system: ActorSystem, world: World, model: Model) -> None:
    (inner,) = system.tree().children
    seen = {
        node.name: (node.generation, True) for node in inner.children if node.state == "running"
    }
    expected = {n: (kid.generation, kid.up) for n, kid in model.kids.items() if kid.up}
    assert seen == expected
    assert [node.name for node in inner.children if node.name in expected] == list(expected)
    assert +world.living == Counter(expected.keys())
    for node in inner.children:
        try:
            mailbox = cell_of(system.lookup(node.path)).mailbox
        except NoSuchActor:
            continue
        assert mailbox is not None
        ends = mailbox.handled + mailbox.dead + mailbox.bounced + mailbox.skipped
        assert mailbox.accepted == ends + mailbox.depth
