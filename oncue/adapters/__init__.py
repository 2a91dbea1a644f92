"""The queue adapters, and the ways to one: `open_queue`, or what the settings name."""

from typing import TYPE_CHECKING, Any, Literal, overload

from oncue.adapters.base import QueueBase as QueueBase
from oncue.adapters.configured import depends as depends
from oncue.adapters.configured import import_adapter as import_adapter
from oncue.adapters.installed import AdapterUnavailable as AdapterUnavailable
from oncue.adapters.installed import UnknownAdapter as UnknownAdapter
from oncue.adapters.installed import UnknownScheme as UnknownScheme
from oncue.adapters.installed import installed_adapters as installed_adapters
from oncue.adapters.installed import load_adapter as load_adapter
from oncue.adapters.installed import load_adapter_for as load_adapter_for
from oncue.adapters.metadata import QueueCapability as QueueCapability
from oncue.adapters.metadata import QueueMetadata as QueueMetadata
from oncue.settings import Draft

if TYPE_CHECKING:
    from oncue.adapters.scheduled import ScheduledQueue


@overload
def open_queue(where: Literal["apscheduler"], **settings: Any) -> "ScheduledQueue": ...
@overload
def open_queue(where: str, **settings: Any) -> QueueBase: ...
def open_queue(where: str, **settings: Any) -> QueueBase:
    """A queue that is not running yet: `open_queue("memory", max_workers=4)`.

    `where` is an installed adapter's name, or a URL that one of them takes. The settings are
    those given here and nothing else: no file and no environment variable is read. Raises
    `UnknownAdapter` or `UnknownScheme`, and `SettingsError` for an unknown or ill-typed setting:
    each is a ValueError.
    """
    scheme, is_url, rest = where.partition(":")
    if is_url:
        adapter = load_adapter_for(scheme)
        settings = {**adapter.metadata.settings.of_url(where), **settings}
        slashes = "//" if rest.startswith("//") else ""
        caller = f"open_queue('{scheme}:{slashes}...')"  # a URL may hold a password
    else:
        adapter = load_adapter(where)
        caller = f"open_queue({where!r})"
    return adapter.make(Draft(caller, settings).into(adapter.metadata.settings))
