"""Events to listeners and to async iterators; a slow or raising one harms nobody.

Each listener is an actor of its own, with a bounded mailbox that drops its oldest: a slow
one loses events (they are counted, as dead letters of its actor) and delays nobody. Nothing
is made of what nobody listens to: publishers ask `wants` first.
"""

import inspect
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, cast
from weakref import WeakSet

from anyio import Event
from anyio.lowlevel import checkpoint

from ..runtime import Actor, ActorStopped, ChildSpec, Clock, Envelope, Overflow, Ref
from .execute import uncancelled
from .job_events import SchedulerEvent
from .log import emit, traceback_of
from .messages import EventMessage, ListenersChanged, Publish
from .threads import ThreadAborted, Threads

STREAM_MAX = 1000
"""How many events an iterator that is not read keeps; older ones are dropped and counted."""
LISTENER_MAX = 1024
LISTENER_STOP_S = 0.5
"""How long one that is removed may finish: the others' events wait meanwhile."""
RESTART_S = 0.1
"""How often to look whether the supervisor of the listeners is up again."""


class EventStream:
    """`async for event in queue.events()`: until the queue ends, or nobody holds it.

    `dropped` counts what it lost because it was not read fast enough.
    """

    def __init__(self, mask: int) -> None:
        self.mask = mask
        self.dropped = 0
        self._events: deque[SchedulerEvent] = deque()
        self._changed = Event()
        self._closed = False

    def push(self, event: SchedulerEvent) -> None:
        if len(self._events) == STREAM_MAX:
            self._events.popleft()
            self.dropped += 1
        self._events.append(event)
        self._changed.set()

    def close(self) -> None:
        self._closed = True
        self._changed.set()

    def __aiter__(self) -> "EventStream":
        return self

    async def __anext__(self) -> SchedulerEvent:
        while not self._events:
            if self._closed:
                raise StopAsyncIteration
            self._changed = Event()
            await self._changed.wait()
        return self._events.popleft()


class Listeners:
    """Who listens, and to what. Lent to the actors; kept over their restarts and the queue's."""

    def __init__(self) -> None:
        self.callbacks: dict[Callable[..., Any], int] = {}
        self.streams: WeakSet[EventStream] = WeakSet()
        self.mask = 0

    def add(self, callback: Callable[..., Any], mask: int) -> None:
        self.callbacks[callback] = mask
        self._update()

    def remove(self, callback: Callable[..., Any]) -> bool:
        known = self.callbacks.pop(callback, None) is not None
        self._update()
        return known

    def stream(self, mask: int) -> EventStream:
        stream = EventStream(mask)
        self.streams.add(stream)
        self._update()
        return stream

    def wants(self, code: int) -> bool:
        """Is anybody interested? Cheap, and asked before an event is made."""
        return bool(self.mask & code)

    def _update(self) -> None:
        self.mask = 0
        for mask in (*self.callbacks.values(), *(stream.mask for stream in self.streams)):
            self.mask |= mask


class EventFan(Actor[EventMessage]):
    """Passes events on to the streams, and to one actor for each callback."""

    def __init__(self, listeners: Listeners, *, under: str, clock: Clock) -> None:
        self._listeners = listeners
        self._path = under
        self._clock = clock
        self._actors: dict[Callable[..., Any], Ref[SchedulerEvent]] = {}
        self._number = 0

    async def on_start(self) -> None:
        self._under = self.context.lookup(self._path).path
        await self._start_listeners()

    async def on_stop(self, reason: Exception | None) -> None:
        if reason is None:  # a crash does not end the queue
            for stream in list(self._listeners.streams):
                stream.close()

    async def receive(self, message: EventMessage) -> None:
        match message:
            case Publish(events=events):
                for event in events:
                    self._pass_on(event)
                # Those who listen shall keep pace with a burst.
                await checkpoint()
            case ListenersChanged():
                await self._start_listeners()

    def _pass_on(self, event: SchedulerEvent) -> None:
        for stream in list(self._listeners.streams):
            if stream.mask & event.code:
                stream.push(event)
        for callback, mask in list(self._listeners.callbacks.items()):
            actor = self._actors.get(callback)
            if actor is not None and mask & event.code:
                try:
                    actor.tell_nowait(event)
                except ActorStopped:  # with its supervisor
                    del self._actors[callback]
                    self.context.timers.after("listeners", RESTART_S, ListenersChanged())

    async def _start_listeners(self) -> None:
        for callback in [c for c in self._actors if c not in self._listeners.callbacks]:
            await self.context.stop_child(self._actors.pop(callback))
        for callback in list(self._listeners.callbacks):
            if callback not in self._actors:
                try:
                    self._actors[callback] = await self._start(callback)
                except ActorStopped:
                    self.context.timers.after("listeners", RESTART_S, ListenersChanged())

    async def _start(self, callback: Callable[..., Any]) -> Ref[SchedulerEvent]:
        self._number += 1
        # The generation keeps the name apart from those of an earlier fan's listeners.
        name = f"{self.context.generation}-{self._number}"
        spec = ChildSpec[SchedulerEvent](
            name,
            lambda: Listener(callback, self._clock),
            capacity=LISTENER_MAX,
            overflow=Overflow.DROP_OLD,
            shutdown_s=LISTENER_STOP_S,
        )
        return await self.context.start_child(spec, under=self._under)


class Listener(Actor[SchedulerEvent]):
    """Calls one callback: an async one here, a plain one in a worker thread."""

    def __init__(self, callback: Callable[..., Any], clock: Clock) -> None:
        self._callback = callback
        self._threads = Threads(clock, 1)
        self._is_async = inspect.iscoroutinefunction(callback)
        self._failures = 0

    async def receive_batch(self, batch: list[Envelope]) -> None:
        events = [cast(SchedulerEvent, envelope.message) for envelope in batch]
        if self._is_async:
            for event in events:
                try:
                    await uncancelled(self._callback(event))
                except Exception as error:
                    self._note_failure(error, event)
        else:
            try:
                await self._threads.run(self._call, events)
            except ThreadAborted as error:
                self._note_failure(error, events[0])

    def _call(self, events: Sequence[SchedulerEvent]) -> None:
        for event in events:
            try:
                self._callback(event)
            except Exception as error:
                self._note_failure(error, event)

    def _note_failure(self, error: Exception, event: SchedulerEvent) -> None:
        """Log the first, second, fourth, ...: one that always raises shall not fill the log."""
        self._failures += 1
        if self._failures & (self._failures - 1) == 0:
            emit(
                "error",
                "listener_failed",
                listener=repr(self._callback),
                code=event.code,
                failures=self._failures,
                exception=traceback_of(error),
            )
