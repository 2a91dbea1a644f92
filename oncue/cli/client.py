"""A command line's way to a store: a queue that works nothing, for as long as one call takes."""

import json
import logging
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import structlog
from pydantic_core import to_jsonable_python

from oncue.adapters import import_adapter, open_queue
from oncue.adapters.apscheduler import APSchedulerQueue
from oncue.adapters.base import QueueBase
from oncue.adapters.installed import adapter_of
from oncue.adapters.metadata import QueueCapability
from oncue.settings import read_queue_settings
from oncue.stores import DuplicateTask, StoreUnavailable

REFUSED = 1
"""The store was asked, and the answer is no."""
UNUSABLE = 2
"""The command cannot be carried out as it was given."""


class NoStore(ValueError):
    """There is nothing that a command from outside could look into."""


def open_client(store: str | None) -> QueueBase:
    """A queue on the store at this URL, or on the one that the settings name.

    It has no handlers and claims nothing. Raises `NoStore`, and what `open_queue` and
    `import_adapter` raise.
    """
    if store is not None:
        scheme = store.partition(":")[0]
        if scheme == "memory":
            raise NoStore("a memory queue lives in its own process; name a store that is kept")
        return open_queue(store, queues=[])
    adapter = adapter_of(import_adapter("queue"))
    if QueueCapability.PERSISTENCE not in adapter.metadata.capabilities:
        raise NoStore(
            f"the settings name the adapter {adapter.metadata.name!r}, whose tasks live in its own "
            "process. Give --store URL, such as sqlite:///tasks.db, or name a persistent adapter "
            "in settings/adapters.yaml"
        )
    settings = read_queue_settings(adapter.metadata.settings)
    return adapter.make(settings.model_copy(update={"queues": frozenset[str]()}))


def run_with_client(
    command: str,
    store: str | None,
    work: Callable[[QueueBase], Awaitable[int]],
    *,
    may_create: bool = False,
) -> int:
    """Do `work` with a running client; its exit status, or another with the reason on stderr.

    Unless it `may_create`, a SQLite file that is not there is refused.
    """
    # What went wrong is said below, in one line.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        queue = open_client(store)
        if not may_create:
            _refuse_missing_file(queue)
        return anyio.run(_run, queue, work)
    except (StoreUnavailable, DuplicateTask, TimeoutError, LookupError, RuntimeError) as error:
        status, reason = REFUSED, explain(error)
    except (ValueError, ImportError) as error:
        status, reason = UNUSABLE, str(error)
    print(f"oncue {command}: {reason}", file=sys.stderr)
    return status


def _refuse_missing_file(queue: QueueBase) -> None:
    missing = queue.missing_file() if isinstance(queue, APSchedulerQueue) else None
    if missing is not None:
        raise LookupError(f"there is no file {missing}; oncue migrate makes one")


async def _run(queue: QueueBase, work: Callable[[QueueBase], Awaitable[int]]) -> int:
    async with queue:
        return await work(queue)


def explain(error: BaseException) -> str:
    """What it says, in one line with the first of what the driver said."""
    said = str(error.__cause__ or "").strip()
    if isinstance(error, StoreUnavailable) and said:
        return f"{error}: {said.splitlines()[0]}"
    return str(error)


def print_json(value: Any) -> None:
    """One JSON document, times in ISO 8601."""
    print(json.dumps(to_jsonable_python(value), indent=2, ensure_ascii=False))
