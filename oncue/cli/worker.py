"""`oncue worker`: run an application's queue until a signal asks for an end, then drain.

The log says `worker_started`, `worker_stopping` and `worker_stopped`, through structlog as the
application has set it up; on stderr where it has not.
"""

import os
import signal
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from typing import cast

import anyio
from anyio.abc import TaskStatus

from oncue.actors import NodeSuperseded
from oncue.actors.log import log
from oncue.adapters.base import QueueBase
from oncue.cli.client import explain
from oncue.cli.locate import NoSuchQueue, locate_queue
from oncue.stores import StoreUnavailable

FAILED = 1
UNUSABLE = 2
INTERRUPTED = 128 + signal.SIGINT


def run_worker(place: str, *, backend: str) -> int:
    """Run the queue at `place`, and return the exit status.

    0 after SIGTERM, 130 after SIGINT, 1 when the store is out of reach at the start or another has
    taken this node's place, 2 when there is no such queue or backend.
    """
    if find_spec(backend) is None:
        print(f"oncue worker: {backend} is not installed: pip install {backend}", file=sys.stderr)
        return UNUSABLE
    try:
        queue = locate_queue(place)
    except NoSuchQueue as error:
        print(f"oncue worker: {error}", file=sys.stderr)
        return UNUSABLE
    status, reasons = FAILED, list[str]()
    try:
        status = anyio.run(_work, queue, place, backend=backend)
    except* (StoreUnavailable, NodeSuperseded) as group:
        reasons = [explain(each) for each in _leaves(group)]
    for reason in dict.fromkeys(reasons):
        print(f"oncue worker: {reason}", file=sys.stderr)
    return status


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        for each in group.exceptions:
            yield from _leaves(each)
    else:
        yield error


async def _work(queue: QueueBase, place: str) -> int:
    about = {"app": place, "queue": queue.name, "pid": os.getpid()}
    asked = Asked()
    async with anyio.create_task_group() as group:
        await group.start(asked.listen)
        async with queue:
            log().info("worker_started", **about, task_types=queue.list_handlers())
            await asked.event.wait()
            log().info("worker_stopping", **about, signal=asked.first)
        log().info("worker_stopped", **about)
        group.cancel_scope.cancel()
    return INTERRUPTED if asked.first == "SIGINT" else 0


class Asked:
    """The signal that asked for an end. Later ones are logged, and change nothing: the drain is
    bounded by `shutdown_grace`."""

    def __init__(self) -> None:
        self.event = anyio.Event()
        self.first = ""

    async def listen(self, *, task_status: TaskStatus[None]) -> None:
        """Take signals until cancelled. trio raises those anew that nobody has taken."""
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            task_status.started()
            async for received in signals:
                if self.event.is_set():
                    log().info("worker_still_stopping", signal=received.name)
                    continue
                self.first = received.name
                self.event.set()
