"""One incarnation, from factory to on_stop: the only coroutine that enters a task group.

Nothing but cancellation leaves it: an error becomes an exit report for the supervisor. Two
nets catch errors, one inside the incarnation's scope and one outside it, because a handler
that owns a task group and fails while it is being cancelled raises
ExceptionGroup(ValueError) on asyncio but BaseExceptionGroup(Cancelled, ValueError) on trio:
the inner net misses the second, and the scope takes the Cancelled out of it. Whether it was
killed is told from the scope, never from the type of an exception.
"""

from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeAlias

from anyio import WouldBlock, get_cancelled_exc_class, move_on_after
from anyio.abc import TaskGroup
from anyio.lowlevel import checkpoint

from ._actor import Actor, Context
from ._cell import Cell, State
from ._envelope import Envelope
from ._mailbox import EMPTY, NONE_LEFT, STEPS_PER_YIELD, WAKE, Mailbox, bare
from ._signals import Cause, Exited, Signal, Started
from ._spec import ChildSpec
from ._trace import adopt_trace

Report: TypeAlias = Callable[[Signal], None]
"""How a supervisor hears of its children."""
Body: TypeAlias = Callable[[Cell, Report], Awaitable[None]]
"""What an incarnation does: reports `Started` once it is up, raises the error that ends it."""


def enter_group(group: TaskGroup, cell: Cell, body: Body, report: Report) -> None:
    """Start the incarnation that `cell.begin` announced, in the system's clean context."""
    cell.core.context.run(_spawn, group, cell, body, report)


def _spawn(group: TaskGroup, cell: Cell, body: Body, report: Report) -> None:
    cell.coro = group.start_soon(_live, cell, body, report, name=cell.path).coro


async def _live(cell: Cell, body: Body, report: Report) -> None:
    """Run one incarnation of `cell`; report its start, and its end as the last thing it does.

    `cell.scope` was made by whoever spawned this, so that a stop or a kill that comes before
    the first step is not lost.
    """
    scope, generation = cell.scope, cell.generation
    assert scope is not None
    error: Exception | None = None
    cause = Cause.CANCELLED  # unless a line below finds out better
    try:
        try:
            with scope:
                if scope.cancel_called:  # before the first step: begin nothing
                    await checkpoint()
                if not cell.stop_requested:
                    await body(cell, report)
        except Exception as escaped:
            error = escaped
        except BaseExceptionGroup as mixed:  # of errors, and the Cancelled of a scope around us
            error, rest = mixed.split(Exception)
            assert rest is not None
            raise rest from None
        if error is not None:
            cause = Cause.CRASHED
        else:
            cause = Cause.KILLED if scope.cancelled_caught else Cause.NORMAL
    finally:
        started = cell.end(error)
        report(Exited(cell=cell, generation=generation, cause=cause, error=error, started=started))
        if cell.ended is not None:
            cell.ended.set()


def note_started(cell: Cell, report: Report) -> None:
    """The incarnation is up."""
    cell.up()
    report(Started(cell=cell, generation=cell.generation))


def actor_body(root: Cell) -> Body:
    """The body of every actor below `root`."""
    return partial(_act, root)


async def _act(root: Cell, cell: Cell, report: Report) -> None:
    spec, mailbox = cell.spec, cell.mailbox
    assert isinstance(spec, ChildSpec)
    assert mailbox is not None
    actor: Actor[Any] | None = None
    crash: Exception | None = None
    orderly = cancelled = False
    try:
        candidate = spec.factory()
        serve = _serving(candidate)
        candidate.context = Context(cell, root)
        if overrides(type(candidate), "on_start"):  # a timer costs half as much as the whole start
            with _bound(spec.start_s, f"on_start of {cell.path!r}"):
                await candidate.on_start()
        actor = candidate
        note_started(cell, report)
        await serve(cell, mailbox, candidate)
        orderly = True
    except Exception as error:
        crash = error
        _annotate(error, cell, mailbox)
    except get_cancelled_exc_class():
        cancelled = True
        raise
    finally:
        # The askers hear of a crash now; after an orderly end on_stop may still answer them.
        if not orderly:
            mailbox.settle_hand(cell.generation, crash, died=True)
        if cell.core.tracing:
            adopt_trace(None)
        if actor is not None and overrides(type(actor), "on_stop"):
            crash = await _stop(cell, actor, spec.shutdown_s, crash)
        mailbox.settle_hand(cell.generation, crash, died=False)
        if cancelled and crash is not None:
            raise crash  # on_stop's, in place of the cancellation, which has done its work
    if crash is not None:
        raise crash


async def _stop(
    cell: Cell, actor: Actor[Any], shutdown_s: float | None, crash: Exception | None
) -> Exception | None:
    """Run on_stop, shielded and bounded; the first error of a life is the one that counts."""
    cell.state = State.STOPPING
    try:
        with _bound(shutdown_s, f"on_stop of {cell.path!r}", shield=True):
            await actor.on_stop(crash)
    except Exception as error:
        if crash is None:
            error.add_note(f"in on_stop of {cell.path!r}, generation {cell.generation}")
            return error
        crash.add_note(f"and on_stop failed in turn: {error!r}")
    return crash


@contextmanager
def _bound(limit_s: float | None, what: str, *, shield: bool = False) -> Generator[None]:
    with move_on_after(limit_s, shield=shield) as limit:
        yield
    if limit.cancelled_caught:
        raise TimeoutError(f"{what} took longer than {limit_s} s")


def _annotate(error: Exception, cell: Cell, mailbox: Mailbox) -> None:
    """Say on the error itself where it came from: the log may be far from here."""
    hand = mailbox.in_hand
    doing = "" if hand is EMPTY else f", while it handled {type(bare(hand)).__name__}"
    error.add_note(f"in actor {cell.path!r}, generation {cell.generation}{doing}")


def overrides(kind: type[object], method: str) -> bool:
    """The class `kind`, or one between it and `Actor`, defines `method`."""
    return any(method in base.__dict__ for base in kind.__mro__ if base not in _BASES)


_BASES = frozenset(Actor.__mro__)


def _serving(actor: Actor[Any]) -> Callable[[Cell, Mailbox, Actor[Any]], Awaitable[None]]:
    """The loop for this actor; a class that defines both methods is a batch actor."""
    if overrides(type(actor), "receive_batch"):
        return _serve_batches
    if overrides(type(actor), "receive"):
        return _serve_one_by_one
    raise TypeError(f"{type(actor).__name__} defines neither receive nor receive_batch")


async def _serve_one_by_one(cell: Cell, mailbox: Mailbox, actor: Actor[Any]) -> None:
    """Handle messages until asked to stop. This loop sets the speed of everything."""
    receive = actor.receive
    receive_nowait = mailbox.inbox.receive_nowait
    steps_left = STEPS_PER_YIELD
    item, mailbox.held = mailbox.held, EMPTY
    while True:
        if cell.stop_requested:
            mailbox.held = item
            return
        if item is EMPTY:
            try:
                item = receive_nowait()
            except WouldBlock:
                item = NONE_LEFT  # not waited for here: it would keep the error and its frames
        if item is NONE_LEFT:
            mailbox.idle = True
            item = await mailbox.inbox.receive()
            mailbox.idle = False
            if cell.killed:  # in the moment of its arrival: it is for the next life
                mailbox.held = item
                await checkpoint()
            continue  # a stop may have come with it
        if item is not WAKE:
            mailbox.taken += 1
            mailbox.in_hand = item
            if type(item) is Envelope:
                await _serve_envelope(cell, mailbox, receive, item)
            else:
                await receive(item)
            mailbox.in_hand = EMPTY
        item = EMPTY
        steps_left -= 1
        if not steps_left:
            steps_left = STEPS_PER_YIELD
            await checkpoint()


async def _serve_envelope(
    cell: Cell, mailbox: Mailbox, receive: Callable[[Any], Awaitable[object]], envelope: Envelope
) -> None:
    if envelope.abandoned:
        mailbox.skipped += 1
        return
    if cell.core.tracing:
        adopt_trace(envelope.trace)
    envelope.reply(await receive(envelope.message))


async def _serve_batches(cell: Cell, mailbox: Mailbox, actor: Actor[Any]) -> None:
    """As one by one, but with all that is queued in one call."""
    receive_nowait = mailbox.inbox.receive_nowait
    item, mailbox.held = mailbox.held, EMPTY
    while True:
        if cell.stop_requested:
            mailbox.held = item
            return
        if item is EMPTY:
            try:
                item = receive_nowait()
            except WouldBlock:
                item = NONE_LEFT
        if item is NONE_LEFT:
            mailbox.idle = True
            item = await mailbox.inbox.receive()
            mailbox.idle = False
            if cell.killed:
                mailbox.held = item
                await checkpoint()
            continue
        if item is not WAKE:
            batch = mailbox.take_batch(item, actor.batch_max)
            if batch:
                if cell.core.tracing:
                    adopt_trace(batch[0].trace)  # one call, one trace: its first message's
                await actor.receive_batch(batch)
                for envelope in batch:
                    if not envelope.wants_reply:
                        envelope.reply()
            await checkpoint()
        item = EMPTY
