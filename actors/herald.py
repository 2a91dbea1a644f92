"""What the store has recorded, told to those who count, log, listen and wait.

The same for every attempt: a worker's, or one made by hand.
"""

from collections.abc import Sequence
from uuid import UUID

from ..runtime import Ref
from ..stores import Back, Dead, Done, Settlement
from .attempt import Attempt
from .events import Listeners
from .job_events import EVENT_JOB_ERROR, EVENT_JOB_EXECUTED, executed
from .messages import Ended, EventMessage, Publish, WaiterMessage, hint
from .tally import Tally
from .tracing import log_ended


class Herald:
    """Made anew by each life of whoever settles; the tally and the listeners outlive it."""

    def __init__(
        self,
        *,
        waiters: Ref[WaiterMessage],
        events: Ref[EventMessage],
        listeners: Listeners,
        tally: Tally,
        tracing: bool,
    ) -> None:
        self._waiters = waiters
        self._events = events
        self._listeners = listeners
        self._tally = tally
        self._tracing = tracing

    def announce(
        self, settled: Sequence[Attempt], refused: Sequence[Settlement], now: float
    ) -> None:
        """The store has taken what was `settled`, but for what it `refused`.

        `now` is in event loop seconds.
        """
        too_late = {settlement.lease for settlement in refused}
        self._tally.refused += len(too_late)
        perhaps: list[UUID] = []
        recorded: list[Attempt] = []
        for attempt in settled:
            settlement = attempt.settlement
            if settlement is None:
                continue
            if settlement.lease in too_late:
                perhaps.append(settlement.task_id)  # the first answer may have been lost
                continue
            self._tally.count(settlement, now)
            log_ended(attempt, everything=self._tracing)
            if not isinstance(settlement, Back):
                recorded.append(attempt)
        ended = [attempt for attempt in recorded if isinstance(attempt.settlement, (Done, Dead))]
        if ended or perhaps:
            hint(self._waiters, Ended(task_ids=perhaps, attempts=ended))
        if recorded and self._listeners.wants(EVENT_JOB_EXECUTED | EVENT_JOB_ERROR):
            events = [executed(attempt) for attempt in recorded]
            hint(self._events, Publish(events=events))
