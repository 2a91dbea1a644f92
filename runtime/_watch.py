"""Death notices: who wants to hear when an actor's incarnation ends."""

from dataclasses import dataclass
from typing import Any

from ._cell import Cell, State
from ._dead_letters import Reason
from ._errors import ActorStopped, MailboxFull
from ._ref import Ref


@dataclass(frozen=True, slots=True, kw_only=True)
class Terminated:
    """An incarnation of `ref` is over.

    `error` is its crash, None after any other end; `final` is False when its supervisor
    starts a new one.
    """

    ref: Ref[Any]
    generation: int
    error: Exception | None
    final: bool


def watch(watched: Cell, watcher: Cell) -> None:
    """Idempotent. One that has ended for good is reported at once."""
    if watched.state is State.STOPPED:
        _notify(
            watcher,
            Terminated(ref=Ref(watched), generation=watched.generation, error=None, final=True),
        )
        return
    if watched.watchers is None:
        watched.watchers = []
    if watcher not in watched.watchers:
        watched.watchers.append(watcher)


def unwatch(watched: Cell, watcher: Cell) -> None:
    if watched.watchers is not None and watcher in watched.watchers:
        watched.watchers.remove(watcher)


def notify_watchers(cell: Cell, generation: int, error: Exception | None, *, final: bool) -> None:
    """Tell all of them; a full mailbox turns the notice into a dead letter, not a crash."""
    if not cell.watchers:
        return
    notice = Terminated(ref=Ref(cell), generation=generation, error=error, final=final)
    for watcher in tuple(cell.watchers):
        _notify(watcher, notice)
    if final:
        cell.watchers = None


def _notify(watcher: Cell, notice: Terminated) -> None:
    if watcher.mailbox is None:
        return
    try:
        watcher.mailbox.put_or_drop(notice)
    except MailboxFull:
        watcher.core.bury(watcher.path, notice, Reason.OVERFLOW)
    except ActorStopped:
        pass  # the watcher has ended; there is nobody to tell
