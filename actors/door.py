"""The door: where the outside meets a running graph, and the first to close.

It is the last child to start, so the facade finds everything up; and the first to stop, so
while it drains, all the others still work: handlers that end may settle, and may enqueue.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from ..runtime import (
    Actor,
    ActorDied,
    ActorStopped,
    AskTimeout,
    ChildSpec,
    Context,
    NoSuchActor,
    Ref,
    Restart,
)
from .errors import QueueNotRunning
from .events import Listeners
from .job_events import EVENT_SCHEDULER_SHUTDOWN, EVENT_SCHEDULER_STARTED, queue_event
from .messages import (
    DeadLetterMessage,
    Drain,
    EventMessage,
    Opened,
    PoolMessage,
    Publish,
    QueueMessage,
    StoreMessage,
    WaiterMessage,
    hint,
)
from .planning import (
    SchedulerMessage,
)
from .pulling import PullerMessage

QUEUES_KEPT = 64
"""From how many on the refs of queues that are idle, and so are down, are let go."""
DRAIN_MARGIN_S = 5.0
"""Beyond the grace: for cancelled handlers to clean up, and for the last exchange."""


@dataclass(frozen=True, slots=True)
class Inside:
    """The actors of a running graph that the facade speaks to."""

    store: Ref[StoreMessage]
    waiters: Ref[WaiterMessage]
    dead_letters: Ref[DeadLetterMessage]
    events: Ref[EventMessage]
    pool: Ref[PoolMessage]
    puller: Ref[PullerMessage]
    context: Context
    queue_factory: Callable[[str], Actor[QueueMessage]]
    _queues: dict[str, Ref[QueueMessage]] = field(default_factory=dict[str, "Ref[QueueMessage]"])

    @property
    def scheduler(self) -> Ref[SchedulerMessage] | None:
        """None where no schedules are fired. It starts after the door, and stops before."""
        try:
            return self.context.lookup("./scheduler")
        except NoSuchActor:
            return None

    def known_queue(self, name: str) -> Ref[QueueMessage] | None:
        """The actor of queue `name`, if it has been started."""
        return self._queues.get(name)

    async def start_queue(self, name: str) -> Ref[QueueMessage]:
        """The actor of queue `name`, started if it is not up."""
        if len(self._queues) >= QUEUES_KEPT:
            for other in [n for n, ref in self._queues.items() if not ref.is_up]:
                del self._queues[other]
        ref = self._queues[name] = await self._start(name)
        return ref

    def forget(self, name: str) -> None:
        """The queue's actor has stopped: it was idle, or its supervisor restarted."""
        self._queues.pop(name, None)

    async def _start(self, name: str) -> Ref[QueueMessage]:
        # A queue's name may have a slash in it, or be a dot; a child's may not.
        child = f"q:{quote(name, safe=' ')}"
        supervisor = self.context.lookup("./work/queues").path
        try:
            return self.context.lookup(f"./work/queues/{child}")
        except NoSuchActor:
            pass
        spec = ChildSpec(
            child,
            lambda: self.queue_factory(name),
            restart=Restart.TRANSIENT,
        )
        try:
            return await self.context.start_child(spec, under=supervisor)
        except ValueError:  # somebody else has just started it
            return self.context.lookup(f"./work/queues/{child}")


class Entrance:
    """What the facade keeps: open while a graph's door is."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._inside: Inside | None = None
        self._graph: object = None

    def reserve(self, graph: object) -> None:
        """`graph` is about to run: the first of it to start. RuntimeError when another does."""
        if self._graph not in (None, graph):
            raise RuntimeError(f"the {self._name} queue is running already")
        self._graph = graph

    def release(self) -> None:
        """The graph runs no more: the last of it has stopped."""
        self._graph = None

    @property
    def is_open(self) -> bool:
        return self._inside is not None

    @property
    def inside(self) -> Inside:
        """Raises `QueueNotRunning`."""
        if self._inside is None:
            raise QueueNotRunning(self._name)
        return self._inside

    def open(self, inside: Inside) -> None:
        self._inside = inside

    def close(self) -> None:
        self._inside = None


class Door(Actor[Any]):
    """Opens the entrance when it starts; drains the pool and closes it when it stops.

    A handler may enqueue while it ends, so the entrance is open until the pool is drained.
    """

    def __init__(
        self,
        entrance: Entrance,
        listeners: Listeners,
        queue_factory: Callable[[str], Actor[QueueMessage]],
        *,
        grace_s: float,
    ) -> None:
        self._listeners = listeners
        self._queue_factory = queue_factory
        self._entrance = entrance
        self._grace_s = grace_s

    async def on_start(self) -> None:
        lookup = self.context.lookup
        self._inside = Inside(
            store=lookup("./store"),
            waiters=lookup("./waiters"),
            dead_letters=lookup("./dead-letters"),
            events=lookup("./events"),
            pool=lookup("./work/pool"),
            puller=lookup("./puller"),
            context=self.context,
            queue_factory=self._queue_factory,
        )
        await self._inside.pool.tell(Opened())  # a door that was killed has drained it
        self._entrance.open(self._inside)
        self._publish(EVENT_SCHEDULER_STARTED)

    async def on_stop(self, reason: Exception | None) -> None:
        try:
            await self._drain()
        finally:
            self._entrance.close()
        self._publish(EVENT_SCHEDULER_SHUTDOWN)

    async def _drain(self) -> None:
        if not self._inside.pool.is_up:
            return  # it crashed, and the tree is giving up: there is nothing to drain
        drain = Drain(grace_s=self._grace_s)
        timeout_s = self._grace_s + DRAIN_MARGIN_S
        try:
            try:
                await self._inside.pool.ask(drain, timeout_s=timeout_s)
            except ActorDied:  # its next incarnation shall not claim anew
                await self._inside.pool.ask(drain, timeout_s=DRAIN_MARGIN_S)
        except (AskTimeout, ActorStopped, ActorDied):
            # A handler that ignores its cancellation, or a store that does not answer: what
            # was not settled is handed back by the pool's next incarnation.
            self.context.log.warning("drain_incomplete", grace_s=self._grace_s)

    def _publish(self, code: int) -> None:
        if self._listeners.wants(code):
            hint(self._inside.events, Publish(events=[queue_event(code)]))

    async def receive(self, message: object) -> None:
        raise TypeError(f"the door takes no messages, not {type(message).__name__}")
