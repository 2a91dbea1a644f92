"""What can be asked of a store: closed unions, one named constructor per transition.

Rules:
- A settlement is fenced by `(task_id, lease)` and nothing else. Where the lease is not the
  task's current one, the owner has changed and the settlement is refused.
- A schedule is changed and fired by who knows its version, and nobody else.
- Seconds are counted from the store's present instant by the store's clock.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from ._record import record
from .records import ScheduleRow, TaskRow
from .task import TaskStatus
from .transitions import LIVE

# --- settle: how an attempt ended --------------------------------------------------------


@record
class Done:
    """Completed. The task leaves the live ones and `result` (JSON) is kept `result_ttl_s`."""

    task_id: UUID
    lease: int
    result: bytes
    execution_s: float
    worker_id: str


@record
class RetryAt:
    """Failed, to be tried again `delay_s` from now: `retry_count` + 1, the lease cleared."""

    task_id: UUID
    lease: int
    delay_s: float
    error: str
    execution_s: float
    worker_id: str


@record
class Dead:
    """Failed for good. The task becomes a dead letter, kept `dead_letter_ttl_s`."""

    task_id: UUID
    lease: int
    error: str
    execution_s: float
    worker_id: str


@record
class Back:
    """Handed back unfinished. It is no attempt, and the task takes its old place in line."""

    task_id: UUID
    lease: int


@record
class Cancelled:
    """Ended by its owner's cancel. The task leaves the live ones with a cancelled result."""

    task_id: UUID
    lease: int
    error: str | None
    execution_s: float
    worker_id: str


Settlement = Done | RetryAt | Dead | Back | Cancelled

# --- claim ---------------------------------------------------------------------------------


@record
class Claim:
    """Up to `limit` (0 or more) ready tasks of one queue."""

    queue_name: str
    limit: int


@record
class Claims:
    """All that one pool asks for in one exchange.

    The tasks claimed get the leases `first_lease`, `first_lease + 1`, ... in the order in
    which they are returned; the claimer never uses a number twice (see `lease`). A task
    whose type is not in `task_types` (None: any) is passed over and blocks nobody.
    """

    node: str
    first_lease: int
    task_types: frozenset[str] | None
    queues: Sequence[Claim]


# --- heartbeat -------------------------------------------------------------------------------


@record
class Beat:
    """`node` lives, under this incarnation."""

    node: str
    incarnation: int


# --- edit ------------------------------------------------------------------------------------


@record
class CancelTask:
    """End a live task. Waiting: it never runs. Running: its lease is void from now on.

    The outcome names the holder, who is to be told to stop.
    """

    task_id: UUID


@record
class PauseTask:
    """Hold a waiting task back until it is resumed. A running one is not paused."""

    task_id: UUID


@record
class ResumeTask:
    """Put a paused task back into its old place in line."""

    task_id: UUID


@record
class ReviseTask:
    """Change a task that waits or is paused, in what is not None.

    `run_at` in the past means due now. It keeps its place in the order of adding, its `delay_s`
    and its `scheduled_at`. Not applied to a running task, and not where a live task of the new
    queue holds its `unique_key`. The outcome names the queue where it is now.
    """

    task_id: UUID
    queue_name: str | None = None
    payload: bytes | None = None
    priority: int | None = None
    run_at: datetime | None = None


@record
class RequeueDead:
    """Give a dead letter a new life, due now: same id, `retry_count` 0.

    Not applied where a live task of the queue holds its `unique_key`.
    """

    task_id: UUID


@record
class RequeueDeadLetters:
    """`RequeueDead` for up to `limit`, oldest first, of one queue or (None) of all.

    Those whose `unique_key` is taken are passed over, and do not count towards `limit`; of several
    with one key, the oldest comes back. The outcome's `queue_name` is the one asked for, also when
    the count is 0. For all of them: until the count is 0.
    """

    queue_name: str | None
    limit: int


@record
class PauseQueue:
    """Claims of the queue get nothing from now on. The name need not hold a task."""

    queue_name: str


@record
class ResumeQueue:
    """Undo `PauseQueue`."""

    queue_name: str


Change = (
    CancelTask
    | PauseTask
    | ResumeTask
    | ReviseTask
    | RequeueDead
    | RequeueDeadLetters
    | PauseQueue
    | ResumeQueue
)

# --- schedules -------------------------------------------------------------------------------


@record
class AddSchedule:
    """Take a new schedule. Not applied where there is one of its `job_id`."""

    row: ScheduleRow


@record
class ReplaceSchedule:
    """Put `row` in the place of the schedule of its `job_id`, whose version becomes one more.

    Not applied unless the schedule is there and at this version.
    """

    row: ScheduleRow
    version: int


@record
class RemoveSchedule:
    """Forget a schedule, whatever its version. Its live tasks stay. Not applied where none is."""

    job_id: UUID


ScheduleChange = AddSchedule | ReplaceSchedule | RemoveSchedule


@record
class Fire:
    """Move a schedule on to `next_run_at` (None: it has ended, and is removed) and add its runs.

    `rows` are the runs due, each with this `job_id`; there may be none. With `instances_max`,
    none of them is added once so many live tasks are runs of the schedule, in whatever status;
    one less, and all of them are. `goes_on`: more are due than these. Where these
    were added, whoever fires the rest is told so, as these shall not count against it.
    """

    job_id: UUID
    version: int
    next_run_at: datetime | None
    rows: Sequence[TaskRow]
    instances_max: int | None = None
    goes_on: bool = False


# --- find --------------------------------------------------------------------------------------


@record
class ByIds:
    """These tasks, wherever they are, in the order asked; unknown ids are left out."""

    task_ids: Sequence[UUID]


@record
class LiveTasks:
    """Live tasks of one queue or (None) of all, in the order added."""

    queue_name: str | None
    limit: int
    statuses: frozenset[TaskStatus] = LIVE


@record
class DeadLetters:
    """Dead letters of one queue or (None) of all, the last to die first."""

    queue_name: str | None
    limit: int


Query = ByIds | LiveTasks | DeadLetters

# --- purge -------------------------------------------------------------------------------------


@record
class PurgeWaiting:
    """Live tasks of one queue that are not running. They leave no trace."""

    queue_name: str


@record
class PurgeDeadLetters:
    """Dead letters of one queue or (None) of all, dead for at least `older_than_s`."""

    queue_name: str | None
    older_than_s: float = 0.0


@record
class PurgeResults:
    """Results at least `older_than_s` old."""

    older_than_s: float = 0.0


@record
class PurgeExpired:
    """Results and dead letters past their time to live."""


Purge = PurgeWaiting | PurgeDeadLetters | PurgeResults | PurgeExpired
