"""What people write: an actor's behaviour, and what it can reach from inside.

class Counter(Actor[Add | Get]):
    def __init__(self, start: int = 0) -> None:
        self.n = start

    async def receive(self, message: Add | Get) -> object:
        match message:
            case Add(n=n):
                self.n += n
                return None
            case Get():
                return self.n  # what receive returns is an ask's reply
"""

from __future__ import annotations

from collections.abc import Callable
from posixpath import normpath
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar, overload

from ._alarms import Alarms
from ._cell import Cell
from ._directory import check_startable, find, lineage, start_child, stop_child
from ._envelope import Envelope
from ._log import logger
from ._ref import Ref, cell_of
from ._spec import ChildSpec, SupervisorSpec
from ._timers import NamedTimers
from ._watch import unwatch, watch

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

M = TypeVar("M")
M_contra = TypeVar("M_contra", contravariant=True)


class Actor(Generic[M_contra]):
    """One thing at a time, in one task, on state that nobody else touches.

    Define `receive`, or `receive_batch` for an actor that does I/O for many callers. An
    exception that leaves either is a crash: the supervisor decides what comes next, and a
    new instance from the spec's factory takes over the mailbox. `context` and `ref` are
    there from on_start on, not yet in `__init__`.
    """

    batch_max: ClassVar[int] = 256
    """How many messages one `receive_batch` gets at most."""

    context: Context

    @property
    def ref(self) -> Ref[M_contra]:
        """This actor's own address."""
        return self.context.ref

    async def on_start(self) -> None:
        """Prepare. Raising is a crash; the spec's `start_s` bounds it."""

    async def on_stop(self, reason: Exception | None) -> None:
        """Clean up: the crash, or None after an orderly stop, a kill or a cancellation.

        Runs if and only if on_start returned. Shielded from cancellation, and bounded by the
        spec's `shutdown_s`.
        """

    async def receive(self, message: M_contra) -> object:
        """Handle one message; what it returns is the reply, if it was asked."""
        raise TypeError(f"{type(self).__name__} defines neither receive nor receive_batch")

    async def receive_batch(self, batch: list[Envelope]) -> None:
        """Handle all that is queued, up to `batch_max`, in order of arrival.

        Answer each ask with `envelope.reply(value)` or `.fail(error)`, now or later; what is
        unanswered when the incarnation ends is accounted for: asks get `ActorDied`, tells of
        this batch become dead letters. A tell is done when this returns, or at its `reply`.
        """
        raise TypeError(f"{type(self).__name__} defines neither receive nor receive_batch")


class Context:
    """An actor's view of the tree, made anew for each incarnation."""

    __slots__ = ("_cell", "_log", "_ref", "_root", "_timers", "generation")

    def __init__(self, cell: Cell, root: Cell) -> None:
        self._cell = cell
        self._root = root
        self._timers: NamedTimers | None = None
        self._log: FilteringBoundLogger | None = None
        self._ref: Ref[Any] | None = None
        self.generation = cell.generation

    @property
    def ref(self) -> Ref[Any]:
        """The actor's own address."""
        if self._ref is None:
            self._ref = Ref(self._cell)
        return self._ref

    @property
    def path(self) -> str:
        return self._cell.path

    @property
    def timers(self) -> NamedTimers:
        """Messages to this actor, later."""
        if self._timers is None:
            self._timers = NamedTimers(self._cell, self.generation)
        return self._timers

    @property
    def asker_gone(self) -> bool:
        """Nobody waits for the reply to the message in hand any more: its work may be left.

        False for a tell. In a batch each envelope tells: `envelope.abandoned`.
        """
        hand = self._cell.mailbox.in_hand if self._cell.mailbox is not None else None
        return isinstance(hand, Envelope) and hand.abandoned

    @property
    def now(self) -> Callable[[], float]:
        """The event loop's clock, in seconds: what deadlines and alarms count by."""
        return self._cell.core.now

    @property
    def alarms(self) -> Alarms:
        """The deadlines that this system's actors share: cheap, and not bound to this actor."""
        return self._cell.core.alarms

    @property
    def log(self) -> FilteringBoundLogger:
        """A structlog logger with `actor` and `generation` bound."""
        if self._log is None:
            self._log = logger(actor=self.path, generation=self.generation)
        return self._log

    def stop(self) -> None:
        """End this incarnation normally, after the message in hand.

        A PERMANENT child is restarted after a normal end too; `stop_child` ends it for good.
        Does nothing when this incarnation has ended already.
        """
        if self._cell.generation == self.generation and self._cell.alive:
            self._cell.request_stop()

    def lookup(self, path: str) -> Ref[Any]:
        """The ref of the actor at `path`; raises `NoSuchActor`.

        A path that begins with a dot is relative to this actor's supervisor: `./sibling`,
        `../aunt`. So a tree works wherever it is hung.
        """
        if path.startswith("."):
            path = normpath(f"{self._cell.path}/../{path}")
        return Ref(find(self._root, path))

    @overload
    async def start_child(self, spec: ChildSpec[M], *, under: str | None = None) -> Ref[M]: ...
    @overload
    async def start_child(self, spec: SupervisorSpec, *, under: str | None = None) -> Ref[Any]: ...
    async def start_child(
        self, spec: ChildSpec[Any] | SupervisorSpec, *, under: str | None = None
    ) -> Ref[Any]:
        """As `ActorSystem.start_child`; without `under` it becomes this actor's sibling.

        Raises RuntimeError where it would wait for itself: in on_start, of a supervisor that
        waits for this very on_start before it starts another child.
        """
        supervisor = self._cell.parent if under is None else find(self._root, under)
        assert supervisor is not None  # only supervisors are roots
        check_startable(supervisor, self._cell)
        return await start_child(supervisor, spec)

    async def stop_child(self, ref: Ref[Any]) -> None:
        """As `ActorSystem.stop_child`. Not for this actor itself: that is `stop`.

        Raises ValueError for this actor and for what it is part of: it would wait for itself.
        """
        cell = cell_of(ref)
        if cell in lineage(self._cell):
            raise ValueError(
                f"{self._cell.path!r} would wait for itself to stop {cell.path!r}: "
                "use context.stop(), or let somebody outside do it"
            )
        await stop_child(cell)

    def watch(self, ref: Ref[Any]) -> None:
        """Have a `Terminated` message sent here each time an incarnation of `ref` ends.

        Until this incarnation ends: the next one watches for itself, best in on_start.
        """
        self._cell.check_living(self.generation)
        watch(cell_of(ref), self._cell)

    def unwatch(self, ref: Ref[Any]) -> None:
        """Undo `watch`. Messages that are queued already are still handled."""
        unwatch(cell_of(ref), self._cell)
