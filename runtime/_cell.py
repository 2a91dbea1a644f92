"""What survives a restart: the place in the tree, its mailbox, generation and history.

A `Ref` points at a cell, never at an actor, so addresses, queued messages and names stay
good over restarts. A cell is made, started and closed by its supervisor alone; everybody
else reads it, or asks it to stop. A supervisor hears of its children on its system lane,
as signals.
"""

from collections import deque
from collections.abc import Callable
from contextlib import suppress
from enum import Enum
from reprlib import Repr
from typing import Any, Protocol, TypeAlias

from anyio import CancelScope, Event, WouldBlock

from ._core import Core
from ._mailbox import EMPTY, WAKE, Mailbox, bare
from ._signals import Signal
from ._spec import AnySpec, SupervisorSpec
from ._tree import Node

Notice: TypeAlias = Callable[[int, Exception | None, bool], None]
"""Tells a watcher of an end: generation, crash, and whether it is the last."""

_short = Repr()
_short.maxother = 200


class State(Enum):
    """Where a cell stands; `tree()` shows it."""

    NEW = "new"
    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    DOWN = "down"
    """Between two incarnations: its supervisor will decide, or is down itself."""
    BACKOFF = "backoff"
    STOPPED = "stopped"
    """For good."""
    UNSTOPPED = "unstopped"
    """It ignores its stop and its cancellation."""


class Timers(Protocol):
    """What a cell knows of its actor's named timers."""

    def cancel_all(self) -> None: ...


class Branch:
    """A supervisor's share of its cell: children in start order, and the system lane."""

    __slots__ = ("_wake", "children", "lane", "open")

    def __init__(self) -> None:
        self.children: dict[str, Cell] = {}
        self.lane: deque[Signal] = deque()
        self.open = False  # whether requests for children are taken
        self._wake = Event()

    def post(self, signal: Signal) -> None:
        self.lane.append(signal)
        self._wake.set()

    def wake(self) -> None:
        self._wake.set()

    async def wait(self) -> None:
        """Until something is posted, or `wake` is called, after this call."""
        self._wake = Event()
        await self._wake.wait()


class Cell:
    """One place in the tree. `mailbox` is an actor's, `branch` a supervisor's."""

    __slots__ = (
        "branch",
        "core",
        "coro",
        "ended",
        "failures_in_row",
        "final",
        "generation",
        "last_crash",
        "mailbox",
        "parent",
        "path",
        "restarts",
        "scope",
        "spec",
        "started",
        "state",
        "stop_requested",
        "timers",
        "up_since",
        "watchers",
        "watching",
    )

    def __init__(self, spec: AnySpec, parent: "Cell | None", core: Core) -> None:
        self.spec = spec
        self.parent = parent
        self.core = core
        self.path: str = spec.name if parent is None else f"{parent.path}/{spec.name}"
        self.mailbox: Mailbox | None = None
        self.branch: Branch | None = None
        if isinstance(spec, SupervisorSpec):
            # All of the tree below is made with it, so that its paths are good from the start.
            self.branch = Branch()
            for child in spec.children:
                self.branch.children[child.name] = Cell(child, self, core)
        else:
            self.mailbox = Mailbox(self.path, spec.capacity, spec.overflow, core)
        self.state = State.NEW
        self.generation = 0
        self.restarts = 0
        self.failures_in_row = 0
        self.up_since = 0.0
        self.started = False
        self.last_crash: str | None = None  # no error: that would keep its frames alive
        self.final = False  # it will not live again, however its incarnation ends
        self.stop_requested = False
        self.scope: CancelScope | None = None  # of the living incarnation
        self.ended: Event | None = None  # set at that one's end, when somebody waits for it
        self.coro: Any = None  # of the living incarnation, for its stack
        self.timers: Timers | None = None
        self.watchers: dict[Cell, Notice] | None = None
        self.watching: set[Cell] | None = None  # by the living incarnation

    @property
    def alive(self) -> bool:
        """An incarnation exists; its task has not ended."""
        return self.scope is not None

    @property
    def killed(self) -> bool:
        """The living incarnation's scope has been cancelled."""
        return self.scope is not None and self.scope.cancel_called

    def check_living(self, generation: int) -> None:
        """For what belongs to one incarnation, and must not outlive it."""
        if self.generation != generation or not self.alive:
            raise RuntimeError(f"generation {generation} of {self.path!r} has ended")

    def begin(self, scope: CancelScope) -> None:
        """A new incarnation is about to be spawned, to live in `scope`."""
        if self.generation:
            self.restarts += 1
        self.generation += 1
        self.state = State.STARTING
        self.stop_requested = False
        self.ended = None
        self.scope = scope
        if self.mailbox is not None:
            self.mailbox.idle = False  # the last life may have ended while it waited

    def up(self) -> None:
        """The living incarnation's on_start has returned."""
        self.state = State.STOPPING if self.stop_requested else State.RUNNING
        self.up_since = self.core.clock.monotonic()
        self.started = True

    def end(self, error: Exception | None) -> bool:
        """The incarnation is over; whether it had been up."""
        if self.timers is not None:
            self.timers.cancel_all()
            self.timers = None
        for watched in self.watching or ():
            if watched.watchers is not None:
                watched.watchers.pop(self, None)
        self.watching = None
        self.scope = None
        self.coro = None
        if self.state is not State.STOPPED:
            self.state = State.DOWN
        if error is not None:
            self.last_crash = _short.repr(error)
        if self.final:
            self.tell_watchers(error)
            self.close()
        started, self.started = self.started, False
        return started

    def request_stop(self) -> None:
        """Ask the living incarnation to end after the message in hand."""
        self.stop_requested = True
        if self.state is State.RUNNING:
            self.state = State.STOPPING
        if self.branch is not None:
            self.branch.wake()
        elif self.mailbox is not None and self.mailbox.idle:
            # Full only when messages have come meanwhile, and those wake it too.
            with suppress(WouldBlock):
                self.mailbox.put(WAKE)

    async def wait_ended(self) -> None:
        """Until the living incarnation has ended. Any number may wait."""
        if self.alive:
            if self.ended is None:
                self.ended = Event()
            await self.ended.wait()

    def kill(self) -> None:
        """Cancel the living incarnation, whatever it is doing."""
        if self.scope is not None:
            self.scope.cancel()

    def close(self) -> None:
        """It will not live again, nor will anything below it: bounce what is queued.

        An incarnation that cannot be ended lives on behind its closed mailbox.
        """
        self.final = True
        if not self.alive:
            self.state = State.STOPPED
        if self.mailbox is not None:
            self.mailbox.close()
        if self.branch is not None:
            for child in self.branch.children.values():
                child.close()
        if not self.alive:
            self.tell_watchers(None)  # who heard of its end, but not that it was the last

    def tell_watchers(self, error: Exception | None) -> None:
        """Its incarnation has ended."""
        watchers = self.watchers or {}
        if self.final:
            self.watchers = None
        for notify in tuple(watchers.values()):
            notify(self.generation, error, self.final)

    def snapshot(self) -> Node:
        if self.branch is not None:
            assert isinstance(self.spec, SupervisorSpec)
            return Node(
                path=self.path,
                kind=self.spec.strategy.value,
                state=self.state.value,
                generation=self.generation,
                restarts=self.restarts,
                last_crash=self.last_crash,
                children=tuple(child.snapshot() for child in self.branch.children.values()),
            )
        mailbox = self.mailbox
        assert mailbox is not None
        current = mailbox.current
        return Node(
            path=self.path,
            kind="actor",
            state=self.state.value,
            generation=self.generation,
            capacity=mailbox.capacity,
            mailbox_depth=mailbox.depth,
            oldest_age_s=mailbox.oldest_age_s(),
            handled=mailbox.handled,
            restarts=self.restarts,
            current=None if current is EMPTY else type(bare(current)).__name__,
            in_hand=mailbox.unfinished,
            idle=mailbox.idle and self.alive,
            last_crash=self.last_crash,
        )

    def __repr__(self) -> str:
        return f"<Cell {self.path} {self.state.value} generation {self.generation}>"
