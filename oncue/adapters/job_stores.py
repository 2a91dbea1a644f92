"""Job stores that other distributions bring: the entry points of the group `oncue.stores`.

    [project.entry-points."oncue.stores"]
    lmdb = "oncue_lmdb:make_store"

The name is a `job_store_type`, and the scheme of its addresses: `lmdb:/var/lib/jobs`. It leads to
a function that is called with one argument, a `StoreSettings`, and returns the store, not open
yet. It raises ValueError for what the settings must not say, and loads no driver before it is
called. Processes can share what it makes: each sees what the others acknowledged.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from importlib.metadata import EntryPoint, entry_points
from typing import Any, cast

from oncue.adapters.installed import home_of
from oncue.stores import Store, StoreClock, record

GROUP = "oncue.stores"


@record
class StoreSettings:
    """What a job store is made from. Times are seconds.

    `url` is the `job_store_url`, None where none is set, and may hold a password; `options` is
    `job_store_options`, unchecked. `clock` is this process's: a store whose server has a clock
    judges by that one. `hold` is entered around whatever runs in a worker thread: a virtual clock
    stands still meanwhile.
    """

    url: str | None
    options: Mapping[str, Any]
    result_ttl_s: float
    dead_letter_ttl_s: float
    clock: StoreClock
    hold: Callable[[], AbstractContextManager[None]]


def installed_stores() -> Mapping[str, EntryPoint]:
    """Every one by name, not loaded, in the order of the names."""
    return {point.name: point for point in sorted(entry_points(group=GROUP))}


def make_store(name: str, settings: StoreSettings) -> Store:
    """The store of that installed name, not open yet.

    Raises ValueError as the function named does, and where two distributions have a store of that
    name; ImportError where its distribution lacks something; TypeError where the entry point leads
    to no function.
    """
    point, *others = {each.value: each for each in entry_points(group=GROUP, name=name)}.values()
    if others:
        raise ValueError(
            f"two job stores are named {name!r}: {point.value} of {home_of(point)} and "
            f"{others[0].value} of {home_of(others[0])}; uninstall one"
        )
    try:
        make: object = point.load()
    except AttributeError:
        make = None
    if not callable(make):
        raise TypeError(
            f"{point.value}, the job store {name!r} of {home_of(point)}, must be a function of "
            "StoreSettings"
        )
    return cast(Callable[[StoreSettings], Store], make)(settings)
