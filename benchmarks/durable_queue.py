"""The durable queues beside their peers, and what the databases below them can do.

    uv run --group bench python benchmarks/durable_queue.py [rates] [latency] [idle] [depth] [raw]
        [--store postgres] [--store sqlite] [--url mysql://...] [--rounds 3] [--scale 1.0]

Each measure is a process of its own on a database of its own; every round runs each once, in the
same order, so that a machine whose speed drifts drifts for all. Printed is the median over the
rounds, and its ratio to the best peer's. `durable_measure.py` says what each measure is, and
`durable_peers.py` how each peer is set; `durable_raw.py` measures the databases by themselves.
What is drained was loaded once, by the library that drains it, and is copied for each round.

Peers on PostgreSQL are pgqueuer, chancy and oban (which needs Python 3.12), on SQLite huey. A
MySQL or MariaDB is used where its address is given, for OnCue alone; it copies no databases, so
that `depth` takes long there. On a quiet machine of two cores three rounds take some ten minutes
for each store.

--scale 0.05 is for looking whether it all runs; its figures say nothing.
"""

import argparse
import os
import platform
import signal
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from time import monotonic

from servers import Databases, MysqlDatabases, postgres, sqlite

SECTIONS = ("rates", "latency", "idle", "depth", "raw")
MEASURE = Path(__file__).with_name("durable_measure.py")
RAW = Path(__file__).with_name("durable_raw.py")
MEASURE_S_MAX = 120.0
LOAD_S_MAX = 400.0
FIGURES = "figures:"
"""How the line begins that says what was measured; the others are a library's log."""

ENQUEUE = "enqueue one by one from 100 callers, tasks a second"
ENQUEUE_ALONE = "enqueue one by one from one caller, tasks a second"
BULK = "enqueue 1000 a call, tasks a second"
DRAIN = "drain 20 000 with one process, tasks a second"
LATENCY = "from enqueue to start, another process, 50 a second: median and 99th of 100, ms"
NEAR = "the same in one process, ms"
IDLE = "with nothing to do: percent of a processor, of the worker and of the server"
DEPTH = "drain 10 000 on top of more that wait, tasks a second"

TITLES = {
    "enqueue": ENQUEUE,
    "enqueue-1": ENQUEUE_ALONE,
    "bulk": BULK,
    "drain": DRAIN,
    "latency": LATENCY,
    "near": NEAR,
    "idle": IDLE,
    "claim": DEPTH,
}
LESS_IS_BETTER = ("latency", "near", "idle")


@dataclass(frozen=True, slots=True)
class Row:
    """One measure of one contender; `loaded` tasks are waiting when it starts."""

    section: str
    measure: str
    contender: str
    loop: str
    count: int
    loaded: int = 0

    @property
    def library(self) -> str:
        return self.contender.partition(",")[0]

    @property
    def name(self) -> str:
        waiting = f", {self.loaded - self.count:,} waiting" if self.measure == "claim" else ""
        return f"{self.contender} ({self.loop}){waiting}"


LATENCY_TASKS = 250
IDLE_S = 4
DRAINED = 20_000
CLAIMED = 10_000
DEPTHS = (1_000, 1_000_000)

OURS = [
    *(Row("rates", "enqueue", "oncue", loop, 20_000) for loop in ("asyncio", "uvloop", "trio")),
    *(Row("rates", "bulk", "oncue", loop, 40_000) for loop in ("asyncio", "trio")),
    *(
        Row("rates", "drain", contender, loop, DRAINED, DRAINED)
        for contender in (
            "oncue",
            "oncue, 1000 workers",
            "oncue, no results",
            "oncue, 1000 workers, no results",
        )
        for loop in ("asyncio", "trio")
    ),
    *(Row("latency", "latency", "oncue", loop, LATENCY_TASKS) for loop in ("asyncio", "trio")),
    *(Row("latency", "near", "oncue", loop, LATENCY_TASKS) for loop in ("asyncio", "trio")),
    *(Row("idle", "idle", "oncue", loop, IDLE_S) for loop in ("asyncio", "trio")),
    *(
        Row("depth", "claim", "oncue", loop, CLAIMED, CLAIMED + depth)
        for loop in ("asyncio", "trio")
        for depth in DEPTHS
    ),
]
ON_POSTGRES = [
    Row("rates", "enqueue", "pgqueuer", "uvloop", 5_000),
    Row("rates", "enqueue", "chancy", "asyncio", 5_000),
    Row("rates", "enqueue", "oban", "uvloop", 5_000),
    Row("rates", "bulk", "pgqueuer", "uvloop", 40_000),
    Row("rates", "bulk", "chancy", "asyncio", 5_000),
    Row("rates", "bulk", "oban", "uvloop", 5_000),
    Row("rates", "drain", "pgqueuer", "uvloop", DRAINED, DRAINED),
    Row("rates", "drain", "pgqueuer, batch 1000", "uvloop", DRAINED, DRAINED),
    Row("rates", "drain", "chancy", "asyncio", DRAINED, DRAINED),
    Row("rates", "drain", "oban", "uvloop", DRAINED, DRAINED),
    Row("latency", "latency", "pgqueuer", "uvloop", LATENCY_TASKS),
    Row("latency", "latency", "chancy", "asyncio", LATENCY_TASKS),
    Row("latency", "latency", "oban", "uvloop", LATENCY_TASKS),
    Row("idle", "idle", "pgqueuer", "uvloop", IDLE_S),
    Row("idle", "idle", "chancy", "asyncio", IDLE_S),
    Row("idle", "idle", "oban", "uvloop", IDLE_S),
]
ON_SQLITE = [
    Row("rates", "enqueue", "huey", "asyncio", 10_000),
    Row("rates", "enqueue-1", "huey", "asyncio", 10_000),
    Row("rates", "enqueue-1", "oncue", "asyncio", 3_000),
    Row("rates", "drain", "huey", "asyncio", DRAINED, DRAINED),
    Row("rates", "drain", "huey, 4 threads", "asyncio", DRAINED, DRAINED),
    Row("latency", "latency", "huey", "asyncio", LATENCY_TASKS),
    # No hint crosses processes here, so what is polled for waits half the interval.
    Row("latency", "latency", "oncue, polls every 10 ms", "asyncio", LATENCY_TASKS),
    Row("latency", "latency", "oncue, polls every 10 ms", "trio", LATENCY_TASKS),
    Row("idle", "idle", "huey", "asyncio", IDLE_S),
    Row("idle", "idle", "oncue, polls every 10 ms", "asyncio", IDLE_S),
]
PEERS = {"pgqueuer", "chancy", "oban", "huey"}


class Failed(Exception):
    """A measure that broke or took too long; the others go on."""


def run_one(*words: object, s_max: float = MEASURE_S_MAX) -> str:
    """What one process printed. With a group of its own, so that nothing of it outlives it."""
    command = [sys.executable, *map(str, words)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        printed, complaint = process.communicate(timeout=s_max)
    except subprocess.TimeoutExpired:
        raise Failed(f"took longer than {s_max:.0f} s") from None
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    if process.returncode:
        raise Failed(complaint.strip()[-400:])
    return printed


class Loaded:
    """Databases that a measure starts from, each made once and copied."""

    def __init__(self, databases: Databases) -> None:
        self._databases = databases
        self._made: dict[tuple[str, int], str] = {}

    def take(self, row: Row) -> str:
        """The address of one that is the caller's own."""
        if isinstance(self._databases, MysqlDatabases):
            return self._make(row)
        key = (row.library, row.loaded)
        if key not in self._made:
            self._made[key] = self._make(row)
        return self._databases.copy(self._made[key])

    def _make(self, row: Row) -> str:
        address = self._databases.new()
        for measure, count in (("install", 0), ("load", row.loaded)):
            if measure == "install" or count:
                words = (MEASURE, row.contender, measure, address, count, "--loop", row.loop)
                run_one(*words, s_max=LOAD_S_MAX)
        self._databases.settle(address)
        return address


def measure(row: Row, databases: Databases, loaded: Loaded) -> list[float]:
    address = loaded.take(row)
    try:
        databases.rest()
        words = (MEASURE, row.contender, row.measure, address, row.count, "--loop", row.loop)
        for line in run_one(*words).splitlines():
            if line.startswith(FIGURES):
                return [float(word) for word in line.removeprefix(FIGURES).split()]
        raise Failed("it printed no figures")
    finally:
        databases.drop(address)


def report(title: str, databases: Databases, rows: list[Row], rounds: int) -> None:
    began = monotonic()
    found: dict[Row, list[list[float]]] = {row: [] for row in rows}
    loaded = Loaded(databases)
    for _ in range(rounds):
        for row, figures in found.items():
            try:
                figures.append(measure(row, databases, loaded))
            except Failed as failure:
                print(f"  {row.measure}, {row.name} failed: {failure}", file=sys.stderr)
    print(f"\n== {title}, median of {rounds} (lowest, highest), {monotonic() - began:.0f} s ==")
    for kind in TITLES:
        if any(row.measure == kind and figures for row, figures in found.items()):
            report_one(kind, {row: figures for row, figures in found.items() if figures})


def report_one(kind: str, found: dict[Row, list[list[float]]]) -> None:
    rows = {
        row: [*zip(*figures, strict=True)] for row, figures in found.items() if row.measure == kind
    }
    middle = {row: median(columns[0]) for row, columns in rows.items()}
    peers = [row for row in rows if row.library in PEERS]
    best = (min if kind in LESS_IS_BETTER else max)(peers, key=middle.__getitem__, default=None)
    print(f"\n{TITLES[kind]}" + (f"; beside {best.name}" if best else ""))
    for row, columns in rows.items():
        beside = f"  {middle[row] / middle[best]:.2f}" if best else ""
        print(f"  {row.name:48}" + "".join(map(shown, columns)) + beside, flush=True)


def shown(values: Iterable[float]) -> str:
    """Median (lowest, highest)."""
    values = list(values)
    digits = 0 if median(values) >= 100 else 2
    low, high = f"{min(values):.{digits}f}", f"{max(values):.{digits}f}"
    return f" {median(values):>8.{digits}f} {f'({low}, {high})':18}"


def report_raw(databases: Databases, rounds: int) -> None:
    found: dict[str, list[float]] = {}
    for _ in range(rounds):
        address = databases.new()
        databases.rest()
        for line in run_one(RAW, address).splitlines():
            name, _, figure = line.partition(": ")
            found.setdefault(name, []).append(float(figure))
        databases.drop(address)
    print("\nthe database by itself, one connection; a second")
    for name, figures in found.items():
        print(f"  {name:48}{shown(figures)}", flush=True)


def scaled(row: Row, scale: float) -> Row:
    """Rows of fewer tasks, in whole hundreds for a hundred callers."""
    if scale == 1 or row.section == "idle":
        return row
    count = max(100, round(row.count * scale, -2))
    loaded = count + round((row.loaded - row.count) * scale) if row.loaded else 0
    return Row(row.section, row.measure, row.contender, row.loop, int(count), int(loaded))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("what", nargs="*", default=SECTIONS)
    parser.add_argument("--store", action="append", choices=("postgres", "sqlite"))
    parser.add_argument("--url", help="a MySQL or MariaDB server's, with a user and a password")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scale", type=float, default=1.0)
    options = parser.parse_args()
    if unknown := set(options.what) - set(SECTIONS):
        parser.error(f"{', '.join(unknown)}: not one of {', '.join(SECTIONS)}")
    stores = options.store or ([] if options.url else ["postgres", "sqlite"])
    peers = [name for name in ("pgqueuer", "chancy", "oban", "huey") if find_spec(name)]
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, load {os.getloadavg()}")
    print(", ".join(f"{name} {version(name)}" for name in ("oncue", *peers)))

    if find_spec("oban") is None:
        print("oban is left out: it needs Python 3.12")

    def chosen(rows: list[Row]) -> list[Row]:
        there = {"oncue", *peers}
        order = list(TITLES)  # neighbours in a table are neighbours in time
        return [
            scaled(row, options.scale)
            for row in sorted(rows, key=lambda row: order.index(row.measure))
            if row.section in options.what and row.library in there
        ]

    if "postgres" in stores:
        with postgres() as databases:
            report("PostgreSQL", databases, chosen([*ON_POSTGRES, *OURS]), options.rounds)
            if "raw" in options.what:
                report_raw(databases, options.rounds)
    if "sqlite" in stores:
        with sqlite() as databases:
            report("SQLite", databases, chosen([*ON_SQLITE, *OURS]), options.rounds)
            if "raw" in options.what:
                report_raw(databases, options.rounds)
    if options.url:
        databases = MysqlDatabases(options.url)
        report("MySQL", databases, chosen(OURS), options.rounds)


if __name__ == "__main__":
    main()
