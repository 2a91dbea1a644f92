"""What a queue's user can be told. Each error builds its sentence and keeps the facts."""

from uuid import UUID


class QueueNotRunning(RuntimeError):
    """The queue was used outside its scope: the caller's fault. `queue` is its name."""

    def __init__(self, queue: str) -> None:
        super().__init__(
            f"the {queue} queue is not running. Run it in one of three ways: "
            "`async with queue:`; `await tg.start(queue.run)` in a task group; or as a child "
            "of your own supervisor, with `queue.child_spec()`"
        )
        self.queue = queue


class UnknownTask(LookupError):
    """No task has this id: it never had one, or its outcome is no longer kept."""

    def __init__(self, task_id: UUID) -> None:
        super().__init__(
            f"no task {task_id} is known here: it was never enqueued, or its result has expired"
        )
        self.task_id = task_id
