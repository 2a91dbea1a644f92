"""An OnCue job store on LMDB: one machine, several processes on one directory, no server.

    queue:
      job_store_type: lmdb
      job_store_url: lmdb:/var/lib/jobs
      job_store_options: {map_size: 8589934592}

Rules:
- An address is `lmdb:` and a directory, absolute or from the current one; `lmdb:///var/lib/jobs`
  is the first form as well.
- The options are those that `LmdbStore` says: `map_size` and `sync`.
"""

from typing import TYPE_CHECKING, Any, Final

from oncue.adapters.job_stores import StoreSettings

if TYPE_CHECKING:
    from ._store import FormatUnknown as FormatUnknown
    from ._store import LmdbStore as LmdbStore

__all__ = ["FormatUnknown", "LmdbStore", "make_store"]

_OPTIONS: Final = ("map_size", "sync")


def make_store(settings: StoreSettings) -> "LmdbStore":
    """What the entry point names. Raises ValueError; loads the driver."""
    from ._store import LmdbStore

    if unknown := sorted(settings.options.keys() - set(_OPTIONS)):
        raise ValueError(
            f"job_store_options: an lmdb store takes no {', '.join(unknown)}; "
            f"it takes {' and '.join(_OPTIONS)}"
        )
    return LmdbStore(
        read_url(settings.url),
        clock=settings.clock,
        result_ttl_s=settings.result_ttl_s,
        dead_letter_ttl_s=settings.dead_letter_ttl_s,
        hold=settings.hold,
        **settings.options,
    )


def read_url(url: str | None) -> str:
    """The directory in an address. Raises ValueError, which says how one is written."""
    scheme, _, path = (url or "").partition(":")
    if path.startswith("///"):
        path = path[2:]
    if scheme != "lmdb" or not path or path.startswith("//") or "?" in path:
        raise ValueError(
            "job_store_url must be lmdb: and a directory, such as lmdb:/var/lib/jobs or lmdb:jobs, "
            "without host or query"
        )
    return path


def __getattr__(name: str) -> Any:
    if name in __all__:
        from . import _store

        return getattr(_store, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
