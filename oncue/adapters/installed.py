"""The installed adapters: the modules of the entry-point group `oncue.queues`.

A distribution brings an adapter with two lines of its pyproject.toml:

    [project.entry-points."oncue.queues"]
    redis = "oncue_redis.queue"

That module exports `MODULE_METADATA`, a `QueueMetadata`, and `Queue`, the adapter's class: a
`QueueBase` that is made from one argument, an instance of the metadata's settings class. It
loads no driver when it is imported.
"""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, PackageNotFoundError, entry_points, version
from typing import Any, TypeGuard, cast

from oncue.adapters.base import QueueBase
from oncue.adapters.metadata import QueueMetadata
from oncue.settings.errors import nearest

GROUP = "oncue.queues"


class UnknownAdapter(ValueError):
    """No installed adapter has that name. `installed` lists those that there are."""

    def __init__(self, name: str, installed: tuple[str, ...]) -> None:
        near = nearest(name, installed)
        hint = f"; the nearest is {near}" if near else ""
        super().__init__(
            f"no queue adapter is named {name!r}{hint}; installed: {', '.join(installed) or 'none'}"
        )
        self.name = name
        self.installed = installed


class UnknownScheme(ValueError):
    """No installed adapter takes URLs of this scheme. `known` lists the schemes taken.

    `unavailable` are the errors of adapters that could not be asked.
    """

    def __init__(
        self, scheme: str, known: tuple[str, ...], unavailable: tuple[ImportError, ...] = ()
    ) -> None:
        super().__init__(
            f"no installed queue adapter takes {scheme}:// URLs; "
            f"schemes taken: {', '.join(known) or 'none'}"
            + "".join(f"; not asked: {error}" for error in unavailable)
        )
        self.scheme = scheme
        self.known = known
        self.unavailable = unavailable


class AdapterUnavailable(ImportError):
    """The adapter is installed, but what it needs is not. `missing` names distributions."""

    def __init__(self, adapter: str, missing: tuple[str, ...]) -> None:
        super().__init__(
            f"the {adapter} adapter needs {', '.join(missing)}: pip install {' '.join(missing)}"
        )
        self.adapter = adapter
        self.missing = missing


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapter:
    """An adapter, loaded: its class, and what it says of itself."""

    name: str
    queue_class: type[QueueBase]
    metadata: QueueMetadata

    def make(self, settings: Any) -> QueueBase:
        """A queue that is not running yet."""
        return cast(Callable[[Any], QueueBase], self.queue_class)(settings)


def installed_adapters() -> Mapping[str, EntryPoint]:
    """Every installed adapter by name, not loaded. Raises ValueError when two share a name."""
    found: dict[str, EntryPoint] = {}
    for point in entry_points(group=GROUP):
        other = found.setdefault(point.name, point)
        if other.value != point.value:
            raise ValueError(
                f"two queue adapters are named {point.name!r}: {other.value} of {home_of(other)} "
                f"and {point.value} of {home_of(point)}; uninstall one"
            )
    return dict(sorted(found.items()))


def load_adapter(name: str) -> Adapter:
    """Import the adapter's module.

    Raises `UnknownAdapter`, `AdapterUnavailable`, and TypeError for a module that is no adapter.
    """
    installed = installed_adapters()
    if name not in installed:
        raise UnknownAdapter(name, tuple(installed))
    point = installed[name]
    module: object = point.load()
    metadata = getattr(module, "MODULE_METADATA", None)
    queue_class: object = getattr(module, "Queue", None)
    if not isinstance(metadata, QueueMetadata) or not _is_queue_class(queue_class):
        raise TypeError(
            f"{point.value}, the adapter {name!r} of {home_of(point)}, must export "
            "MODULE_METADATA, a QueueMetadata, and Queue, a subclass of QueueBase"
        )
    if missing := tuple(filter(_is_missing, metadata.required_packages)):
        raise AdapterUnavailable(name, missing)
    return Adapter(name=name, queue_class=queue_class, metadata=metadata)


def load_adapter_for(scheme: str) -> Adapter:
    """The adapter that takes URLs of `scheme`: `postgresql+psycopg` is `postgresql` too.

    Loads one after the other; those that lack something are passed over. Raises
    `UnknownScheme`.
    """
    known: set[str] = set()
    unavailable: list[ImportError] = []
    for name in installed_adapters():
        try:
            adapter = load_adapter(name)
        except ImportError as error:
            unavailable.append(error)
            continue
        if {scheme, scheme.partition("+")[0]} & adapter.metadata.url_schemes:
            return adapter
        known |= adapter.metadata.url_schemes
    raise UnknownScheme(scheme, tuple(sorted(known)), tuple(unavailable))


def adapter_of(queue_class: type[QueueBase]) -> Adapter:
    """The installed adapter whose class it is. Raises ValueError.

    Only modules that are imported already can have made the class, so none is loaded for this.
    """
    for name, point in installed_adapters().items():
        if getattr(sys.modules.get(point.module), "Queue", None) is queue_class:
            return load_adapter(name)
    raise ValueError(
        f"{queue_class.__qualname__} is the class of no installed adapter; "
        "import_adapter('queue') returns one that is"
    )


def _is_queue_class(found: object) -> TypeGuard[type[QueueBase]]:
    return isinstance(found, type) and issubclass(found, QueueBase)


def _is_missing(distribution: str) -> bool:
    try:
        version(distribution)
    except PackageNotFoundError:
        return True
    return False


def home_of(point: EntryPoint) -> str:
    """The distribution that an entry point is of."""
    return point.dist.name if point.dist else "an unknown distribution"
