"""The tree of a queue, as data: print it before it runs.

oncue                    one_for_one
├── store                the group commit
├── listeners            dynamic: one per callback that listens
├── events               fans out to them, and to iterators
├── waiters              whoever waits for a task to end
├── dead-letters         new lives, and expiry
├── work                 rest_for_one
│   ├── pool             free workers, exchanges
│   ├── workers          dynamic: run handlers
│   └── queues           dynamic: one per queue that is written to
├── puller               tasks pulled by hand
└── door                 the facade's way in; drains when it closes
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..runtime import Actor, ChildSpec, Clock, Entropy, Overflow, Strategy, SupervisorSpec
from ..stores import Store
from .admission import Admission
from .backoff import RetryPolicy
from .dead_letters import DeadLetterKeeper
from .door import DRAIN_MARGIN_S, Door, Entrance
from .events import EventFan, Listeners
from .executors import Executors
from .handlers import Handlers
from .pool import Pool
from .puller import Puller
from .queue import QueueActor
from .roster import Roster
from .store import StoreActor
from .tally import Tally
from .waiters import Waiters
from .worker import Worker


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
    """The `memory` adapter's tree."""
    executors = Executors(
        parts.clock, threads_max=parts.threads_max, processes_max=parts.processes_max
    )
    graph = object()
    return SupervisorSpec(
        name,
        children=[
            ChildSpec("store", lambda: _store(parts, graph), shutdown_s=30.0),
            SupervisorSpec("listeners", strategy=Strategy.DYNAMIC),
            ChildSpec(
                "events",
                lambda: EventFan(parts.listeners, under="./listeners", clock=parts.clock),
                overflow=Overflow.DROP_OLD,
            ),
            ChildSpec("waiters", lambda: Waiters(store="./store")),
            ChildSpec(
                "dead-letters",
                lambda: DeadLetterKeeper(
                    store="./store",
                    pool="./work/pool",
                    tally=parts.tally,
                    handlers=parts.handlers,
                ),
            ),
            SupervisorSpec(
                "work",
                strategy=Strategy.REST_FOR_ONE,
                children=[
                    ChildSpec("pool", lambda: _pool(parts)),
                    SupervisorSpec(
                        "workers",
                        strategy=Strategy.DYNAMIC,
                        # A worker crashes only with the runtime around it; each may once.
                        intensity=parts.workers_max,
                        children=[
                            ChildSpec(str(n), _worker_factory(n, parts, executors), capacity=2)
                            for n in range(parts.workers_max)
                        ],
                    ),
                    SupervisorSpec("queues", strategy=Strategy.DYNAMIC),
                ],
            ),
            ChildSpec("puller", lambda: _puller(parts)),
            ChildSpec(
                "door",
                lambda: Door(
                    parts.entrance,
                    parts.listeners,
                    _queue_factory(parts),
                    grace_s=parts.shutdown_grace_s,
                ),
                shutdown_s=parts.shutdown_grace_s + 2 * DRAIN_MARGIN_S,
            ),
        ],
    )


def _store(parts: Parts, graph: object) -> StoreActor:
    """First to start and last to stop, so it keeps a second graph from running at once."""
    entrance = parts.entrance
    return StoreActor(
        parts.store, on_opened=lambda: entrance.reserve(graph), on_closed=entrance.release
    )


def _pool(parts: Parts) -> Pool:
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


def _puller(parts: Parts) -> Puller:
    return Puller(
        node=f"{parts.node}/by-hand",
        store="./store",
        pool="./work/pool",
        waiters="./waiters",
        policy=parts.policy,
        entropy=parts.entropy,
        roster=parts.roster,
    )


def _worker_factory(number: int, parts: Parts, executors: Executors) -> Callable[[], Actor[Any]]:
    def make() -> Worker:
        return Worker(
            f"{parts.node}/{number}",
            pool="../pool",
            handlers=parts.handlers,
            executors=executors,
            policy=parts.policy,
            entropy=parts.entropy,
            tracing=parts.tracing,
        )

    return make


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
