"""One claimed task on its way through a worker, and the pool's handle on it.

It is to a worker what an envelope is to an actor: the pool hands it over, the worker answers
in it. Only the pool recalls and stops; only the worker begins and ends.
"""

from collections.abc import Callable
from math import inf

from anyio import CancelScope

from ..runtime import Alarms
from ..stores import ClaimedTask, Settlement
from .outcome import Stop


class Attempt:
    """Waiting, then running, then done; or recalled before it began.

    `settlement` is what the worker made of it: None before it is `done`, and when there is
    nothing to settle.
    """

    __slots__ = (
        "_scope",
        "_stop",
        "began_s",
        "claimed",
        "done",
        "error",
        "recalled",
        "settlement",
        "took_s",
    )

    def __init__(self, claimed: ClaimedTask) -> None:
        self.claimed = claimed
        self.began_s: float | None = None
        self.done = False
        self.recalled = False
        self.settlement: Settlement | None = None
        self.took_s = 0.0
        self.error: Exception | None = None  # the handler's, for those who listen
        self._stop: Stop | None = None
        self._scope: CancelScope | None = None

    @property
    def stopped(self) -> Stop | None:
        """Why it was stopped, if it was."""
        return self._stop

    def begin(self, now: float, scope: CancelScope) -> None:
        """The worker runs it, in `scope`, from `now` (event loop seconds)."""
        self.began_s = now
        self._scope = scope

    def end(self, settlement: Settlement | None, took_s: float) -> None:
        """It is over."""
        self.settlement = settlement
        self.took_s = took_s
        self.done = True
        self._scope = None

    def stop(self, why: Stop) -> None:
        """Cancel it if it runs, or let it never begin. The first reason counts."""
        if self._stop is None and not self.done:
            self._stop = why
            if self._scope is not None:
                self._scope.cancel()

    def recall(self) -> bool:
        """Take it back from the worker; False when it has begun, or been stopped."""
        if self.began_s is None and self._stop is None:
            self.recalled = True
        return self.recalled

    def __repr__(self) -> str:
        row = self.claimed.row
        return f"<Attempt {self.claimed.attempt} at {row.task_type} {row.task_id}>"


class Timeouts:
    """One worker's timeouts, as one alarm of the system's: an alarm for each would cost more.

    It is set for the earliest deadline yet seen; when that is due it looks at what runs by then.
    """

    answered = False  # never in vain: it looks again, or lets itself be forgotten

    def __init__(self, alarms: Alarms, now: Callable[[], float]) -> None:
        self._alarms = alarms
        self._now = now
        self._attempt: Attempt | None = None
        self._deadline_s = inf
        self._set_for_s = inf

    def watch(self, attempt: Attempt, deadline_s: float) -> None:
        """Stop `attempt` at that time (event loop seconds), unless it is done; forget the last."""
        self._attempt = attempt
        self._deadline_s = deadline_s
        if deadline_s < self._set_for_s:
            self._set_for_s = deadline_s
            self._alarms.add(deadline_s, self)

    def fire(self) -> None:
        """The earliest deadline is due (called by the alarms)."""
        self._set_for_s = inf
        attempt = self._attempt
        if attempt is None or attempt.done:
            return
        if self._deadline_s <= self._now():
            attempt.stop(Stop.TIMED_OUT)
        else:
            self.watch(attempt, self._deadline_s)
