"""The address of an actor: what people hold, send to, and pass around.

A ref stays good over restarts and knows no actor: all it has is a cell. Equal refs address
the same cell.
"""

from math import inf
from typing import Any, Generic, NoReturn, TypeVar, cast

from anyio import (
    BrokenResourceError,
    ClosedResourceError,
    Event,
    WouldBlock,
    move_on_after,
)
from anyio.lowlevel import checkpoint

from ._cell import Cell, State
from ._envelope import Envelope, Request
from ._errors import ActorStopped
from ._mailbox import STEPS_PER_YIELD, Mailbox, bare
from ._trace import next_trace

M_contra = TypeVar("M_contra", contravariant=True)
R = TypeVar("R")


class Ref(Generic[M_contra]):
    """Where to send messages of type `M`. Cheap to copy; good while its system runs."""

    __slots__ = ("_cell", "_mailbox")

    def __init__(self, cell: Cell) -> None:
        self._cell = cell
        self._mailbox: Mailbox = cell.mailbox or _NoMailbox(cell.path)  # type: ignore[assignment]

    @property
    def path(self) -> str:
        """`root/.../name`, as `lookup` takes it."""
        return self._cell.path

    @property
    def is_up(self) -> bool:
        """An incarnation is running; False between two, before the first, and at the end."""
        return self._cell.state is State.RUNNING

    async def tell(self, message: M_contra) -> None:
        """Put `message` into the mailbox; returning means accepted, not handled.

        A full mailbox does what its `Overflow` says: BLOCK waits, FAIL raises `MailboxFull`,
        DROP_OLD turns the oldest message into a dead letter. A fast send does not touch the
        event loop, but every 128th, and any that finds the mailbox full, is a full checkpoint,
        so deadlines and cancellation reach a sender that never stops. A cancelled tell was not
        accepted.

        Raises `ActorStopped`, which carries the message, once the actor has ended for good.
        """
        mailbox = self._mailbox
        if mailbox.tracing:
            message = cast(M_contra, self._traced(message))
        yields = not mailbox.accepted % STEPS_PER_YIELD
        if yields:
            await checkpoint()
        try:
            mailbox.put(message)
        except WouldBlock:
            await mailbox.put_when_room(message)
            return
        except (BrokenResourceError, ClosedResourceError):
            raise ActorStopped(self._cell.path, bare(message)) from None
        accepted = mailbox.accepted
        if yields or accepted == mailbox.taken:
            mailbox.mark()
        mailbox.accepted = accepted + 1

    def tell_nowait(self, message: M_contra) -> None:
        """Put `message` into the mailbox, or raise: never waits, whatever the `Overflow`.

        Raises `MailboxFull` or `ActorStopped`; both carry the message. With DROP_OLD a full
        mailbox drops its oldest instead.
        """
        mailbox = self._mailbox
        mailbox.put_or_drop(self._traced(message) if mailbox.tracing else message)

    async def ask(self, message: Request[R], *, timeout_s: float = 5.0) -> R:
        """Send `message` and wait for what the actor's `receive` returns for it.

        One deadline, in seconds, spans the wait for room and for the reply (5 s is
        gen_server:call's). Whoever is cancelled or timed out leaves nothing behind: the
        actor skips the request if it has not begun it, and a late reply is dropped.

        Raises `AskTimeout`; `ActorDied`, with the crash as `__cause__`, as soon as the actor
        dies with the request in hand; `ActorStopped` when it ended for good before that;
        `MailboxFull` under `Overflow.FAIL`; and what a batch actor answers with `fail`.
        """
        if not timeout_s >= 0:
            raise ValueError(f"timeout_s must not be negative, not {timeout_s}")
        mailbox, core = self._mailbox, self._cell.core
        event = Event()
        envelope = Envelope(message, event, next_trace(core.entropy) if mailbox.tracing else None)
        if timeout_s < inf:
            core.alarms.add(core.now() + timeout_s, envelope)
        try:
            try:
                mailbox.put(envelope)
            except WouldBlock:
                with move_on_after(timeout_s):
                    await mailbox.put_when_room(envelope)
            except (BrokenResourceError, ClosedResourceError):
                raise ActorStopped(self._cell.path, message) from None
            else:
                mailbox.accept()
            await event.wait()
        finally:
            # Nothing to do after an answer; otherwise a cancellation or an error is leaving.
            envelope.abandon()
            if timeout_s < inf and not envelope.expired:
                core.alarms.note_waste()
        reply: R = envelope.outcome(self._cell.path, timeout_s)
        return reply

    def _traced(self, message: object) -> Envelope:
        return Envelope(message, None, next_trace(self._cell.core.entropy))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ref) and other._cell is self._cell

    def __hash__(self) -> int:
        return hash(self._cell)

    def __repr__(self) -> str:
        return f"<Ref {self._cell.path} {self._cell.state.value}>"


def cell_of(ref: Ref[Any]) -> Cell:
    """The cell behind `ref`, for the runtime's own use."""
    return ref._cell  # pyright: ignore[reportPrivateUsage]


class _NoMailbox:
    """Stands where a supervisor's mailbox would be."""

    tracing = False
    accepted = 1  # any number that calls for no trip through the loop

    def __init__(self, path: str) -> None:
        self._path = path

    def put(self, item: object) -> NoReturn:
        raise TypeError(f"{self._path!r} is a supervisor: it takes no messages; use the system")

    put_or_drop = put
