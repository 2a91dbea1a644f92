"""`oncue worker` as a shell runs it: a real process, real signals, on both backends."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from threading import Timer

import pytest

from oncue.cli.worker import run_worker
from tests.trees import ROOT

BACKENDS = pytest.mark.parametrize("backend", ["asyncio", "trio"])
LIMIT_S = 30.0

SHOP = """
    from pathlib import Path

    import anyio
    from apscheduler.events import EVENT_SCHEDULER_STARTED
    from oncue import TaskData, open_queue


    async def write(task: TaskData) -> None:
        print("began on", anyio.get_cancelled_exc_class().__module__, flush=True)
        try:
            while not Path("go").exists():
                await anyio.sleep(0.01)
            Path("ended").write_text("whole")
        finally:
            Path("left").touch()


    def make(**settings):
        async def first(event) -> None:
            await queue.create_task("write")

        queue = open_queue("memory", **settings)
        queue.register_handler("write", write)
        queue.add_listener(first, EVENT_SCHEDULER_STARTED)
        return queue


    def impatient():
        return make(shutdown_grace=0.1)


    queue = make()
"""


class Worker:
    """A worker process in a folder that holds shop.py. What hangs is killed."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.said = ""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "oncue", "worker", *arguments],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "NO_COLOR": "1", "PYTHONPATH": str(ROOT)},
            start_new_session=True,
        )
        self._watchdog = Timer(LIMIT_S, self._process.kill)
        self._watchdog.start()

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def wait_for(self, said: str) -> None:
        """Read on until a line holds `said`."""
        assert self._process.stdout is not None
        while line := self._process.stdout.readline():
            self.said += line
            if said in line:
                return
        raise AssertionError(f"it ended without {said!r}:\n{self.said}")

    def wait(self) -> int:
        """Read to the end; the exit status."""
        self.said += self._process.communicate()[0]
        return self._process.returncode

    def close(self) -> None:
        self._watchdog.cancel()
        with self._process:
            self._process.kill()


class Shop:
    """Starts workers, and sees to it that they end."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.write("shop.py", SHOP)
        self.workers: list[Worker] = []

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(dedent(text))

    def worker(self, *arguments: str) -> Worker:
        self.workers.append(Worker(self.folder, *arguments))
        return self.workers[-1]


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    shop = Shop(tmp_path)
    yield shop
    for worker in shop.workers:
        worker.close()


@BACKENDS
def test_sigterm_lets_the_running_task_end_and_exits_with_0(shop: Shop, backend: str) -> None:
    worker = shop.worker("shop:queue", "--backend", backend)
    worker.wait_for(f"began on {backend}")
    worker.signal(signal.SIGTERM)
    worker.wait_for("worker_stopping")
    for again in (signal.SIGTERM, signal.SIGINT):
        worker.signal(again)
        worker.wait_for(f"worker_still_stopping          signal={again.name}")
    assert not (shop.folder / "left").exists()
    (shop.folder / "go").touch()
    assert worker.wait() == 0, worker.said
    assert (shop.folder / "ended").read_text() == "whole"
    assert "Traceback" not in worker.said
    events = [word for word in worker.said.split() if word.startswith("worker_")]
    still = ["worker_still_stopping"] * 2
    assert events == ["worker_started", "worker_stopping", *still, "worker_stopped"]


@BACKENDS
def test_sigint_drains_too_and_exits_with_130(shop: Shop, backend: str) -> None:
    worker = shop.worker("shop:queue", "--backend", backend)
    worker.wait_for(f"began on {backend}")
    worker.signal(signal.SIGINT)
    worker.wait_for("worker_stopping")
    (shop.folder / "go").touch()
    assert worker.wait() == 130, worker.said
    assert (shop.folder / "ended").exists()
    assert "Traceback" not in worker.said


@BACKENDS
def test_past_the_grace_the_task_is_cancelled(shop: Shop, backend: str) -> None:
    worker = shop.worker("shop:impatient", "--backend", backend)
    worker.wait_for("began")
    worker.signal(signal.SIGTERM)
    assert worker.wait() == 0, worker.said
    assert (shop.folder / "left").exists()
    assert not (shop.folder / "ended").exists()


def test_what_is_not_there_is_said_in_one_line(shop: Shop) -> None:
    worker = shop.worker("shop:queu")
    assert worker.wait() == 2
    assert worker.said == "oncue worker: no attribute 'queu' in shop; the nearest is queue\n"


def test_a_backend_that_is_not_installed_is_said_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def find_nothing(name: str) -> None: ...

    monkeypatch.setattr("oncue.cli.worker.find_spec", find_nothing)
    assert run_worker("shop:queue", backend="trio") == 2
    assert capsys.readouterr().err == ("oncue worker: trio is not installed: pip install trio\n")


def test_what_the_module_itself_lacks_is_its_own_error(shop: Shop) -> None:
    shop.write("other.py", "import no_such_thing\n")
    worker = shop.worker("other:queue")
    assert worker.wait() == 1
    assert "other.py" in worker.said
    assert "No module named 'no_such_thing'" in worker.said


def test_its_settings_come_from_the_folder_it_is_started_in(shop: Shop) -> None:
    shop.write("settings/queue.yaml", "queue: {max_worker: 1}")
    shop.write(
        "other.py", "from oncue import *\nqueue = depends.get(import_adapter('queue'))\n"
        .replace("*", "depends, import_adapter"),
    )  # fmt: skip
    worker = shop.worker("other:queue")
    assert worker.wait() == 1
    assert "queue.yaml: queue.max_worker: no such key; the nearest is max_workers" in worker.said


@BACKENDS
def test_a_store_out_of_reach_is_said_in_one_line_without_the_password(
    shop: Shop, backend: str
) -> None:
    shop.write(
        "other.py",
        """
        import logging
        import structlog
        from oncue import open_queue

        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
        queue = open_queue("postgresql://me:hunter2@127.0.0.1:1/none")
        """,
    )
    worker = shop.worker("other:queue", "--backend", backend)
    assert worker.wait() == 1
    [line] = worker.said.splitlines()
    assert line.startswith("oncue worker: the postgresql store is unavailable (open): connection ")
    assert "hunter2" not in line
