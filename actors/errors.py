"""What a queue's user can be told. Each error builds its sentence and keeps the facts."""

from uuid import UUID

from ..runtime import Unrecoverable


class QueueNotRunning(RuntimeError):
    """The queue was used outside its scope: the caller's fault. `queue` is its name."""

    def __init__(self, queue: str) -> None:
        super().__init__(
            f"the {queue} queue is not running. Run it in one of three ways: "
            "`async with queue:`; `await tg.start(queue.run)` in a task group; or as a child "
            "of your own supervisor, with `queue.child_spec()`"
        )
        self.queue = queue


class NodeSuperseded(Unrecoverable, RuntimeError):
    """Another process has joined under this node's name. `node` is the name."""

    def __init__(self, node: str) -> None:
        super().__init__(
            f"another process works on this store as {node!r}, so this one stops. For several "
            "at once, set enable_clustering and give each its own cluster_id (or none)"
        )
        self.node = node


class UnknownTask(LookupError):
    """No task has this id: it never had one, or its outcome is no longer kept."""

    def __init__(self, task_id: UUID) -> None:
        super().__init__(
            f"no task {task_id} is known here: it was never enqueued, or its result has expired"
        )
        self.task_id = task_id


class DuplicateJob(ValueError):
    """There is a schedule of this id already; nothing was changed: the caller's fault."""

    def __init__(self, job_id: UUID) -> None:
        super().__init__(
            f"there is a job {job_id} already; give replace_existing=True to change it to this, or "
            "another task_id"
        )
        self.job_id = job_id


class JobContested(RuntimeError):
    """Others changed this job each time it was about to be changed: try again.

    Nothing was changed. `job_id` is the job, `tries` how often it was tried.
    """

    def __init__(self, job_id: UUID, tries: int) -> None:
        super().__init__(
            f"job {job_id} was changed by others each of {tries} times that it was about to be "
            "changed here; nothing was changed, try again"
        )
        self.job_id = job_id
        self.tries = tries


class QueueFull(RuntimeError):
    """The queue holds as many tasks as it may; nothing was stored.

    Attributes: `queue`, `limit`, `current`, `wanted`, all in tasks.
    """

    def __init__(self, queue: str, limit: int, current: int, wanted: int) -> None:
        super().__init__(
            f"queue {queue!r} holds {current} tasks of at most {limit} and cannot take {wanted} "
            "more; raise max_tasks_per_queue, or let enqueue wait with when_full='wait'"
        )
        self.queue = queue
        self.limit = limit
        self.current = current
        self.wanted = wanted


class MemoryLimitExceeded(RuntimeError):
    """The payloads of all queues take as much memory as they may; nothing was stored.

    Attributes: `queue`, `limit`, `current`, `wanted`, all in bytes of encoded payload.
    """

    def __init__(self, queue: str, limit: int, current: int, wanted: int) -> None:
        super().__init__(
            f"payloads take {current} of at most {limit} bytes, and queue {queue!r} cannot take "
            f"{wanted} more; raise max_memory_usage, or let enqueue wait with when_full='wait'"
        )
        self.queue = queue
        self.limit = limit
        self.current = current
        self.wanted = wanted


class RateLimitExceeded(RuntimeError):
    """The queue takes so many tasks a second and no more; nothing was stored.

    Attributes: `queue`, `limit` (tasks a second), `current` (tasks that it could take now),
    `wanted` (tasks).
    """

    def __init__(self, queue: str, limit: float, current: int, wanted: int) -> None:
        super().__init__(
            f"queue {queue!r} takes {limit:g} tasks a second; it could take {current} now, not "
            f"{wanted}; raise rate_limit_per_second, or let enqueue wait with when_full='wait'"
        )
        self.queue = queue
        self.limit = limit
        self.current = current
        self.wanted = wanted
