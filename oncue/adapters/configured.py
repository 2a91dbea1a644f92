"""The adapter that the settings name, and its one instance in this process.

Queue = import_adapter("queue")      # settings/adapters.yaml says which
queue = depends.get(Queue)           # settings/queue.yaml says how
"""

from threading import Lock
from typing import TypeVar, cast

from oncue.adapters.base import QueueBase
from oncue.adapters.installed import UnknownAdapter, adapter_of, load_adapter
from oncue.settings import read_adapter_name, read_queue_settings
from oncue.settings.errors import Problem, SettingsError, nearest
from oncue.settings.read import adapters_file

Q = TypeVar("Q", bound=QueueBase)

KINDS = ("queue",)


def import_adapter(kind: str = "queue") -> type[QueueBase]:
    """The adapter class that `settings/adapters.yaml` names for `kind`; `memory` by default.

    Reads the file at each call. Raises `SettingsError`, also for an adapter that is not
    installed; ValueError for a kind other than "queue"; ImportError when the adapter lacks a
    package.
    """
    if kind not in KINDS:
        raise ValueError(f"no kind of adapter is named {kind!r}; there is: {', '.join(KINDS)}")
    name = read_adapter_name()
    try:
        return load_adapter(name).queue_class
    except UnknownAdapter as error:
        problem = Problem(
            source=str(adapters_file()),
            key=kind,
            message=str(error),
            nearest=nearest(name, error.installed),
        )
        raise SettingsError([problem]) from error


class Depends:
    """Who depends on a queue gets the process's own: one instance for each adapter class."""

    def __init__(self) -> None:
        self._instances: dict[type[QueueBase], QueueBase] = {}
        self._lock = Lock()

    def get(self, queue_class: type[Q]) -> Q:
        """The instance, made from `settings/queue.yaml` and the environment at the first call.

        It is not running yet: run it in one of the three ways. Raises `SettingsError`, and
        ValueError for a class that is no installed adapter's.
        """
        with self._lock:
            queue = self._instances.get(queue_class)
            if queue is None:
                adapter = adapter_of(queue_class)
                queue = adapter.make(read_queue_settings(adapter.metadata.settings))
                self._instances[queue_class] = queue
        return cast(Q, queue)

    def clear(self) -> None:
        """Forget the instances; the next `get` reads the settings anew. What runs, runs on."""
        with self._lock:
            self._instances.clear()

    def __repr__(self) -> str:
        return f"<depends, {len(self._instances)} instances>"


depends = Depends()
"""The process's instances. SPEC asks for this one registry; all else is passed to who needs it."""
