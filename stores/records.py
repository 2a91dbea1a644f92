"""The rows: what goes into a store and what comes out.

Rules:
- A `TaskRow` is what the caller asked for, and only `ReviseTask` puts another in its place; what
  happens to the task (attempts, lease, times) is kept beside it.
- Payloads, tags and results are JSON bytes here. `codec` is the way from and to `TaskData`.
- Datetimes are aware UTC, by the store's clock unless said otherwise.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from ._record import record
from .task import TaskStatus


@record
class TaskRow:
    """One task as it is added. `codec.encode_task` makes it, validated.

    `created_at` is by the producer's clock. `retry_count` is where counting starts.
    `trace` is the tracing context of whoever enqueued; the store only carries it. `job_id` is the
    schedule whose run this is; it need not be there any more.
    """

    task_id: UUID
    task_type: str
    queue_name: str
    payload: bytes
    priority: int
    max_retries: int
    retry_count: int
    retry_delay_s: float
    delay_s: float
    scheduled_at: datetime | None
    timeout_s: float | None
    created_at: datetime
    tags: bytes
    unique_key: str | None
    trace: str | None = None
    job_id: UUID | None = None


@record
class Added:
    """The task is stored and live."""


@record
class AlreadyKnown:
    """The id is live, among the results or among the dead letters; nothing changed.

    This is what a repeated `add` gets, so that a producer that lost the answer may ask
    again for as long as the outcome is kept.
    """


@record
class UniqueTaken:
    """Another live task of the queue holds the row's `unique_key`; nothing changed."""

    live_task_id: UUID


AddOutcome = Added | AlreadyKnown | UniqueTaken


@record
class ScheduleRow:
    """One schedule as it is planned.

    `task` (JSON) is what its runs are made of and `trigger` (JSON text) says when they are; the
    store reads neither. `queue_name` is where its runs go. `next_run_at` is when it is due; None
    while it is paused: nothing is planned. `misfire_grace_s` (None: any lateness will do),
    `coalesce` and `instances_max` are for whoever fires it. `created_at` is by the planner's clock.
    """

    job_id: UUID
    name: str
    queue_name: str
    task: bytes
    trigger: str
    next_run_at: datetime | None
    misfire_grace_s: float | None
    coalesce: bool
    instances_max: int
    created_at: datetime


@record
class ScheduleView:
    """A schedule as it stands.

    `version` is what a `ReplaceSchedule` or `Fire` must know. `number` counts schedules in the
    order added, and stays. `goes_on`: its next run is
    one that was due already when a `Fire` added those before it.
    """

    row: ScheduleRow
    version: int
    number: int
    goes_on: bool = False


@record
class Fired:
    """The schedule has moved on, and its runs were added: one outcome per row, in order."""

    outcomes: Sequence[AddOutcome]


@record
class InstancesFull:
    """The schedule has moved on without a run: `live` of them are there, as many as may be."""

    live: int


@record
class Overtaken:
    """The schedule is at another version, gone, or in somebody's hands; nothing changed."""


FireOutcome = Fired | InstancesFull | Overtaken


@record
class ClaimedTask:
    """A task that is now the claimer's, until it settles or the lease is taken away."""

    row: TaskRow
    lease: int
    retry_count: int
    run_at: datetime
    started_at: datetime

    @property
    def attempt(self) -> int:
        """1 for the first. A hand-back gives its number back."""
        return self.retry_count + 1


@record
class Holder:
    """Who has a lease on a task."""

    task_id: UUID
    node: str
    lease: int


@record
class NodeView:
    """A node that has joined. `silent_s`: the age of its last heartbeat, by the store's clock.

    `alive` is the store's judgement; a node without a `beat_s` is never judged dead.
    """

    node: str
    incarnation: int
    beat_s: float | None
    silent_s: float
    alive: bool


@record
class TaskView:
    """How a task stands, for whoever looks.

    `row` is kept while the task is live or a dead letter; of results it is None.
    `run_at` is when a live task is or was due. `started_at`, `execution_s`, `error` and
    `worker_id` are of the last attempt; `completed_at` is when it ended for good.
    `expires_at` is when a result or dead letter may be pruned.
    """

    task_id: UUID
    queue_name: str
    status: TaskStatus
    retry_count: int
    row: TaskRow | None = None
    holder: Holder | None = None
    run_at: datetime | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None
    expires_at: datetime | None = None
    execution_s: float | None = None
    result: bytes | None = None
    error: str | None = None
    worker_id: str | None = None


@record
class Counts:
    """How many of what, at one instant, in one queue or (`queue_name=None`) in all.

    `live` = `pending` (due, waiting) + `delayed` (not yet due) + `held` (paused tasks) +
    `processing`. `priorities` counts the live tasks that are not processing, by priority;
    `ready_types` the `pending` ones by task type, so that types nobody handles can be told.
    `oldest` and `newest` are `created_at` of the live tasks added first and last.
    `payload_bytes` is what live tasks and dead letters hold, encoded; `store_payload_bytes`
    the same over all queues. `paused` is the queue's flag (None: whether any queue is).
    """

    queue_name: str | None
    pending: int
    delayed: int
    held: int
    processing: int
    dead_letters: int
    priorities: Mapping[int, int]
    ready_types: Mapping[str, int]
    oldest: datetime | None
    newest: datetime | None
    paused: bool
    payload_bytes: int
    store_payload_bytes: int

    @property
    def live(self) -> int:
        """All that is neither finished nor dead."""
        return self.pending + self.delayed + self.held + self.processing
