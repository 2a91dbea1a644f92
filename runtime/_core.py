"""What every cell of one running system shares. Made when the system opens, gone with it."""

from collections.abc import Callable
from contextvars import Context, copy_context
from dataclasses import dataclass, field

from ._alarms import Alarms
from ._clock import Clock, Entropy, loop_clock
from ._dead_letters import DeadLetter, DeadLetters, Reason
from ._events import Event, Observer, log_event, traceback_of
from ._log import logger


@dataclass(slots=True)
class Core:
    """Ports, deadlines, dead letters and observers.

    `context` is the contextvars context the system was opened in; every incarnation starts
    in a copy of it, so a restarted actor inherits nothing from whoever triggered the restart.
    """

    clock: Clock
    entropy: Entropy
    tracing: bool
    observer: Observer
    now: Callable[[], float] = field(default_factory=loop_clock)
    alarms: Alarms = field(init=False)
    dead_letters: DeadLetters = field(default_factory=DeadLetters)
    context: Context = field(default_factory=copy_context)

    def __post_init__(self) -> None:
        self.alarms = Alarms(self.now)

    def emit(self, event: Event) -> None:
        try:
            self.observer(event)
        except Exception as error:
            # An observer is somebody's logging or metrics code: its failure is reported, and
            # must not take the tree with it.
            if self.observer is not log_event:
                error.add_note(f"raised by the observer, on {event!r}")
                log_observer_error(error)

    def bury(
        self, path: str, message: object, reason: Reason, error: Exception | None = None
    ) -> None:
        letter = DeadLetter(
            path=path, message=message, reason=reason, error=error, at=self.clock.now()
        )
        self.dead_letters.add(letter)
        self.emit(letter)


def log_observer_error(error: Exception) -> None:
    logger("oncue.runtime").error("observer_failed", exception=traceback_of(error))
