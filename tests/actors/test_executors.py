"""Where a function runs, and that a timeout or a cancel ends it there, as far as it can."""

import os
import sys
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import anyio
import pytest
from anyio import to_thread

from oncue import TaskData, TaskStatus
from oncue.actors import FunctionHandler
from oncue.actors.handlers import EXECUTORS, ExecutorKind
from oncue.adapters.memory import MemoryQueue, MemorySettings
from tests.flow.kit import task

pytestmark = pytest.mark.real_time


def where(task: TaskData) -> list[int]:
    return [os.getpid(), threading.get_ident()]


def leave(task: TaskData) -> None:
    sys.exit("enough")


def vanish(task: TaskData) -> None:
    os._exit(3)


def sleep_in_process(task: TaskData) -> None:
    """Writes its process id to the file, and sleeps for long."""
    Path(task.payload["file"]).write_text(str(os.getpid()))
    time.sleep(60)


class Gate:
    """Plain functions that say that they have begun, and wait until they may end."""

    def __init__(self) -> None:
        self.begun = threading.Semaphore(0)
        self.open = threading.Event()
        self.inside = 0
        self.inside_max = 0
        self._lock = threading.Lock()

    def __call__(self, task: TaskData) -> str:
        with self._lock:
            self.inside += 1
            self.inside_max = max(self.inside_max, self.inside)
        self.begun.release()
        self.open.wait(30)
        with self._lock:
            self.inside -= 1
        return "through"

    async def wait_begun(self) -> None:
        assert await to_thread.run_sync(self.begun.acquire, True, 30)


@contextmanager
def gate() -> Generator[Gate]:
    made = Gate()
    try:
        yield made
    finally:
        made.open.set()


async def until(condition: Callable[[], bool]) -> None:
    with anyio.fail_after(50):
        while not condition():  # noqa: ASYNC110 - what it waits for is no event of the loop
            await anyio.sleep(0.01)


async def test_each_executor_runs_the_function_where_it_says() -> None:
    queue = MemoryQueue()
    for kind in EXECUTORS:
        queue.register_handler(kind, FunctionHandler(kind, where, kind))
    async with queue:
        here = where(task())
        ran = {
            kind: (await queue.wait(await queue.enqueue(task(kind)), 30)).result
            for kind in EXECUTORS
        }
    assert ran["async"] == here
    assert ran["thread"][0] == here[0]
    assert ran["thread"][1] != here[1]
    assert ran["process"][0] != here[0]


@pytest.mark.parametrize("executor", ["async", "thread", "process"])
async def test_a_function_that_exits_has_failed_and_the_queue_lives(
    executor: ExecutorKind,
) -> None:
    queue = MemoryQueue()
    queue.register_handler("leave", FunctionHandler("leave", leave, executor))
    async with queue:
        result = await queue.wait(await queue.enqueue(task("leave", max_retries=0)), 30)
    assert result.status is TaskStatus.DEAD_LETTER
    assert "SystemExit: enough" in (result.error or "")


@pytest.mark.slow
async def test_a_process_that_dies_is_a_failed_attempt() -> None:
    """As by the kernel's out-of-memory killer."""
    queue = MemoryQueue()
    queue.register_handler("vanish", FunctionHandler("vanish", vanish, "process"))
    queue.register_handler("where", FunctionHandler("where", where, "process"))
    async with queue:
        dead = await queue.enqueue(task("vanish", max_retries=1, retry_delay=0.01))
        assert (await queue.wait(dead, 30)).status is TaskStatus.DEAD_LETTER
        after = await queue.enqueue(task("where"))
        assert (await queue.wait(after, 30)).status is TaskStatus.COMPLETED


@pytest.mark.slow
@pytest.mark.parametrize("how", ["timeout", "cancel", "drain"])
async def test_a_process_is_killed(how: str, tmp_path: Path) -> None:
    """At its timeout, by a cancel, and at the end of a drain's grace."""
    queue = MemoryQueue(MemorySettings(shutdown_grace=0.1))
    queue.register_handler("slow", FunctionHandler("slow", sleep_in_process, "process"))
    file = tmp_path / "pid"
    async with queue:
        timeout = 8.0 if how == "timeout" else 60.0  # long enough for a process to begin
        slow = task("slow", payload={"file": str(file)}, timeout=timeout, max_retries=0)
        task_id = await queue.enqueue(slow)
        await until(lambda: file.exists() and bool(file.read_text()))
        pid = int(file.read_text())
        if how == "cancel":
            assert await queue.cancel_task(task_id)
        if how != "drain":
            expected = TaskStatus.CANCELLED if how == "cancel" else TaskStatus.DEAD_LETTER
            assert (await queue.wait(task_id, 30)).status is expected
    await until(lambda: not _is_alive(pid))


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"


async def test_a_thread_is_abandoned_and_its_result_refused() -> None:
    """D1.9. It cannot be ended. Its attempt has failed, and what it returns later is dropped."""
    queue = MemoryQueue()
    with gate() as slow:
        queue.register_handler("slow", slow)
        async with queue:
            task_id = await queue.enqueue(task("slow", timeout=0.1, max_retries=0))
            assert (await queue.wait(task_id, 30)).status is TaskStatus.DEAD_LETTER
            assert slow.inside == 1
            slow.open.set()
            await until(lambda: slow.inside == 0)
            status = await queue.get_task_status(task_id)
            assert status is not None
            assert (status.status, status.result) == (TaskStatus.DEAD_LETTER, None)


async def test_an_abandoned_thread_holds_its_place_until_it_ends() -> None:
    """Or handlers that time out would pile up threads without end."""
    queue = MemoryQueue(MemorySettings(thread_pool_max_workers=2))
    with gate() as slow:
        queue.register_handler("slow", slow)
        queue.register_handler("where", where)
        async with queue:
            timed_out = [task("slow", timeout=0.2, max_retries=0) for _ in range(6)]
            for task_id in await queue.enqueue_many(timed_out):
                assert (await queue.wait(task_id, 30)).status is TaskStatus.DEAD_LETTER
            assert slow.inside_max == 2
            waiting = await queue.enqueue(task("where"))
            with pytest.raises(TimeoutError):
                await queue.wait(waiting, 0.2)
            slow.open.set()
            assert (await queue.wait(waiting, 30)).status is TaskStatus.COMPLETED


async def test_no_more_threads_run_at_once_than_are_allowed() -> None:
    queue = MemoryQueue(MemorySettings(thread_pool_max_workers=2, max_workers=8))
    with gate() as door:
        queue.register_handler("slow", door)
        async with queue:
            ids = await queue.enqueue_many([task("slow") for _ in range(6)])
            for _ in range(2):
                await door.wait_begun()
            door.open.set()
            for task_id in ids:
                assert (await queue.wait(task_id, 30)).result == "through"
            assert door.inside_max <= 2
