"""The queue as its users hold it: its life, its handlers, its events, and `QueueClient`'s calls.

It has no state of its own but its handlers, its listeners, and the entrance to the graph
while that runs.
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any, Self

from anyio import TASK_STATUS_IGNORED, AsyncContextManagerMixin, sleep_forever
from anyio.abc import TaskStatus

from oncue.actors import (
    EventStream,
    Handlers,
    NodeSuperseded,
    QueueNotRunning,
    Roster,
    Tally,
    TaskHandler,
)
from oncue.actors.handlers import ExecutorKind
from oncue.actors.job_events import EVENT_ALL
from oncue.actors.messages import Count, ListenersChanged, hint
from oncue.adapters.client import QueueClient
from oncue.runtime import (
    ActorSystem,
    Clock,
    Entropy,
    EscalatedFailure,
    SupervisorSpec,
)
from oncue.stores import Counts, StoreUnavailable

HEALTH_S = 5.0
"""How long each look of a health check waits for the store."""


class QueueBase(QueueClient, AsyncContextManagerMixin, ABC):
    """A task queue. It works inside its scope, in any of three ways:

        async with queue: ...
        await tg.start(queue.run)
        SupervisorSpec("app", children=[queue.child_spec(), ...])

    Used outside, every call but those on handlers raises `QueueNotRunning`. Leaving the scope
    drains: no new claims, running handlers may end within `shutdown_grace` seconds, what is
    left is cancelled and handed back. A queue may run again after it ended, never twice at
    once. Wherever a task id is taken, `UUID` and `str` are accepted; no task with it is
    False, None or `UnknownTask`, as the call says; a string that is no UUID is a ValueError.

    Calls wait for the store; one that does not answer within a minute, or crashes over it, is
    `StoreUnavailable`, whose `__cause__` tells more. Cancelled, a call that changes something may
    or may not have changed it; `enqueue` may then be repeated with the same task, which is
    idempotent.
    """

    def __init__(
        self,
        name: str,
        *,
        clock: Clock,
        entropy: Entropy,
        beat_s: float | None = None,
        executor: ExecutorKind = "thread",
    ) -> None:
        """`beat_s`: how often the store expects a heartbeat (None: it does not). `executor`:
        where plain functions run that do not say it themselves."""
        super().__init__(name, clock=clock, entropy=entropy)
        self._handlers = Handlers(executor)
        self._tally = Tally()
        self._roster = Roster(beat_s)

    # -- running ------------------------------------------------------------------------

    @abstractmethod
    def child_spec(self) -> SupervisorSpec:
        """The queue's tree, to hang under a supervisor of your own, or to print."""

    @property
    @abstractmethod
    def _stop_s(self) -> float:
        """How long a stop may take in all, in seconds."""

    @property
    def running(self) -> bool:
        return self._entrance.is_open

    @asynccontextmanager
    async def __asynccontextmanager__(self) -> AsyncGenerator[Self, None]:
        if self._entrance.is_open:
            raise RuntimeError(f"the {self.name} queue is running already")
        system = ActorSystem(
            self.child_spec(), shutdown_s=self._stop_s, clock=self._clock, entropy=self._entropy
        )
        up = False
        try:
            async with system:
                up = True
                yield self
            return
        except EscalatedFailure as failure:
            # What keeps it from starting comes out as it is, and so does that somebody has taken
            # its place. A later defect comes with all that is known of its way.
            reason = root_cause(failure)
            if failure.path != self.name or (up and not isinstance(reason, NodeSuperseded)):
                raise
            cause = failure.__cause__ or reason.__cause__
        raise reason from cause

    async def run(self, *, task_status: TaskStatus["QueueBase"] = TASK_STATUS_IGNORED) -> None:
        """Run until cancelled; `await tg.start(queue.run)` returns the queue once it is up."""
        async with self:
            task_status.started(self)
            await sleep_forever()

    # -- handlers -----------------------------------------------------------------------

    def register_handler(self, task_type: str, handler: TaskHandler | Callable[..., Any]) -> None:
        """Set what runs for `task_type`. A bare function is made a handler first."""
        self._handlers.register(task_type, handler)
        self._wake()

    def unregister_handler(self, task_type: str) -> bool:
        """Claim that type no more; False when it has no handler. What runs, runs on."""
        return self._handlers.unregister(task_type)

    def get_handler(self, task_type: str) -> TaskHandler | None:
        return self._handlers.get(task_type)

    def list_handlers(self) -> list[str]:
        """The task types handled here."""
        return list(self._handlers)

    # -- how it is ----------------------------------------------------------------------

    @property
    def metrics(self) -> dict[str, float]:
        """This process's totals and rates, and what the store held when it was last counted.

        `throughput` is tasks completed a second, `error_rate` the share of attempts that
        failed, both over the last minute.
        """
        tally, counts = self._tally, self._tally.counts
        # Outside the scope there is no event loop's clock to measure a minute by.
        rates = tally.rates(self._clock.monotonic()) if self.running else (0.0, 0.0)
        return {
            "pending_tasks": counts.pending + counts.delayed + counts.held if counts else 0,
            "processing_tasks": counts.processing if counts else 0,
            "dead_letter_tasks": counts.dead_letters if counts else 0,
            "completed_tasks": tally.completed,
            "failed_attempts": tally.failed,
            "retried_attempts": tally.retried,
            "handed_back_attempts": tally.handed_back,
            "refused_settlements": tally.refused,
            "fired_runs": tally.fired_runs,
            "missed_runs": tally.missed_runs,
            "skipped_runs": tally.skipped_runs,
            "throughput": rates[0],
            "error_rate": rates[1],
            "workers_active": tally.busy,
            "workers_idle": tally.idle,
        }

    async def health_check(self) -> dict[str, Any]:
        """Whether it works, what to look at, and figures. Works outside the scope too."""
        if not self.running:
            return {
                "healthy": False,
                "running": False,
                "warnings": [str(QueueNotRunning(self.name))],
                "metrics": self.metrics,
                self._section: {},
            }
        try:
            request = Count(queue_name=None)
            counts = await self._ask(request, timeout_s=HEALTH_S)
            section, more = await self._health(counts)
        except (StoreUnavailable, QueueNotRunning) as error:
            return {
                "healthy": False,
                "running": self.running,
                "warnings": [str(error)],
                "metrics": self.metrics,
                self._section: {"store_reachable": False},
            }
        unhandled = sorted(set(counts.ready_types) - set(self._handlers)) if self._works else ()
        warnings = [
            f"{counts.ready_types[name]} tasks of type {name!r} wait: no handler is registered here"
            for name in unhandled
        ]
        return {
            "healthy": True,
            "running": True,
            "warnings": warnings + more,
            "metrics": self.metrics,
            self._section: section,
        }

    @property
    def _works(self) -> bool:
        """Whether it runs tasks, or is there to enqueue and to look only."""
        return True

    @property
    def _section(self) -> str:
        return f"{self.name}_queue"

    @abstractmethod
    async def _health(self, counts: Counts) -> tuple[dict[str, Any], list[str]]:
        """The adapter's own section of the health check, and its warnings."""

    # -- events -------------------------------------------------------------------------

    def add_listener(self, callback: Callable[[Any], object], mask: int = EVENT_ALL) -> None:
        """Call `callback(event)` for each event of `mask`, as APScheduler has them.

        An async callback runs in the event loop, a plain one in a worker thread. Each has a
        queue of its own: a slow one loses its oldest events, a raising one is logged, and
        neither delays anybody. Adding it again replaces its mask.
        """
        self._listeners.add(callback, mask)
        self._listeners_changed()

    def remove_listener(self, callback: Callable[[Any], object]) -> bool:
        """Undo `add_listener`; False when it does not listen."""
        known = self._listeners.remove(callback)
        self._listeners_changed()
        return known

    def events(self, mask: int = EVENT_ALL) -> EventStream:
        """An async iterator over events from now on; it ends when the queue stops.

        It keeps 1000 events that are not read yet, and then drops the oldest.
        """
        return self._listeners.stream(mask)

    def _listeners_changed(self) -> None:
        if self._entrance.is_open:
            hint(self._inside.events, ListenersChanged())

    def __repr__(self) -> str:
        state = "running" if self.running else "not running"
        return f"<{type(self).__name__} {self.name} {state}, {len(self.list_handlers())} handlers>"


def root_cause(failure: EscalatedFailure) -> Exception:
    """The crash below all supervisors that gave up."""
    crash = failure.exceptions[0]
    return root_cause(crash) if isinstance(crash, EscalatedFailure) else crash
