"""One node of a cluster, as a process of its own, for the tests that kill and freeze processes.

    python -m tests.faults.node URL LEDGER BACKEND SETTINGS [before|after N]

It runs a queue on the store at URL, with `open_queue`'s settings as JSON, until SIGTERM; or until
it kills itself, before or after the Nth commit that it makes once it is up. Each of its handlers
writes to the ledger, a file that all nodes append to, when it begins and when it ends: what really
ran where, whatever the store believes. Seconds are the machine's monotonic clock, the same for all
its processes.
"""

import json
import os
import signal
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio

from oncue import TaskData, open_queue


class Ledger:
    """Lines of `what task attempt node seconds`, each written at once."""

    def __init__(self, path: Path, node: str) -> None:
        self._node = node
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def write(self, what: str, task: TaskData) -> None:
        line = f"{what} {task.task_id} {task.retry_count + 1} {self._node} {time.monotonic()}\n"
        os.write(self._file, line.encode())

    @contextmanager
    def attempt(self, task: TaskData) -> Generator[None]:
        self.write("begin", task)
        end = "cut"
        try:
            yield
            end = "end"
        finally:
            self.write(end, task)


def handlers(ledger: Ledger) -> dict[str, Any]:
    async def work(task: TaskData) -> int:
        """Takes `takes` seconds."""
        with ledger.attempt(task):
            await anyio.sleep(task.payload.get("takes", 0))
        return task.retry_count

    async def block(task: TaskData) -> None:
        """Blocks the event loop for `takes` seconds, once."""
        with ledger.attempt(task):
            if task.retry_count == 0:
                time.sleep(task.payload["takes"])  # noqa: ASYNC251 - that is the fault

    async def die(task: TaskData) -> None:
        """Takes its process with it."""
        ledger.write("begin", task)
        os.kill(os.getpid(), signal.SIGKILL)

    return {"work": work, "block": block, "die": die}


class Death:
    """The end of this process, before or after the Nth commit since it was armed."""

    def __init__(self) -> None:
        self._when = ""
        self._left = 0

    def arm(self, when: str, number: int) -> None:
        self._when = when
        self._left = number

    def before(self) -> None:
        self._left -= 1
        self._strike("before")

    def after(self) -> None:
        self._strike("after")

    @contextmanager
    def around(self) -> Generator[None]:
        self.before()
        yield
        self.after()

    def _strike(self, when: str) -> None:
        if self._left <= 0 and when == self._when:
            os.kill(os.getpid(), signal.SIGKILL)


def plant_death(url: str) -> Death:
    """Between us and the driver of `url`, before a queue is opened there. It is to be armed."""
    death = Death()
    if url.startswith("mongodb"):
        plant_in_mongodb(death)
    elif url.startswith(("redis", "unix")):
        plant_in_redis(death)
    else:
        plant_in_sql(death)
    return death


def plant_in_mongodb(death: Death) -> None:
    """Each write is a commit there."""
    from pymongo import monitoring

    commands = {"insert", "update", "delete", "findAndModify", "commitTransaction"}

    class DeadlyWrites(monitoring.CommandListener):
        def started(self, event: monitoring.CommandStartedEvent) -> None:
            if event.command_name in commands:
                death.before()

        def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
            if event.command_name in commands:
                death.after()

        def failed(self, event: monitoring.CommandFailedEvent) -> None:
            pass

    monitoring.register(DeadlyWrites())


def plant_in_sql(death: Death) -> None:
    from sqlalchemy.pool.base import _ConnectionFairy  # pyright: ignore[reportPrivateUsage]

    def commit(self: Any) -> None:
        with death.around():
            self.dbapi_connection.commit()

    setattr(_ConnectionFairy, "commit", commit)  # noqa: B010 - it has none of its own


def plant_in_redis(death: Death) -> None:
    """A script is sent, and it has run when it is answered."""
    from oncue.stores.redis._server import Line

    ask = Line.ask

    async def run(self: Line, command: bytes, *arguments: Any, **options: Any) -> Any:
        if command != b"EVALSHA":
            return await ask(self, command, *arguments, **options)
        with death.around():
            return await ask(self, command, *arguments, **options)

    setattr(Line, "ask", run)  # noqa: B010 - of another type


async def run(url: str, ledger: Path, settings: dict[str, Any], *death: str) -> None:
    planted = plant_death(url)
    queue = open_queue(url, **settings)
    for task_type, handler in handlers(Ledger(ledger, settings["cluster_id"])).items():
        queue.register_handler(task_type, handler)
    with anyio.open_signal_receiver(signal.SIGTERM) as signals:
        async with queue:
            print("up", flush=True)
            if death:
                planted.arm(death[0], int(death[1]))
            async for _ in signals:
                return


if __name__ == "__main__":
    url, ledger, backend, settings, *death = sys.argv[1:]
    anyio.run(run, url, Path(ledger), json.loads(settings), *death, backend=backend)
