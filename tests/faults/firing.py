"""A process that fires schedules, and that nobody should trust.

Rules:
- Its wall clock is up to 400 s off, and is set anew now and then, as often back as forward. SQLite
  has no other clock.
- Its pages and catch-ups are short, so that one schedule takes many transactions; and no two
  processes agree on how short, so that they want different things of the same schedule.
- Most jobs' runs get random ids: nothing but the compare-and-set keeps those from being doubled.
- It may end itself in the middle of a fire, or at a commit.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from multiprocessing import get_context
from pathlib import Path
from random import Random
from typing import Any, Final, Literal
from uuid import UUID, uuid4

import anyio
from pymongo.collection import Collection

from oncue import TaskData
from oncue.actors import scheduler
from oncue.actors.schedules import occurrence_id
from oncue.adapters.apscheduler import APSchedulerQueue
from oncue.runtime import ActorSystem, SupervisorSpec, SystemClock
from oncue.stores.mongo import _fire
from oncue.stores.redis._server import Server
from oncue.stores.sql import _schedules
from tests.faults.conftest import SharedStore
from tests.faults.nights import has_random_ids
from tests.faults.node import plant_death
from tests.faults.places import READS, WRITES, FaultyCursor

SKEW_S_MAX: Final = 400.0
LIMIT_S: Final = 120
SETTINGS: Final[dict[str, Any]] = {
    "enable_clustering": True,
    # SQLite's processes have clocks up to 800 s apart, which is not to be taken for a death.
    "cluster_heartbeat_interval": 1000.0,
    "poll_interval": 0.1,
    "max_workers": 4,
    "sqlite_synchronous": "NORMAL",
}
STEP_CHANCE: Final = 0.03
"""That the clock is set anew when it is asked: with SQLite, at each transaction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Death:
    """Before the Nth statement of a fire; or before or after the Nth commit. `is_feigned`: it only
    stops there, until SIGCONT.
    """

    at: Literal["fire", "before", "after"]
    number: int
    is_feigned: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """What a process is started with."""

    name: str
    store: SharedStore
    log: Path
    backend: str
    seed: int
    death: Death | None = None


class Firing:
    """The process, as others see it."""

    def __init__(self, orders: Orders) -> None:
        self._log = orders.log
        self._log.touch()
        context = get_context("forkserver")
        # So that it costs milliseconds, and not a second of imports.
        context.set_forkserver_preload(["pytest", "trio", "psycopg", __name__])
        self._process = context.Process(target=fire, args=(orders,), daemon=True)
        self._process.start()

    @property
    def said(self) -> str:
        return self._log.read_text()

    @property
    def exitcode(self) -> int | None:
        return self._process.exitcode

    def kill(self) -> None:
        self._process.kill()
        self._process.join()

    def terminate(self) -> None:
        self._process.terminate()

    def thaw(self) -> None:
        assert self._process.pid is not None
        os.kill(self._process.pid, signal.SIGCONT)


class LyingClock(SystemClock):
    """A wall clock that somebody keeps setting."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._set()

    def _set(self) -> None:
        self._skew = timedelta(seconds=self._random.uniform(-SKEW_S_MAX, SKEW_S_MAX))

    def now(self) -> datetime:
        if self._random.random() < STEP_CHANCE:
            self._set()
        return super().now() + self._skew


def disagree(random: Random) -> None:
    """Have this process look and fire as no other does."""

    def id_of(job_id: UUID, moment: datetime) -> UUID:
        return uuid4() if has_random_ids(job_id) else occurrence_id(job_id, moment)

    changes = {
        "PAGE": random.randint(2, 5),
        "RUNS_MAX": random.randint(1, 9),
        "occurrence_id": id_of,
    }
    for name, value in changes.items():
        assert hasattr(scheduler, name)
        setattr(scheduler, name, value)


def plant(death: Death, url: str) -> None:
    """In this process."""
    if death.at != "fire":
        plant_death(url).arm(death.at, death.number)
    elif url.startswith("mongodb"):
        die_in_fire_on_mongo(death.number)
    elif url.startswith(("redis", "unix")):
        die_in_fire_on_redis(death.number)
    else:
        die_in_fire(death.number, signal.SIGSTOP if death.is_feigned else signal.SIGKILL)


def die_in_fire_on_redis(number: int) -> None:
    """Before or after one of the first fires: there is no half of a script."""
    call, left = Server.call, number // 2

    async def dying(self: Server, name: str, *arguments: Any) -> Any:
        nonlocal left
        left -= name == "fire"
        if left == 0 and number % 2:
            os.kill(os.getpid(), signal.SIGKILL)
        answer = await call(self, name, *arguments)
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return answer

    setattr(Server, "call", dying)  # noqa: B010 - it is not ours


def die_in_fire(number: int, by: signal.Signals) -> None:
    """Before that statement of a transaction that fires."""
    fire = _schedules.fire

    def dying(tx: Any, *arguments: Any) -> Any:
        left = number

        def strike() -> None:
            nonlocal left
            left -= 1
            if left == 0:
                setattr(_schedules, "fire", fire)  # noqa: B010 - once is enough
                print("here", flush=True)
                # To the process it would go to any thread, while this one goes on.
                signal.pthread_kill(threading.get_ident(), by)

        tx._cursor = FaultyCursor(tx._cursor, strike)
        return fire(tx, *arguments)

    setattr(_schedules, "fire", dying)  # noqa: B010 - it is not ours


def die_in_fire_on_mongo(number: int) -> None:
    """Before that statement, of any number of fires: one may have fewer."""
    fire = _fire.fire
    firing = threading.local()
    left = number

    def dying(*arguments: Any) -> Any:
        firing.now = True
        try:
            return fire(*arguments)
        finally:
            firing.now = False

    def mortal(statement: Callable[..., Any]) -> Callable[..., Any]:
        def die_or_do(*arguments: Any, **options: Any) -> Any:
            nonlocal left
            if getattr(firing, "now", False):
                left -= 1
                if left == 0:
                    os.kill(os.getpid(), signal.SIGKILL)
            return statement(*arguments, **options)

        return die_or_do

    for owner, name in (*((Collection, name) for name in READS), *WRITES):
        setattr(owner, name, mortal(getattr(owner, name)))
    setattr(_fire, "fire", dying)  # noqa: B010 - it is not ours


def fire(orders: Orders) -> None:
    """Until SIGTERM, or the death that is ordered. Exits with 0 if no actor was restarted."""
    signal.alarm(LIMIT_S)  # its parent may be gone
    log = os.open(orders.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    for stream in (1, 2):
        os.dup2(log, stream)
    random = Random(orders.seed)
    disagree(random)
    if orders.death is not None:
        plant(orders.death, orders.store.url)
    queue = orders.store.queue(LyingClock(random), cluster_id=orders.name, **SETTINGS)
    restarted = anyio.run(_until_told, queue, backend=orders.backend)
    if restarted:
        sys.exit(f"restarted: {restarted}")


async def work(task: TaskData) -> None:
    """Done."""


async def _until_told(queue: APSchedulerQueue) -> list[str]:
    queue.register_handler("work", work)
    spec = SupervisorSpec("app", children=[queue.child_spec()])
    with anyio.open_signal_receiver(signal.SIGTERM) as signals:
        async with ActorSystem(spec) as system:
            print("up", flush=True)
            async for _ in signals:
                break
            return [node.path for node in system.tree().walk() if node.restarts]
