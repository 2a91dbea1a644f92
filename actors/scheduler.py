"""The scheduler: fires what is due. Any number of nodes may run one on the same store.

It looks which schedules are due, decides for each (`misfire`), and hands all decisions to the store
in one transaction, which takes each only if nobody has touched the schedule since it was looked at.
So each occurrence is enqueued once, without a leader; who comes second has lost nothing but a look.
What is due, the store's clock says: this machine's may lie.

A schedule that is not understood here (a newer version's trigger) is passed over and told of once;
it stays as it is, and others may fire it.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Final, assert_never
from uuid import UUID

from anyio.lowlevel import checkpoint

from ..runtime import Actor, Entropy, Envelope, Ref
from ..stores import (
    Added,
    AlreadyKnown,
    Due,
    Fire,
    Fired,
    InstancesFull,
    Overtaken,
    ScheduleView,
    TaskRow,
    UniqueTaken,
    record,
)
from .events import Listeners
from .job_events import (
    EVENT_JOB_REMOVED,
    SchedulerEvent,
    missed,
    skipped,
    task_event,
)
from .log import emit
from .messages import (
    STORE_TIMEOUT_S,
    STORE_TROUBLE,
    EventMessage,
    PoolMessage,
    Publish,
    StoreMessage,
    Wake,
    hint,
)
from .misfire import Verdict, decide_fire
from .planning import (
    DueSchedules,
    FireSchedules,
    LookAtSchedules,
    SchedulerMessage,
)
from .schedules import occurrence_id, run_of, template_of
from .tally import Tally
from .tracing import log_enqueued
from .triggers import Trigger, decode

PAGE: Final = 1000
"""How many schedules one look takes, and one transaction fires."""
ROWS_MAX: Final = 1000
"""How many runs one transaction enqueues, by its last schedule's `RUNS_MAX` more."""
RUNS_MAX: Final = 100
"""How many runs of one schedule it enqueues: a catch-up goes on in the next, after the others."""
RECONNECT_S: Final = 0.5
"""How long to wait before the store is asked again that could not answer."""
KNOWN_MAX: Final = 10_000
"""How many triggers are kept decoded."""
DECISIONS_PER_YIELD: Final = 50


@record
class Unread:
    """Why a schedule was not understood, at which of its versions: that will not change."""

    version: int
    reason: str


@record
class Decided:
    """What is to become of one due schedule. `rows` are the runs that its `fire` enqueues;
    `goes_on`: more are due than one transaction takes.
    """

    view: ScheduleView
    verdict: Verdict
    rows: Sequence[TaskRow]
    goes_on: bool

    @property
    def fire(self) -> Fire:
        """As the store takes it."""
        return Fire(
            job_id=self.view.row.job_id,
            version=self.view.version,
            next_run_at=self.verdict.next_run_at,
            rows=self.rows,
            # Runs of the catch-up that this goes on with shall not stand in its way.
            instances_max=None if self.view.goes_on else self.view.row.instances_max,
            goes_on=self.goes_on,
        )


class Scheduler(Actor[SchedulerMessage]):
    """Fires at each next run time, and looks every `poll_interval_s` for what others have added."""

    def __init__(
        self,
        *,
        store: str,
        pool: str,
        events: str,
        listeners: Listeners,
        tally: Tally,
        tracing: bool,
        entropy: Entropy,
        poll_interval_s: float,
    ) -> None:
        self._paths = store, pool, events
        self._listeners = listeners
        self._tally = tally
        self._tracing = tracing
        self._random = entropy.random
        self._poll_interval_s = poll_interval_s
        self._trigger_of = lru_cache(KNOWN_MAX)(decode)
        self._unread: dict[UUID, Unread] = {}

    async def on_start(self) -> None:
        store, pool, events = self._paths
        self._store: Ref[StoreMessage] = self.context.lookup(store)
        self._pool: Ref[PoolMessage] = self.context.lookup(pool)
        self._events: Ref[EventMessage] = self.context.lookup(events)
        # Spread, so that many processes that started together do not look together.
        poll_s = self._poll_interval_s * (0.8 + 0.2 * self._random())
        self.context.timers.every("poll", poll_s, LookAtSchedules())
        self.context.timers.after("due", 0, LookAtSchedules())

    async def receive_batch(self, batch: list[Envelope]) -> None:
        for envelope in batch:
            envelope.reply()
        try:
            wait_s = await self._fire_all()
        except STORE_TROUBLE:
            wait_s = RECONNECT_S
        self.context.timers.after("due", max(0.0, wait_s), LookAtSchedules())

    async def _fire_all(self) -> float:
        """Fire what is due, page by page. Seconds until there is more, a poll's at most."""
        after: tuple[datetime, UUID] | None = None
        unread: dict[UUID, Unread] = {}
        waits = [self._poll_interval_s]
        while True:
            request = DueSchedules(limit=PAGE, after=after)
            due = await self._store.ask(request, timeout_s=STORE_TIMEOUT_S)
            looked_s = self.context.now()
            decisions = await self._decide(due, unread)
            nexts: list[datetime] = []
            for batch in _batches(decisions):
                nexts += await self._fire(batch)
            passed_s = self.context.now() - looked_s
            waits += [(moment - due.now).total_seconds() - passed_s for moment in nexts]
            if due.next_due_s is not None:
                waits.append(due.next_due_s - passed_s)
            if len(due.schedules) < PAGE:
                break
            last = due.schedules[-1].row
            assert last.next_run_at is not None
            after = last.next_run_at, last.job_id
        self._note_unread(unread)
        return min(waits)

    async def _decide(self, due: Due, unread: dict[UUID, Unread]) -> list[Decided]:
        # Many that catch up at once take turns, so that they hold up no others.
        runs_max = max(1, min(RUNS_MAX, ROWS_MAX // max(1, len(due.schedules))))
        decisions: list[Decided] = []
        for number, view in enumerate(due.schedules, 1):
            known = self._unread.get(view.row.job_id)
            if known is not None and known.version == view.version:
                unread[view.row.job_id] = known
                continue
            try:
                decisions.append(self._decide_one(view, due.now, runs_max))
            except ValueError as error:
                unread[view.row.job_id] = Unread(version=view.version, reason=str(error))
            if number % DECISIONS_PER_YIELD == 0:
                await checkpoint()
        return decisions

    def _decide_one(self, view: ScheduleView, now: datetime, runs_max: int) -> Decided:
        """Raises ValueError where the schedule is not understood here."""
        row = view.row
        assert row.next_run_at is not None
        trigger: Trigger = self._trigger_of(row.trigger)
        verdict = decide_fire(
            trigger,
            due=row.next_run_at,
            now=now,
            grace_s=row.misfire_grace_s,
            coalesce=row.coalesce,
            runs_max=runs_max,
        )
        task = template_of(row)
        rows = [
            run_of(
                task,
                job_id=row.job_id,
                task_id=occurrence_id(row.job_id, moment),
                moment=moment,
                now=now,
                delay_s=trigger.jitter_s * self._random() if trigger.jitter_s else 0.0,
            )
            for moment in verdict.runs
        ]
        next_run_at = verdict.next_run_at
        return Decided(
            view=view,
            verdict=verdict,
            rows=rows,
            goes_on=next_run_at is not None and next_run_at <= now,
        )

    async def _fire(self, decisions: Sequence[Decided]) -> list[datetime]:
        """The next runs that this scheduler looks at. Where it was overtaken in a catch-up, whoever
        did goes on with it, or is stuck in it; that shows at the next poll.
        """
        request = FireSchedules(fires=[each.fire for each in decisions])
        outcomes = await self._store.ask(request, timeout_s=STORE_TIMEOUT_S)
        events: list[SchedulerEvent] = []
        queues: set[str] = set()
        nexts: list[datetime] = []
        for decided, outcome in zip(decisions, outcomes, strict=True):
            is_overtaken = isinstance(outcome, Overtaken)  # by another node, or by a change
            if decided.verdict.next_run_at and not (is_overtaken and decided.goes_on):
                nexts.append(decided.verdict.next_run_at)
            if isinstance(outcome, Overtaken):
                continue
            events += self._account(decided, outcome)
            if isinstance(outcome, Fired) and decided.rows:
                queues.add(decided.view.row.queue_name)
                if self._tracing:
                    self._log(decided.rows, outcome)
        for name in queues:
            hint(self._pool, Wake(queue_name=name))
        wanted = [event for event in events if self._listeners.wants(event.code)]
        if wanted:
            hint(self._events, Publish(events=wanted))
        return nexts

    def _log(self, rows: Sequence[TaskRow], outcome: Fired) -> None:
        for row, added in zip(rows, outcome.outcomes, strict=True):
            if isinstance(added, Added):
                log_enqueued(row)

    def _account(self, decided: Decided, outcome: Fired | InstancesFull) -> list[SchedulerEvent]:
        """Count and log the runs that are not to be; the events of it all."""
        row, verdict = decided.view.row, decided.verdict
        who = {"job_id": str(row.job_id), "name": row.name, "queue": row.queue_name}
        events: list[SchedulerEvent] = []
        for moment in verdict.missed:
            emit("warning", "run_missed", **who, scheduled_at=moment.isoformat())
            events.append(missed(row.job_id, row.queue_name, moment))
        if verdict.missed_more:
            emit("warning", "runs_missed", **who, since=verdict.missed[-1].isoformat())
        skips = _skips(verdict.runs, outcome)
        for moment, why in skips:
            emit("warning", "run_skipped", **who, scheduled_at=moment.isoformat(), reason=why)
        if skips:
            moments = [moment for moment, _ in skips]
            events.append(skipped(row.job_id, row.queue_name, moments))
        self._tally.missed_runs += len(verdict.missed)
        self._tally.skipped_runs += len(skips)
        self._tally.fired_runs += len(verdict.runs) - len(skips)
        if verdict.next_run_at is None:
            events.append(task_event(EVENT_JOB_REMOVED, row.job_id, row.queue_name))
        return events

    def _note_unread(self, unread: dict[UUID, Unread]) -> None:
        for job_id, why in unread.items():
            if job_id not in self._unread:
                emit("error", "schedule_not_understood", job_id=str(job_id), reason=why.reason)
        self._unread = unread
        self._tally.unread_schedules = {job_id: why.reason for job_id, why in unread.items()}


def _skips(runs: Sequence[datetime], outcome: Fired | InstancesFull) -> list[tuple[datetime, str]]:
    """Which of the runs were not enqueued, and why."""
    if isinstance(outcome, InstancesFull):
        return [(moment, f"{outcome.live} of its runs are live") for moment in runs]
    skips: list[tuple[datetime, str]] = []
    for moment, added in zip(runs, outcome.outcomes, strict=True):
        match added:
            case Added():
                pass
            case AlreadyKnown():  # its next run time was set by hand to one that it had
                skips.append((moment, "it has run before"))
            case UniqueTaken(live_task_id=live):
                skips.append((moment, f"task {live} has its unique_key"))
            case _:
                assert_never(added)
    return skips


def _batches(decisions: Sequence[Decided]) -> Iterator[Sequence[Decided]]:
    """As many to a transaction as have `ROWS_MAX` runs between them, or a few more."""
    batch: list[Decided] = []
    rows = 0
    for decided in decisions:
        batch.append(decided)
        rows += len(decided.rows)
        if rows >= ROWS_MAX:
            yield batch
            batch, rows = [], 0
    if batch:
        yield batch
