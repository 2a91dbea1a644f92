"""Nodes as processes, and what their ledger says about who ran what when."""

import json
import os
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from threading import Timer
from typing import Any

import anyio

from tests.trees import ROOT

BEAT_S = 0.5
LIMIT_S = 120.0
SETTINGS = {
    "enable_clustering": True,
    "cluster_heartbeat_interval": BEAT_S,
    "poll_interval": 0.1,
    "max_workers": 5,
    "shutdown_grace": 2.0,
}


class Node:
    """One process of `node.py`. What hangs is killed."""

    def __init__(
        self,
        url: str,
        ledger: Path,
        name: str,
        backend: str,
        *,
        death: tuple[str, str] | tuple[()] = (),
        **settings: Any,
    ) -> None:
        self.name = name
        everything = {**SETTINGS, "cluster_id": name, **settings}
        self._log = ledger.with_name(f"{name}.log")
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.faults.node", url, str(ledger), backend,
                 json.dumps(everything), *death],
                cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env={**os.environ, "NO_COLOR": "1"},
            )  # fmt: skip
        self._watchdog = Timer(LIMIT_S, self._process.kill)
        self._watchdog.daemon = True
        self._watchdog.start()

    @property
    def said(self) -> str:
        return self._log.read_text()

    @property
    def returncode(self) -> int | None:
        return self._process.poll()

    def forget(self) -> None:
        """Make way for another of this name."""
        self.kill()
        self._log.unlink(missing_ok=True)

    async def up(self) -> None:
        await until(lambda: "up\n" in self.said or self.returncode is not None)
        assert "up\n" in self.said, self.said

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        self._watchdog.cancel()

    def freeze(self) -> None:
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def ask_to_stop(self) -> None:
        self._process.terminate()

    async def stop(self) -> None:
        """An orderly end; its exit status must be 0."""
        self.ask_to_stop()
        await self.ended()
        assert self.returncode == 0, self.said

    async def ended(self) -> None:
        await until(lambda: self.returncode is not None)
        self._watchdog.cancel()


async def until(holds: Callable[[], bool], seconds: float = 30.0) -> None:
    """Wait until it holds."""
    with anyio.fail_after(seconds):
        while not holds():  # noqa: ASYNC110 - of other processes
            await anyio.sleep(0.02)


@dataclass(frozen=True, slots=True)
class Line:
    what: str
    task_id: str
    attempt: int
    node: str
    at_s: float


def read_ledger(path: Path) -> list[Line]:
    """What has been written, in the order of writing."""
    if not path.exists():
        return []
    fields = (line.split() for line in path.read_text().splitlines())
    return [Line(what, task, int(n), node, float(at)) for what, task, n, node, at in fields]


def overlaps(lines: list[Line], ended_at_s: dict[str, float]) -> list[tuple[Line, Line]]:
    """Pairs of attempts at one task that ran at the same time.

    An attempt without an end ran until its node was ended, which `ended_at_s` knows.
    """
    attempts: dict[str, list[tuple[float, float, Line]]] = defaultdict(list)
    open_ones: dict[tuple[str, str], Line] = {}
    for line in lines:
        key = line.task_id, line.node
        if line.what == "begin":
            open_ones[key] = line
        else:
            begin = open_ones.pop(key)
            attempts[line.task_id].append((begin.at_s, line.at_s, begin))
    for begin in open_ones.values():
        end_s = ended_at_s.get(begin.node, float("inf"))
        attempts[begin.task_id].append((begin.at_s, end_s, begin))
    found: list[tuple[Line, Line]] = []
    for spans in attempts.values():
        spans.sort(key=lambda span: span[:2])
        for (_, end_s, first), (begin_s, _, second) in pairwise(spans):
            if begin_s < end_s:
                found.append((first, second))
    return found
