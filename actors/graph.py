"""The trees of a queue, as data: print them before they run.

oncue                    one_for_one
├── store                the group commit
├── listeners            dynamic: one per callback that listens
├── events               fans out to them, and to iterators
├── waiters              whoever waits for a task to end
├── dead-letters         new lives, and expiry
├── work                 rest_for_one
│   ├── membership       durable: heartbeats; losing it stops the work
│   ├── queues           dynamic: one per queue that is written to
│   ├── pool             free workers, exchanges
│   └── workers          dynamic: run handlers
├── puller               tasks pulled by hand
├── ears                 durable, where the store has hints: what other processes tell
├── door                 the facade's way in; drains when it closes
└── scheduler            durable: fires due schedules; stops first, for what it fires would not run
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..runtime import Actor, ChildSpec, Clock, Entropy, Overflow, Strategy, SupervisorSpec
from ..stores import Hinting, Store
from .admission import Admission
from .backoff import RetryPolicy
from .dead_letters import STOCK_S, DeadLetterKeeper
from .door import DRAIN_MARGIN_S, Door, Entrance
from .ears import Ears
from .events import EventFan, Listeners
from .executors import Executors
from .handlers import Handlers
from .membership import Membership
from .pool import Pool
from .puller import BY_HAND, Puller
from .queue import QueueActor
from .roster import Roster
from .scheduler import Scheduler
from .store import StoreActor
from .tally import Tally
from .waiters import LOOK_S, Waiters
from .worker import Worker

STOCK_POLLS = 15
"""How many polls long a durable store is left uncounted: counting reads every row."""

AnyChild = ChildSpec[Any] | SupervisorSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What outlives the actors, and is lent to them; and how they shall work.

    `node` names this process to the store. Times are seconds.
    """

    store: Store
    handlers: Handlers
    entrance: Entrance
    listeners: Listeners
    admission: Admission
    roster: Roster
    tally: Tally
    clock: Clock
    entropy: Entropy
    policy: RetryPolicy
    node: str
    queues: frozenset[str] | None
    workers_max: int
    threads_max: int
    processes_max: int
    shutdown_grace_s: float
    tracing: bool
    poll_interval_s: float


def memory_graph(name: str, parts: Parts) -> SupervisorSpec:
    """The `memory` adapter's tree: one process."""
    work = [_queues(), _pool(parts), _workers(parts)]
    return _graph(name, parts, work=work)


def durable_graph(name: str, parts: Parts, *, beat_every_s: float) -> SupervisorSpec:
    """A tree for a store that other processes use as well."""
    work = [
        _membership(parts, beat_every_s),
        _queues(),
        _pool(parts),
        # The first to stop, and at once: when the membership falls, what runs here runs
        # elsewhere. (At an orderly stop the door has drained them before.)
        _workers(parts, shutdown_s=0.0),
    ]
    return _graph(
        name,
        parts,
        work=work,
        look_s=parts.poll_interval_s,
        stock_s=STOCK_POLLS * parts.poll_interval_s,
        scheduler=_scheduler(parts),
        ears=_ears(parts),
    )


def _graph(
    name: str,
    parts: Parts,
    *,
    work: list[AnyChild],
    look_s: float = LOOK_S,
    stock_s: float = STOCK_S,
    scheduler: list[AnyChild] | None = None,
    ears: list[AnyChild] | None = None,
) -> SupervisorSpec:
    return SupervisorSpec(
        name,
        children=[
            _store(parts),
            SupervisorSpec("listeners", strategy=Strategy.DYNAMIC),
            _events(parts),
            ChildSpec("waiters", lambda: Waiters(store="./store", look_s=look_s)),
            _dead_letters(parts, stock_s),
            SupervisorSpec("work", strategy=Strategy.REST_FOR_ONE, children=work),
            _puller(parts),
            *(ears or ()),
            _door(parts),
            *(scheduler or ()),
        ],
    )


def _store(parts: Parts) -> AnyChild:
    """First to start and last to stop, so it keeps a second graph from running at once."""
    entrance, graph = parts.entrance, object()

    def make() -> StoreActor:
        return StoreActor(
            parts.store, on_opened=lambda: entrance.reserve(graph), on_closed=entrance.release
        )

    return ChildSpec("store", make, shutdown_s=30.0)


def _events(parts: Parts) -> AnyChild:
    return ChildSpec(
        "events",
        lambda: EventFan(parts.listeners, under="./listeners", clock=parts.clock),
        overflow=Overflow.DROP_OLD,
    )


def _dead_letters(parts: Parts, stock_s: float) -> AnyChild:
    handlers = None if parts.queues == frozenset() else parts.handlers
    return ChildSpec(
        "dead-letters",
        lambda: DeadLetterKeeper(
            store="./store",
            pool="./work/pool",
            tally=parts.tally,
            handlers=handlers,
            stock_s=stock_s,
        ),
    )


def _scheduler(parts: Parts) -> list[AnyChild]:
    if parts.queues == frozenset():
        return []  # it comes and goes as it likes: others fire

    def make() -> Scheduler:
        return Scheduler(
            store="./store",
            pool="./work/pool",
            events="./events",
            listeners=parts.listeners,
            tally=parts.tally,
            tracing=parts.tracing,
            entropy=parts.entropy,
            poll_interval_s=parts.poll_interval_s,
        )

    return [ChildSpec("scheduler", make)]


def _membership(parts: Parts, beat_every_s: float) -> AnyChild:
    return ChildSpec(
        "membership",
        lambda: Membership(store="../store", roster=parts.roster, beat_every_s=beat_every_s),
        shutdown_s=0.0,  # it may be waiting for a store that does not answer
    )


def _pool(parts: Parts) -> AnyChild:
    def make() -> Pool:
        return Pool(
            node=parts.node,
            store="../store",
            waiters="../waiters",
            events="../events",
            listeners=parts.listeners,
            handlers=parts.handlers,
            queues=parts.queues,
            policy=parts.policy,
            tally=parts.tally,
            tracing=parts.tracing,
            entropy=parts.entropy,
            poll_interval_s=parts.poll_interval_s,
            roster=parts.roster,
        )

    return ChildSpec("pool", make)


def _workers(parts: Parts, *, shutdown_s: float = 5.0) -> AnyChild:
    executors = Executors(
        parts.clock, threads_max=parts.threads_max, processes_max=parts.processes_max
    )

    def factory(number: int) -> Callable[[], Actor[Any]]:
        return lambda: Worker(
            f"{parts.node}/{number}",
            pool="../pool",
            handlers=parts.handlers,
            executors=executors,
            policy=parts.policy,
            entropy=parts.entropy,
            tracing=parts.tracing,
        )

    return SupervisorSpec(
        "workers",
        strategy=Strategy.DYNAMIC,
        # A worker crashes only with the runtime around it; each may once.
        intensity=parts.workers_max,
        children=[
            ChildSpec(str(n), factory(n), capacity=2, shutdown_s=shutdown_s)
            for n in range(parts.workers_max)
        ],
    )


def _queues() -> AnyChild:
    return SupervisorSpec("queues", strategy=Strategy.DYNAMIC)


def _puller(parts: Parts) -> AnyChild:
    def make() -> Puller:
        return Puller(
            node=f"{parts.node}{BY_HAND}",
            store="./store",
            pool="./work/pool",
            waiters="./waiters",
            events="./events",
            listeners=parts.listeners,
            tally=parts.tally,
            tracing=parts.tracing,
            policy=parts.policy,
            entropy=parts.entropy,
            roster=parts.roster,
        )

    return ChildSpec("puller", make)


def _ears(parts: Parts) -> list[AnyChild]:
    store = parts.store
    if not isinstance(store, Hinting):
        return []
    return [ChildSpec("ears", lambda: Ears(store, pool="./work/pool"), shutdown_s=0.0)]


def _door(parts: Parts) -> AnyChild:
    return ChildSpec(
        "door",
        lambda: Door(
            parts.entrance,
            parts.listeners,
            _queue_factory(parts),
            grace_s=parts.shutdown_grace_s,
        ),
        shutdown_s=parts.shutdown_grace_s + 2 * DRAIN_MARGIN_S,
    )


def _queue_factory(parts: Parts) -> Callable[[str], QueueActor]:
    def make(name: str) -> QueueActor:
        return QueueActor(
            name,
            store="../../store",
            pool="../pool",
            events="../../events",
            listeners=parts.listeners,
            admission=parts.admission,
            tracing=parts.tracing,
        )

    return make
