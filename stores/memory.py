"""The memory store: the reference for what every store does, and the fastest.

Rules:
- Its calls never wait: each checks first and then changes, in one step of the event loop,
  so it is atomic without a lock. It belongs to one loop at a time.
- No call scans: what a call costs depends on what it moves, not on what waits. (`find` and `purge`
  walk what they look through; calls on nodes what runs; another queue's task has that one sorted.)
- What it keeps outlives `close`; it is gone with the object.
- Results are limited in number too: `result_cache_limit`, the oldest leave first.

>>> MemoryStore(result_cache_limit=10)
<MemoryStore closed live=0 processing=0 delayed=0 dead_letters=0 results=0>
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import islice, takewhile
from typing import Final, assert_never
from uuid import UUID

from ._memory_nodes import Nodes
from ._memory_rows import Entry, Queue, due_at_us, earlier
from ._memory_schedules import Schedules
from ._memory_table import Tables
from ._memory_views import counts_of, dead_view, ended_view, holder_of, live_view
from ._moments import microseconds
from .base import Due, Edited, Exchanged, Guarantee, Pulse, Reconciled, Survey
from .clock import StoreClock, SystemStoreClock
from .errors import StoreClosed
from .lease import first_lease, incarnation_of
from .records import (
    AddOutcome,
    ClaimedTask,
    Counts,
    FireOutcome,
    NodeView,
    ScheduleView,
    TaskRow,
    TaskView,
)
from .requests import (
    Back,
    Beat,
    ByIds,
    Cancelled,
    CancelTask,
    Change,
    Claims,
    Dead,
    DeadLetters,
    Done,
    Fire,
    LiveTasks,
    PauseQueue,
    PauseTask,
    Purge,
    PurgeDeadLetters,
    PurgeExpired,
    PurgeResults,
    PurgeWaiting,
    Query,
    RequeueDead,
    RequeueDeadLetters,
    ResumeQueue,
    ResumeTask,
    RetryAt,
    ReviseTask,
    ScheduleChange,
    Settlement,
)
from .task import TaskStatus

DAY_S: Final = 86_400.0
_NOT_APPLIED: Final = Edited(count=0)


class MemoryStore:
    """A `Store` in this process's memory."""

    guarantees: frozenset[Guarantee] = frozenset(Guarantee)

    def __init__(
        self,
        *,
        clock: StoreClock | None = None,
        result_ttl_s: float = DAY_S,
        dead_letter_ttl_s: float = 7 * DAY_S,
        result_cache_limit: int = 1000,
    ) -> None:
        self._clock = clock or SystemStoreClock()
        self._result_ttl = timedelta(seconds=result_ttl_s)
        self._dead_letter_ttl = timedelta(seconds=dead_letter_ttl_s)
        self._tables = Tables(result_cache_limit)
        self._nodes = Nodes()
        self._schedules = Schedules(self._tables)
        self._open = False

    def __repr__(self) -> str:
        tables = self._tables
        return (
            f"<MemoryStore {'open' if self._open else 'closed'} live={len(tables.live)}"
            f" processing={len(tables.running)} delayed={len(tables.delayed)}"
            f" dead_letters={len(tables.dead)} results={len(tables.results)}>"
        )

    async def open(self) -> None:
        self._open = True

    async def close(self) -> None:
        self._open = False

    def _now(self) -> datetime:
        """The store's time, asked once per call; the first thing each call does."""
        if not self._open:
            raise StoreClosed("memory")
        return self._clock.now()

    # --- nodes -----------------------------------------------------------------------------

    async def join(self, node: str, *, beat_s: float | None = None, restarted: bool = False) -> int:
        now_us = microseconds(self._now())
        incarnation = self._nodes.join(node, beat_s, now_us)
        if restarted:
            oldest_kept = first_lease(incarnation)
            self._put_back(lambda held: held.node == node and held.lease < oldest_kept, now_us)
        return incarnation

    async def leave(self, node: str, incarnation: int) -> int:
        now_us = microseconds(self._now())
        if not self._nodes.leave(node, incarnation):
            return 0
        return self._put_back(lambda held: held.node == node, now_us)

    async def heartbeat(self, beats: Sequence[Beat]) -> list[Pulse]:
        now_us = microseconds(self._now())
        return [self._nodes.beat(beat, now_us) for beat in beats]

    async def reconcile(self, node: str, incarnation: int, held: Collection[int]) -> Reconciled:
        now_us = microseconds(self._now())
        kept = {
            entry.lease
            for entry in self._tables.running.values()
            if entry.node == node and incarnation_of(entry.lease) == incarnation
        }
        orphans = kept.difference(held)
        returned = self._put_back(lambda entry: entry.lease in orphans, now_us)
        return Reconciled(void=frozenset(held) - kept, returned=returned)

    def _put_back(self, which: Callable[[Entry], bool], now_us: int) -> int:
        found = [entry for entry in self._tables.running.values() if which(entry)]
        for entry in found:
            self._tables.back(entry, now_us)
        return len(found)

    async def rescue(self, node: str, first_lease: int, limit: int) -> list[ClaimedTask]:
        now_us = microseconds(self._now())
        running, gone = self._tables.running.values(), self._nodes.is_gone
        if gone(node, first_lease, now_us):
            return []
        lost = (entry for entry in running if gone(entry.node, entry.lease, now_us))
        chosen = list(islice(lost, limit))
        rescued = [
            self._tables.hand_over(entry, node, lease)
            for lease, entry in enumerate(chosen, first_lease)
        ]
        self._nodes.forget_dead({entry.node for entry in running}, now_us)
        return rescued

    async def nodes(self) -> list[NodeView]:
        return self._nodes.views(microseconds(self._now()))

    # --- tasks -----------------------------------------------------------------------------

    async def add(self, rows: Sequence[TaskRow]) -> list[AddOutcome]:
        now = self._now()
        now_us = microseconds(now)
        add = self._tables.add
        return [add(row, now, now_us) for row in rows]

    async def exchange(
        self,
        settlements: Sequence[Settlement],
        claims: Claims | None = None,
        *,
        survey: bool = False,
    ) -> Exchanged:
        now = self._now()
        now_us = microseconds(now)
        tables = self._tables
        if claims is not None and any(claim.limit < 0 for claim in claims.queues):
            raise ValueError(f"a claim's limit must be 0 or more, got {claims.queues!r}")
        refused = [each for each in settlements if not self._settle(each, now, now_us)]
        tables.promote(now_us)
        if claims is not None and self._nodes.is_gone(claims.node, claims.first_lease, now_us):
            claims = None
        claimed: list[ClaimedTask] = []
        more: list[str] = []
        for claim in () if claims is None else claims.queues:
            assert claims is not None
            taken = tables.claim(claim, claims, claims.first_lease + len(claimed), now)
            claimed += taken
            if len(taken) < claim.limit:
                survey = True
            elif claim.limit:
                more.append(claim.queue_name)
        return Exchanged(
            claimed=claimed,
            refused=refused,
            more=frozenset(more),
            survey=self._survey(now_us) if survey else None,
        )

    def _survey(self, now_us: int) -> Survey:
        due = self._tables.delayed.first()
        return Survey(
            queues=tuple(self._tables.busy),
            next_due_s=None if due is None else max(0.0, (due_at_us(due) - now_us) / 1e6),
        )

    def _settle(self, settlement: Settlement, now: datetime, now_us: int) -> bool:
        """Whether the lease was the task's, and so the settlement was written."""
        entry = self._tables.running.get(settlement.lease)
        if entry is None or entry.row.task_id != settlement.task_id:
            return False
        match settlement:
            case Done():
                self._tables.end(entry, TaskStatus.COMPLETED, now, settlement)
            case RetryAt():
                self._tables.retry(entry, settlement, now, now_us)
            case Dead():
                self._tables.die(entry, settlement, now)
            case Back():
                self._tables.back(entry, now_us)
            case Cancelled():
                self._tables.end(entry, TaskStatus.CANCELLED, now, settlement)
            case _:
                assert_never(settlement)
        return True

    async def edit(self, changes: Sequence[Change]) -> list[Edited]:
        now = self._now()
        return [self._edit(change, now) for change in changes]

    def _edit(self, change: Change, now: datetime) -> Edited:
        tables = self._tables
        match change:
            case CancelTask(task_id=task_id):
                entry = tables.live.get(task_id.int)
                if entry is None:
                    return _NOT_APPLIED
                holder = holder_of(entry)
                tables.end(entry, TaskStatus.CANCELLED, now, entry.last)
                return Edited(count=1, queue_name=entry.queue.name, holder=holder)
            case PauseTask(task_id=task_id):
                entry = tables.live.get(task_id.int)
                if entry is None or entry.lease or entry.line is None:
                    return _NOT_APPLIED
                tables.hold(entry)
                return Edited(count=1, queue_name=entry.queue.name)
            case ResumeTask(task_id=task_id):
                entry = tables.live.get(task_id.int)
                if entry is None or entry.status is not TaskStatus.PAUSED:
                    return _NOT_APPLIED
                tables.resume(entry, microseconds(now))
                return Edited(count=1, queue_name=entry.queue.name)
            case ReviseTask(task_id=task_id):
                entry = tables.live.get(task_id.int)
                if entry is None or entry.lease or not tables.revise(entry, change, now):
                    return _NOT_APPLIED
                return Edited(count=1, queue_name=entry.queue.name)
            case RequeueDead(task_id=task_id):
                entry = tables.dead.get(task_id.int)
                if entry is None or not tables.requeue(entry, now, microseconds(now)):
                    return _NOT_APPLIED
                return Edited(count=1, queue_name=entry.queue.name)
            case RequeueDeadLetters(queue_name=name, limit=limit):
                return Edited(count=self._requeue_many(name, limit, now), queue_name=name)
            case PauseQueue(queue_name=name):
                return self._pause_queue(name)
            case ResumeQueue(queue_name=name):
                return self._resume_queue(name)
            case _:
                assert_never(change)

    def _requeue_many(self, queue_name: str | None, limit: int, now: datetime) -> int:
        now_us = microseconds(now)
        dead = self._dead_of(queue_name, self._tables.dead.values())
        chosen = list(islice((entry for entry in dead if not entry.is_key_taken), limit))
        # Two of them may share a key, so each is asked again.
        return sum(self._tables.requeue(entry, now, now_us) for entry in chosen)

    def _pause_queue(self, name: str) -> Edited:
        queue = self._tables.queues.setdefault(name, Queue(name))
        if queue.paused:
            return _NOT_APPLIED
        queue.paused = True
        return Edited(count=1, queue_name=name)

    def _resume_queue(self, name: str) -> Edited:
        queue = self._tables.queues.get(name)
        if queue is None or not queue.paused:
            return _NOT_APPLIED
        queue.paused = False
        self._tables.drop_if_idle(queue)
        return Edited(count=1, queue_name=name)

    async def find(self, query: Query) -> list[TaskView]:
        self._now()
        match query:
            case ByIds(task_ids=task_ids):
                views = (self._view(task_id) for task_id in task_ids)
                return [view for view in views if view is not None]
            case LiveTasks(queue_name=name, limit=limit, statuses=statuses):
                found = (entry for entry in self._live_of(name) if entry.status in statuses)
                return [live_view(entry) for entry in islice(found, limit)]
            case DeadLetters(queue_name=name, limit=limit):
                dead = self._dead_of(name, reversed(self._tables.dead.values()))
                return [dead_view(entry, self._dead_letter_ttl) for entry in islice(dead, limit)]
            case _:
                assert_never(query)

    def _live_of(self, queue_name: str | None) -> Iterable[Entry]:
        if queue_name is None:
            return self._tables.live.values()
        queue = self._tables.queues.get(queue_name)
        return () if queue is None else queue.live.values()

    def _dead_of(self, queue_name: str | None, dead: Iterable[Entry]) -> Iterator[Entry]:
        if queue_name is None:
            return iter(dead)
        queue = self._tables.queues.get(queue_name)
        theirs = (entry for entry in dead if entry.queue is queue)
        # All of them found: the rest of the walk would find nothing.
        return islice(theirs, 0 if queue is None else queue.dead_letters)

    def _view(self, task_id: UUID) -> TaskView | None:
        if entry := self._tables.live.get(task_id.int):
            return live_view(entry)
        if entry := self._tables.dead.get(task_id.int):
            return dead_view(entry, self._dead_letter_ttl)
        if ended := self._tables.results.get(task_id.int):
            return ended_view(task_id, ended, self._result_ttl)
        return None

    async def count(self, queue_name: str | None = None) -> Counts:
        now_us = microseconds(self._now())
        self._tables.promote(now_us)
        if queue_name is None:
            chosen: Iterable[Queue] = self._tables.queues.values()
        else:
            queue = self._tables.queues.get(queue_name)
            chosen = () if queue is None else (queue,)
        return counts_of(queue_name, chosen, self._tables.payload_bytes)

    async def queues(self) -> list[str]:
        self._now()
        return sorted(self._tables.queues)

    async def purge(self, what: Purge) -> int:
        now = self._now()
        tables = self._tables
        match what:
            case PurgeWaiting(queue_name=name):
                return tables.remove_waiting(
                    entry for entry in self._live_of(name) if not entry.lease
                )
            case PurgeDeadLetters(queue_name=name, older_than_s=older_than_s):
                dead = self._dead_of(name, tables.dead.values())
                return tables.remove_dead(_ended_by(earlier(now, older_than_s), dead))
            case PurgeResults(older_than_s=older_than_s):
                return tables.remove_results(earlier(now, older_than_s))
            case PurgeExpired():
                dead = _ended_by(now - self._dead_letter_ttl, tables.dead.values())
                return tables.remove_dead(dead) + tables.remove_results(now - self._result_ttl)
            case _:
                assert_never(what)

    # --- schedules -------------------------------------------------------------------------

    async def plan(self, changes: Sequence[ScheduleChange]) -> list[bool]:
        self._now()
        return [self._schedules.plan(change) for change in changes]

    async def due(self, limit: int, after: tuple[datetime, UUID] | None = None) -> Due:
        return self._schedules.due(self._now(), limit, after)

    async def fire(self, fires: Sequence[Fire]) -> list[FireOutcome]:
        now = self._now()
        return [self._schedules.fire(fire, now) for fire in fires]

    async def schedules(
        self, job_ids: Sequence[UUID] | None = None, *, limit: int = 1000, after: int = 0
    ) -> list[ScheduleView]:
        self._now()
        return self._schedules.find(job_ids, limit, after)


def _ended_by(moment: datetime, dead: Iterable[Entry]) -> Iterator[Entry]:
    """The dead letters, oldest first, that died at `moment` or before."""
    return takewhile(lambda entry: entry.ended_at is not None and entry.ended_at <= moment, dead)
