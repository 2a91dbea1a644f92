"""The queue adapters, and the direct way to one: `open_queue`."""

from typing import Any

from oncue.adapters.base import QueueBase


def open_queue(where: str, **settings: Any) -> QueueBase:
    """A queue that is not running yet: `open_queue("memory", max_workers=4)`.

    Raises ValueError for an unknown adapter, and for an unknown or ill-typed setting.
    """
    if where == "memory":
        from oncue.adapters.memory import open_memory_queue

        return open_memory_queue(**settings)
    raise ValueError(f"no queue adapter is named {where!r}; there is: memory")
