"""The pool: one per process. It knows the free workers, and exchanges with the store.

One exchange carries what ended out and claims for the free workers in, over all queues that
may have something ready. A settlement never waits for a claim. Hints (`Wake`) say where to
look; a hint may be lost, so it also looks by itself: when the next delayed task is due, and
every `poll_interval_s`.

It claims under an incarnation of its own (`Claimer`): a pool that died between claim and
start loses nothing. After trouble with the store, and every `LOOK_AT_LEASES_S`, it compares
its leases with the store's; then it also takes over tasks whose holder is gone, which counts
as an attempt, so that a task that kills processes comes to an end.
"""

from collections.abc import Sequence
from contextlib import suppress
from uuid import UUID

from ..runtime import Actor, ActorStopped, Entropy, Envelope, MailboxFull, Ref
from ..stores import (
    Back,
    Claim,
    Claims,
    Exchanged,
    RetryAt,
)
from .attempt import Attempt
from .backoff import RetryPolicy
from .claimer import LOOK_AT_LEASES_S, Claimer
from .decide import decide
from .events import Listeners
from .handlers import Handlers
from .herald import Herald
from .job_events import (
    EVENT_JOB_SUBMITTED,
    JobEvent,
    submitted,
)
from .messages import (
    STORE_TIMEOUT_S,
    STORE_TROUBLE,
    CancelAttempt,
    Drain,
    EventMessage,
    Exchange,
    Finished,
    GraceOver,
    LookAround,
    LookAtLeases,
    LookAtWorkers,
    Opened,
    PoolMessage,
    Publish,
    Ready,
    Run,
    StoreMessage,
    Wake,
    hint,
)
from .outcome import Outcome, Raised, Stop, Stopped
from .roster import Roster
from .slots import Slots
from .tally import Tally

RECALL_S = 0.02
"""How often it looks whether somebody waits behind a slow attempt."""
RECONNECT_S = 0.5
"""How long to wait before the store is asked again that could not answer."""
RESCUE_MAX = 100
"""How many tasks one transaction takes over."""


class Pool(Actor[PoolMessage]):
    """Claims by free slots, round-robin over queues, for the task types handled here."""

    def __init__(
        self,
        *,
        node: str,
        store: str,
        waiters: str,
        events: str,
        listeners: Listeners,
        handlers: Handlers,
        queues: frozenset[str] | None,
        policy: RetryPolicy,
        tally: Tally,
        tracing: bool,
        entropy: Entropy,
        poll_interval_s: float,
        roster: Roster,
    ) -> None:
        self._node = node
        self._roster = roster
        self._paths = store, waiters, events
        self._listeners = listeners
        self._handlers = handlers
        self._only = queues
        self._policy = policy
        self._random = entropy.random
        self._poll_interval_s = poll_interval_s
        self._tally = tally
        self._tracing = tracing
        self._slots = Slots()
        self._settled: list[Attempt] = []  # to be recorded by the next exchange
        self._known: frozenset[str] = frozenset()
        self._hints: dict[str, None] = {}  # queues that may have something ready, next first
        self._looking = True
        self._doubtful = False  # whether the store may count leases as ours that we know not of
        self._watching = False
        self._drain: Envelope | None = None

    async def on_start(self) -> None:
        self._now = self.context.now
        store, waiters, events = self._paths
        self._store: Ref[StoreMessage] = self.context.lookup(store)
        self._events: Ref[EventMessage] = self.context.lookup(events)
        self._herald = Herald(
            waiters=self.context.lookup(waiters),
            events=self._events,
            listeners=self._listeners,
            tally=self._tally,
            tracing=self._tracing,
        )
        self._claimer = Claimer(self._node, self._store, self._roster, self._now, self._random)
        # Spread, so that many processes that started together do not poll together.
        poll_s = self._poll_interval_s * (0.8 + 0.2 * self._random())
        self.context.timers.every("poll", poll_s, LookAround())
        leases_s = min(LOOK_AT_LEASES_S, self._roster.beat_s or LOOK_AT_LEASES_S)
        self.context.timers.every("leases", leases_s, LookAtLeases())
        self.context.timers.after("first look", 0, LookAtLeases())

    async def on_stop(self, reason: Exception | None) -> None:
        self._slots.drain()
        for attempt in self._slots.in_hand():
            attempt.stop(Stop.DRAINED)
        if reason is None:
            with suppress(*STORE_TROUBLE):
                await self._claimer.leave()

    async def receive_batch(self, batch: list[Envelope]) -> None:
        for envelope in batch:
            self._take(envelope)
        try:
            await self._meet_store()
        except STORE_TROUBLE:
            self._doubtful = True
            self.context.timers.after("reconnect", RECONNECT_S, LookAround())
        self._tally.busy, self._tally.idle = self._slots.busy, self._slots.free
        if self._drain is not None and not self._slots.busy and not self._settled:
            self._drain.reply()

    def _take(self, envelope: Envelope) -> None:
        match envelope.message:
            case Finished(worker=worker):
                self._settle(self._slots.collect(worker))
            case LookAround():
                self._looking = True
            case Wake(queue_name=name):
                if name is None:
                    self._looking = True
                else:
                    self._hint(name)
            case LookAtLeases():
                self._doubtful = True
            case Ready(worker=worker, life=life):
                self._on_ready(worker, life)
            case LookAtWorkers():
                self._watching = False
                self._settle_or_return(self._slots.recall(self._now() - RECALL_S / 2))
                self._watch_workers()
            case CancelAttempt(task_id=task_id, lease=lease):
                self._cancel(task_id, lease)
            case Drain(grace_s=grace_s):
                self._on_drain(envelope, grace_s)
            case Opened():
                self._drain = None
                self._looking = True
                self.context.timers.cancel("grace")
            case GraceOver():
                for attempt in self._slots.in_hand():
                    attempt.stop(Stop.DRAINED)
            case other:
                raise TypeError(f"the pool takes no {type(other).__name__}")

    def _settle(self, done: Sequence[Attempt]) -> None:
        for attempt in done:
            if attempt.settlement is not None:
                self._settled.append(attempt)
            if isinstance(attempt.settlement, RetryAt):
                self._looking = True  # it may be due before anything else, or at once

    def _end(self, attempt: Attempt, outcome: Outcome) -> None:
        """Settle for a worker that cannot."""
        settlement = decide(
            attempt.claimed,
            outcome,
            policy=self._policy,
            random=self._random(),
            execution_s=0.0,
            worker_id=self._node,
        )
        attempt.end(settlement, 0.0)
        self._settle([attempt])
        if isinstance(settlement, Back):
            self._hint(attempt.claimed.row.queue_name)

    def _settle_or_return(self, attempts: Sequence[Attempt]) -> None:
        """What is done is settled, what was taken back goes back to the store."""
        for attempt in attempts:
            if attempt.done:
                self._settle([attempt])
            else:
                self._end(attempt, Stopped(why=attempt.stopped or Stop.DRAINED))

    def _on_ready(self, worker: Ref[Run], life: int) -> None:
        for attempt in self._slots.arrive(worker, life):
            if attempt.done or attempt.began_s is None:
                self._settle_or_return([attempt])
            else:
                # The worker died with it. That counts as an attempt, so that a task that
                # kills workers comes to an end.
                self._end(attempt, Raised(error="its worker died"))

    def _cancel(self, task_id: UUID, lease: int) -> None:
        for attempt in (*self._slots.in_hand(), *self._slots.waiting):
            claimed = attempt.claimed
            if claimed.lease == lease and claimed.row.task_id == task_id:
                attempt.stop(Stop.CANCELLED)

    def _on_drain(self, envelope: Envelope, grace_s: float) -> None:
        self._drain = envelope
        self._settle_or_return(self._slots.drain())
        self.context.timers.after("grace", grace_s, GraceOver())

    # -- the store ----------------------------------------------------------------------

    async def _meet_store(self) -> None:
        """Raises one of `STORE_TROUBLE`; what was to be settled is then offered again."""
        if self._only == frozenset() or self._claimer.was_given_up:
            return  # it works nothing here; or is about to be stopped, after the membership
        if not self._claimer.has_joined:
            await self._claimer.join()
        if self._doubtful:
            await self._compare_leases()
        await self._exchange()

    async def _compare_leases(self) -> None:
        with_us = (*self._slots.in_hand(), *self._slots.waiting, *self._settled)
        by_lease = {attempt.claimed.lease: attempt for attempt in with_us}
        for lease in await self._claimer.reconcile(by_lease):
            by_lease[lease].stop(Stop.CANCELLED)
        rescued = await self._claimer.rescue(RESCUE_MAX)
        for task in rescued:
            self._end(Attempt(task), Raised(error="node lost"))
        self._doubtful = len(rescued) == RESCUE_MAX

    async def _exchange(self) -> None:
        """Until nothing is left to settle, and either no worker is free or no queue is ready."""
        self._deal()
        while True:
            claims = self._claims()
            if claims is None and not self._settled and not self._looking:
                return
            settled, self._settled = self._settled, []
            settlements = [a.settlement for a in settled if a.settlement is not None]
            request = Exchange(settlements=settlements, claims=claims, survey=self._looking)
            self._looking = False
            try:
                answer = await self._store.ask(request, timeout_s=STORE_TIMEOUT_S)
            except STORE_TROUBLE:
                self._settled = settled + self._settled
                raise
            if claims is not None:
                self._claimer.take_back(claims, answer.claimed)
            self._herald.announce(settled, answer.refused, self._now())
            self._slots.take_in(answer.claimed)
            self._learn(answer, claims)
            self._deal()

    def _claims(self) -> Claims | None:
        task_types = self._handlers.task_types
        if self._looking:
            for name in self._known:
                self._hint(name)
        if not task_types:
            self._hints.clear()  # whoever registers one has it look around
        room = self._slots.room
        if not room or not self._hints or not task_types or self._drain is not None:
            return None
        names = list(self._hints)[:room]
        share, extra = divmod(room, len(names))
        queues: list[Claim] = []
        for place, name in enumerate(names):
            queues.append(Claim(queue_name=name, limit=share + (place < extra)))
            # To the back of the line, which makes it round-robin.
            del self._hints[name]
            self._hints[name] = None
        return Claims(
            node=self._node,
            first_lease=self._claimer.offer(room),
            task_types=task_types,
            queues=queues,
        )

    def _publish(self, events: Sequence[JobEvent]) -> None:
        hint(self._events, Publish(events=events))

    def _deal(self) -> None:
        """Hand what waits to the free workers."""
        for worker, attempts in self._slots.deal():
            try:
                worker.tell_nowait(Run(attempts=attempts, life=self._slots.life_of(worker)))
            except (ActorStopped, MailboxFull):
                for attempt in self._slots.undeal(worker):
                    self._end(attempt, Stopped(why=Stop.DRAINED))
            else:
                if self._listeners.wants(EVENT_JOB_SUBMITTED):
                    self._publish([submitted(attempt) for attempt in attempts])
        self._watch_workers()

    def _watch_workers(self) -> None:
        if self._slots.crowded and not self._watching:
            self._watching = True
            self.context.timers.after("workers", RECALL_S, LookAtWorkers())

    def _learn(self, answer: Exchanged, claims: Claims | None) -> None:
        """Where to look next, and when."""
        for claim in claims.queues if claims is not None else ():
            if claim.queue_name not in answer.more:
                self._hints.pop(claim.queue_name, None)
        if answer.survey is not None:
            known = frozenset(answer.survey.queues)
            for name in self._hints.keys() - known:  # nothing there is live any more
                del self._hints[name]
            for name in known - self._known:
                self._hint(name)
            self._known = known
            self._set_alarm(answer.survey.next_due_s)

    def _hint(self, name: str) -> None:
        if self._only is None or name in self._only:
            self._hints.setdefault(name)

    def _set_alarm(self, next_due_s: float | None) -> None:
        """Look around when the next delayed task is due; the poll covers what is far."""
        if next_due_s is None or next_due_s >= self._poll_interval_s:
            return
        self.context.timers.after("due", next_due_s, LookAround())
