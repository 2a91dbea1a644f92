"""What survives a restart: the place in the tree, its mailbox, generation and history.

A `Ref` points at a cell, never at an actor, so addresses, queued messages and names stay
good over restarts. A cell is made, started and closed by its supervisor alone; everybody
else reads it, or asks it to stop. A supervisor hears of its children on its system lane,
as signals.
"""

from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol, TypeAlias

from anyio import CancelScope, Event, WouldBlock

from ._core import Core
from ._envelope import Envelope
from ._mailbox import EMPTY, WAKE, Mailbox, bare
from ._spec import ChildSpec, SupervisorSpec
from ._tree import Node

AnySpec: TypeAlias = ChildSpec[Any] | SupervisorSpec


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


class Cause(Enum):
    """How an incarnation ended, told from its cancel scope, never from an exception's type."""

    NORMAL = "normal"
    CRASHED = "crashed"
    KILLED = "killed"
    """Its scope was cancelled: by `kill`, or by a stop that took too long."""
    CANCELLED = "cancelled"
    """A scope around the whole tree was cancelled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """The incarnation's on_start has returned."""

    cell: "Cell"
    generation: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Exited:
    """The incarnation is over, on_stop included. `started`: its on_start had returned."""

    cell: "Cell"
    generation: int
    cause: Cause
    error: Exception | None
    started: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class StartChild:
    """Add a child; the envelope is answered with its cell once it is up, or with the error."""

    spec: AnySpec
    envelope: Envelope


@dataclass(frozen=True, slots=True, kw_only=True)
class StopChild:
    """Stop a child for good; answered when it has ended."""

    cell: "Cell"
    envelope: Envelope


Signal: TypeAlias = Started | Exited | StartChild | StopChild


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
        self.last_crash: Exception | None = None
        self.stop_requested = False
        self.scope: CancelScope | None = None  # of the living incarnation
        self.ended: Event | None = None  # set at that one's end, when its supervisor waits
        self.coro: Any = None  # of the living incarnation, for its stack
        self.timers: Timers | None = None
        self.watchers: list[Cell] | None = None

    @property
    def alive(self) -> bool:
        """An incarnation exists; its task has not ended."""
        return self.scope is not None

    @property
    def killed(self) -> bool:
        """The living incarnation's scope has been cancelled."""
        return self.scope is not None and self.scope.cancel_called

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
        self.scope = None
        self.coro = None
        self.state = State.DOWN
        if error is not None:
            self.last_crash = error
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

    def kill(self) -> None:
        """Cancel the living incarnation, whatever it is doing."""
        if self.scope is not None:
            self.scope.cancel()

    def close(self) -> None:
        """It will not live again, nor will anything below it: bounce what is queued."""
        self.state = State.STOPPED
        if self.mailbox is not None:
            self.mailbox.close()
        if self.branch is not None:
            for child in self.branch.children.values():
                child.close()

    def snapshot(self) -> Node:
        last_crash = None if self.last_crash is None else repr(self.last_crash)
        if self.branch is not None:
            assert isinstance(self.spec, SupervisorSpec)
            return Node(
                path=self.path,
                kind=self.spec.strategy.value,
                state=self.state.value,
                generation=self.generation,
                restarts=self.restarts,
                last_crash=last_crash,
                children=tuple(child.snapshot() for child in self.branch.children.values()),
            )
        mailbox = self.mailbox
        assert mailbox is not None
        in_hand = mailbox.in_hand
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
            current=None if in_hand is EMPTY else type(bare(in_hand)).__name__,
            in_hand=mailbox.unfinished,
            idle=mailbox.idle and self.alive,
            last_crash=last_crash,
        )

    def __repr__(self) -> str:
        return f"<Cell {self.path} {self.state.value} generation {self.generation}>"
