"""An actor's named timers: messages to itself, later. They die with the incarnation.

A name has one timer: setting it again replaces it. After `cancel`, or a replacement, a
message of the old one is not handled even when it was queued already (Akka's keyed timers).
A periodic timer counts from one firing to the next and never piles up: while its last
message is unhandled, it skips.
"""

from typing import Any

from ._cell import Cell
from ._dead_letters import Reason
from ._envelope import Envelope
from ._errors import ActorStopped, MailboxFull
from ._trace import next_trace


class NamedTimers:
    """`context.timers`. Delays are seconds of the event loop's clock."""

    def __init__(self, cell: Cell, generation: int) -> None:
        self._cell = cell
        self._generation = generation
        self._timers: dict[str, _Timer] = {}
        self._prune_at = 16

    def after(self, name: str, delay_s: float, message: Any) -> None:
        """Send `message` to this actor once, `delay_s` from now."""
        self._set(name, _Timer(self, name, message, None), delay_s)

    def every(self, name: str, period_s: float, message: Any) -> None:
        """Send `message` to this actor every `period_s`, the first time one period from now."""
        if not period_s > 0:
            raise ValueError(f"timer {name!r}: period_s must be positive, not {period_s}")
        self._set(name, _Timer(self, name, message, period_s), period_s)

    def cancel(self, name: str) -> bool:
        """Forget the timer; False when there is none."""
        timer = self._timers.pop(name, None)
        if timer is None or timer.over:
            return False
        if timer.cancel():
            self._cell.core.alarms.note_waste()
        return True

    def cancel_all(self) -> None:
        for name in list(self._timers):
            self.cancel(name)

    @property
    def names(self) -> list[str]:
        """The timers that are set."""
        self._prune()
        return list(self._timers)

    def _set(self, name: str, timer: "_Timer", delay_s: float) -> None:
        if not delay_s >= 0:
            raise ValueError(f"timer {name!r}: delay_s must not be negative, not {delay_s}")
        self._cell.check_living(self._generation)
        self.cancel(name)
        self._timers[name] = timer
        if len(self._timers) >= self._prune_at:
            self._prune()
            self._prune_at = 2 * len(self._timers) + 16
        self._cell.timers = self
        core = self._cell.core
        core.alarms.add(core.now() + delay_s, timer)

    def _prune(self) -> None:
        """Forget those whose one message has been handled; until then `cancel` reaches it."""
        for name in [name for name, timer in self._timers.items() if timer.over]:
            del self._timers[name]

    def deliver(self, timer: "_Timer") -> None:
        """The timer is due: send its message, and wind it again if it is periodic."""
        core = self._cell.core
        assert self._cell.mailbox is not None
        if timer.sent is None or timer.sent.answered:
            timer.sent = Envelope(
                timer.message, None, next_trace(core.entropy) if core.tracing else None
            )
            try:
                self._cell.mailbox.put_or_drop(timer.sent)
            except (MailboxFull, ActorStopped) as error:
                timer.sent.abandon()  # the next period sends anew
                full = isinstance(error, MailboxFull)
                reason = Reason.OVERFLOW if full else Reason.STOPPED
                core.bury(self._cell.path, timer.message, reason)
        if timer.period_s is not None:
            core.alarms.add(core.now() + timer.period_s, timer)


class _Timer:
    """One set timer, as the alarms know it."""

    __slots__ = ("_cancelled", "_owner", "message", "name", "period_s", "sent")

    def __init__(
        self, owner: NamedTimers, name: str, message: object, period_s: float | None
    ) -> None:
        self._owner = owner
        self._cancelled = False
        self.name = name
        self.message = message
        self.period_s = period_s
        self.sent: Envelope | None = None  # kept so that a cancel reaches the mailbox

    @property
    def over(self) -> bool:
        return self.period_s is None and self.sent is not None and self.sent.answered

    @property
    def answered(self) -> bool:
        return self._cancelled

    def fire(self) -> None:
        self._owner.deliver(self)

    def cancel(self) -> bool:
        """Whether it is still in the heap of alarms."""
        waiting = not self._cancelled and (self.sent is None or self.period_s is not None)
        self._cancelled = True
        if self.sent is not None:
            self.sent.abandon()
        return waiting
