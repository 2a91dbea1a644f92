"""Death notices: who wants to hear when an actor's incarnation ends."""

from dataclasses import dataclass
from functools import partial
from typing import Any

from ._cell import Cell, State
from ._dead_letters import Reason
from ._envelope import Envelope
from ._errors import ActorStopped, MailboxFull
from ._ref import Ref
from ._trace import next_trace


@dataclass(frozen=True, slots=True, kw_only=True)
class Terminated:
    """An incarnation of `ref` is over.

    `error` is its crash, None after any other end. `final`: there will be no other. When that
    turns out only later, because a supervisor further up does not restart its own child, the
    end is told a second time, with `final` set.
    """

    ref: Ref[Any]
    generation: int
    error: Exception | None
    final: bool


def watch(watched: Cell, watcher: Cell) -> None:
    """Idempotent. One that has ended for good is reported at once."""
    if watched.state is State.STOPPED:
        _notify(watcher, watched, watched.generation, None, True)
        return
    if watched.watchers is None:
        watched.watchers = {}
    watched.watchers.setdefault(watcher, partial(_notify, watcher, watched))
    if watcher.watching is None:
        watcher.watching = set()
    watcher.watching.add(watched)


def unwatch(watched: Cell, watcher: Cell) -> None:
    if watched.watchers is not None:
        watched.watchers.pop(watcher, None)
    if watcher.watching is not None:
        watcher.watching.discard(watched)


def _notify(
    watcher: Cell, watched: Cell, generation: int, error: Exception | None, final: bool
) -> None:
    """A full mailbox turns the notice into a dead letter, not a crash of whoever has ended."""
    mailbox, core = watcher.mailbox, watcher.core
    assert mailbox is not None  # only actors watch
    notice = Terminated(ref=Ref(watched), generation=generation, error=error, final=final)
    traced = Envelope(notice, None, next_trace(core.entropy)) if core.tracing else notice
    try:
        mailbox.put_or_drop(traced)
    except MailboxFull:
        core.bury(watcher.path, notice, Reason.OVERFLOW)
    except ActorStopped:
        pass  # the watcher has ended; there is nobody to tell
