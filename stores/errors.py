"""What a store's caller can be told. Each error builds its sentence and keeps the facts."""

from uuid import UUID


class DuplicateTask(ValueError):
    """A live task of the same queue holds the unique key: the caller's fault.

    `live_task_id` is that task.
    """

    def __init__(self, *, queue_name: str, unique_key: str, live_task_id: UUID) -> None:
        super().__init__(
            f"queue {queue_name!r} already has a live task with unique_key {unique_key!r}: "
            f"{live_task_id}"
        )
        self.queue_name = queue_name
        self.unique_key = unique_key
        self.live_task_id = live_task_id


class StoreUnavailable(RuntimeError):
    """The store could not be reached or did not answer: the world's fault.

    The driver's error is the `__cause__`. What the failed call did is unknown: all of it or
    nothing (without `Guarantee.WHOLE_CALLS`, perhaps a part). `add` may be repeated with the same
    ids, `exchange` with the same settlements (those already applied come back as refused).
    """

    def __init__(self, store: str, doing: str) -> None:
        super().__init__(f"the {store} store is unavailable ({doing})")
        self.store = store
        self.doing = doing


class StoreBusy(StoreUnavailable):
    """A lock was not had in time, as somebody else's open transaction holds it. Nothing was done:
    the same call may do it later, and another one now."""


class StoreClosed(RuntimeError):
    """The store was used before `open` or after `close`: the caller's fault."""

    def __init__(self, store: str) -> None:
        super().__init__(f"the {store} store is not open; call its open() first")
        self.store = store
