"""The memory store's tables and the moves between them.

Rules:
- A task is in one of three tables: live, dead letters, results.
- One method per move; each leaves every figure right. None can fail half-way.
- Tables are keyed by an id's integer, which C hashes; a UUID hashes in Python, at a call a look.
- `now` comes from the caller, once per transaction, with its microseconds.
"""

from collections import Counter, OrderedDict
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Final
from uuid import UUID

from ._line import Line
from ._memory_rows import Ended, Entry, Queue, due_at_us, later
from ._moments import microseconds
from .records import Added, AddOutcome, AlreadyKnown, ClaimedTask, TaskRow, UniqueTaken
from .requests import Cancelled, Claim, Claims, Dead, Done, RetryAt, ReviseTask
from .task import TaskStatus

# How many delayed tasks one call moves to their queues. A million due at one instant would
# otherwise stop the event loop for seconds; as it is, `next_due_s` is 0 until all are in.
PROMOTIONS_MAX: Final = 10_000

_ADDED: Final = Added()
_ALREADY_KNOWN: Final = AlreadyKnown()


class Tables:
    """All that a memory store holds."""

    def __init__(self, result_cache_limit: int) -> None:
        self.queues: dict[str, Queue] = {}
        self.busy: dict[str, None] = {}  # the names with live tasks
        self.live: dict[int, Entry] = {}
        self.running: dict[int, Entry] = {}  # by lease
        self.delayed: Line[Entry] = Line()
        self.dead: OrderedDict[int, Entry] = OrderedDict()  # oldest first
        self.results: OrderedDict[int, Ended] = OrderedDict()  # oldest first
        self.runs = Counter[UUID]()  # live tasks by job
        self.payload_bytes = 0
        self._result_cache_limit = result_cache_limit
        self._number = 0

    # --- into and out of the live table ---------------------------------------------------

    def add(self, row: TaskRow, now: datetime, now_us: int) -> AddOutcome:
        """Take a new task, unless its id is known or its unique key taken."""
        task_id = row.task_id.int
        if task_id in self.live or task_id in self.results or task_id in self.dead:
            return _ALREADY_KNOWN
        queue = self.queues.get(row.queue_name)
        if queue is None:
            queue = self.queues[row.queue_name] = Queue(row.queue_name)
        elif row.unique_key is not None and row.unique_key in queue.unique:
            return UniqueTaken(live_task_id=queue.unique[row.unique_key])
        size = len(row.payload)
        queue.payload_bytes += size
        self.payload_bytes += size
        run_at, run_at_us = now, now_us
        if row.delay_s > 0:
            run_at = later(now, row.delay_s)
        if row.scheduled_at is not None and row.scheduled_at > run_at:
            run_at = row.scheduled_at
        if run_at is not now:
            run_at_us = microseconds(run_at)
        self._enter(Entry(row, queue), run_at, run_at_us, now_us)
        return _ADDED

    def _enter(self, entry: Entry, run_at: datetime, run_at_us: int, now_us: int) -> None:
        row = entry.row
        self._number = entry.number = self._number + 1
        entry.schedule(run_at, run_at_us)
        self.live[row.task_id.int] = entry
        self._into_queue(entry)
        if row.job_id is not None:
            self.runs[row.job_id] += 1
        entry.queue.count_waiting(row.priority, 1)
        self._stand(entry, now_us)

    def _leave(self, entry: Entry) -> None:
        row, queue = entry.row, entry.queue
        if entry.lease:
            self._release(entry)
        else:
            self._step_out(entry)
            queue.count_waiting(row.priority, -1)
        del self.live[row.task_id.int]
        self._out_of_queue(entry)
        if row.job_id is not None:
            self.runs[row.job_id] -= 1
            if not self.runs[row.job_id]:
                del self.runs[row.job_id]

    def _into_queue(self, entry: Entry) -> None:
        row, queue = entry.row, entry.queue
        if not queue.live:
            self.busy[queue.name] = None
        queue.live[entry.number] = entry
        if row.unique_key is not None:
            queue.unique[row.unique_key] = row.task_id

    def _out_of_queue(self, entry: Entry) -> None:
        row, queue = entry.row, entry.queue
        del queue.live[entry.number]
        if not queue.live:
            del self.busy[queue.name]
        if row.unique_key is not None:
            del queue.unique[row.unique_key]

    def _forget(self, entry: Entry) -> None:
        """Let go of the row of a task that is neither live nor dead any more."""
        queue, size = entry.queue, len(entry.row.payload)
        queue.payload_bytes -= size
        self.payload_bytes -= size
        self.drop_if_idle(queue)

    def drop_if_idle(self, queue: Queue) -> None:
        """Names come and go without end; what they leave behind must not."""
        if queue.is_idle:
            del self.queues[queue.name]

    # --- in and out of line -----------------------------------------------------------------

    def _stand(self, entry: Entry, now_us: int) -> None:
        if due_at_us(entry.due) > now_us:
            entry.line = self.delayed
            self.delayed.put(entry.due, entry)
            entry.queue.delayed += 1
        else:
            entry.queue.stand(entry)

    def _step_out(self, entry: Entry) -> None:
        line, queue = entry.line, entry.queue
        if line is None:
            queue.held -= 1
        elif line is self.delayed:
            line.leave(entry.due)
            queue.delayed -= 1
        else:
            line.leave(entry.order)
            if not line:
                del queue.lanes[entry.row.task_type]
        entry.line = None

    def promote(self, now_us: int) -> None:
        """Move delayed tasks that are due by now to their queues' lanes."""
        delayed, left = self.delayed, PROMOTIONS_MAX
        while left and (due := delayed.first()) is not None and due_at_us(due) <= now_us:
            [entry] = delayed.pop(1)
            entry.queue.delayed -= 1
            entry.queue.stand(entry)
            left -= 1

    # --- running ----------------------------------------------------------------------------

    def claim(self, claim: Claim, claims: Claims, lease: int, now: datetime) -> list[ClaimedTask]:
        """Give the claimer what it asks of one queue, leases counting from `lease`."""
        queue = self.queues.get(claim.queue_name)
        if queue is None or queue.paused:
            return []
        taken = queue.take(claim.limit, claims.task_types)
        node, claimed = claims.node, list[ClaimedTask]()
        for entry in taken:
            entry.line = None
            entry.started_at = now
            queue.count_waiting(entry.row.priority, -1)
            claimed.append(self.hand_over(entry, node, lease))
            lease += 1
        queue.processing += len(taken)
        return claimed

    def hand_over(self, entry: Entry, node: str, lease: int) -> ClaimedTask:
        """Make it `node`'s, whoever had it; `started_at` must be set."""
        assert entry.started_at is not None
        if entry.lease:
            del self.running[entry.lease]
        self.running[lease] = entry
        entry.node = node
        entry.lease = lease
        return ClaimedTask(
            row=entry.row,
            lease=lease,
            retry_count=entry.retry_count,
            run_at=entry.run_at,
            started_at=entry.started_at,
        )

    def _release(self, entry: Entry) -> None:
        """Void the lease; the entry stands nowhere and is not counted as waiting yet."""
        del self.running[entry.lease]
        entry.lease = 0
        entry.queue.processing -= 1

    def back(self, entry: Entry, now_us: int) -> None:
        """From running to where it stood before."""
        self._release(entry)
        entry.queue.count_waiting(entry.row.priority, 1)
        self._stand(entry, now_us)

    def retry(self, entry: Entry, failed: RetryAt, now: datetime, now_us: int) -> None:
        """From running to waiting for the next attempt."""
        entry.retry_count += 1
        entry.last = failed
        run_at = later(now, failed.delay_s)
        entry.schedule(run_at, microseconds(run_at))
        self.back(entry, now_us)

    # --- paused ----------------------------------------------------------------------------

    def hold(self, entry: Entry) -> None:
        """From waiting to paused."""
        self._step_out(entry)
        entry.queue.held += 1

    def resume(self, entry: Entry, now_us: int) -> None:
        """From paused to where it stood before."""
        entry.queue.held -= 1
        self._stand(entry, now_us)

    def revise(self, entry: Entry, change: ReviseTask, now: datetime) -> bool:
        """What waits or is paused becomes another, unless its key is taken in its new queue."""
        row = _revised(entry.row, change)
        queue = self.queues.get(row.queue_name) or Queue(row.queue_name)
        moves, is_held = queue is not entry.queue, entry.line is None
        if moves and row.unique_key in queue.unique:
            return False
        self._step_out(entry)
        entry.queue.count_waiting(entry.row.priority, -1)
        if moves:
            self._out_of_queue(entry)
        self._forget(entry)
        entry.row, entry.queue = row, queue
        queue.payload_bytes += len(row.payload)
        self.payload_bytes += len(row.payload)
        if moves:
            self.queues[queue.name] = queue
            self._into_queue(entry)
            queue.live = OrderedDict(sorted(queue.live.items()))
        run_at = entry.run_at if change.run_at is None else max(change.run_at, now)
        entry.schedule(run_at, microseconds(run_at))
        queue.count_waiting(row.priority, 1)
        if is_held:
            queue.held += 1
        else:
            self._stand(entry, microseconds(now))
        return True

    # --- ended -------------------------------------------------------------------------------

    def end(
        self,
        entry: Entry,
        status: TaskStatus,
        now: datetime,
        last: Done | Cancelled | RetryAt | Dead | None,
    ) -> None:
        """From live to a result."""
        self._leave(entry)
        self._forget(entry)
        self.results[entry.row.task_id.int] = Ended(entry, status, now, last)
        if len(self.results) > self._result_cache_limit:
            self.results.popitem(last=False)

    def die(self, entry: Entry, failed: Dead, now: datetime) -> None:
        """From running to a dead letter."""
        self._leave(entry)
        entry.last = failed
        entry.ended_at = now
        entry.queue.dead_letters += 1
        self.dead[entry.row.task_id.int] = entry

    def requeue(self, entry: Entry, now: datetime, now_us: int) -> bool:
        """From a dead letter to a new life, unless its unique key is taken."""
        if entry.is_key_taken:
            return False
        del self.dead[entry.row.task_id.int]
        entry.queue.dead_letters -= 1
        entry.retry_count = 0
        entry.last = entry.started_at = entry.ended_at = None
        self._enter(entry, now, now_us, now_us)
        return True

    # --- gone ----------------------------------------------------------------------------------

    def remove_waiting(self, entries: Iterable[Entry]) -> int:
        """Live tasks that do not run, without a trace. Returns how many."""
        removed = list(entries)
        for entry in removed:
            self._leave(entry)
            self._forget(entry)
        return len(removed)

    def remove_dead(self, entries: Iterable[Entry]) -> int:
        """Dead letters. Returns how many."""
        removed = list(entries)
        for entry in removed:
            del self.dead[entry.row.task_id.int]
            entry.queue.dead_letters -= 1
            self._forget(entry)
        return len(removed)

    def remove_results(self, ended_by: datetime) -> int:
        """Results that ended at `ended_by` or before. Returns how many."""
        results, before = self.results, len(self.results)
        while results and next(iter(results.values())).ended_at <= ended_by:
            results.popitem(last=False)
        return before - len(results)


def _revised(row: TaskRow, change: ReviseTask) -> TaskRow:
    return replace(
        row,
        queue_name=row.queue_name if change.queue_name is None else change.queue_name,
        payload=row.payload if change.payload is None else change.payload,
        priority=row.priority if change.priority is None else change.priority,
    )
