"""The durable queues beside their peers, and what the databases below them can do.

    uv run --group bench python benchmarks/durable_queue.py [rates] [latency] [idle] [depth] [raw]
        [--store postgres] [--store sqlite] [--store redis] [--store mongodb] [--url mysql://...]
        [--fsync everysec] [--only NAME] [--rounds 3] [--scale 1.0]

Each measure is a process of its own on a database of its own; every round runs each once, in the
same order, so that a machine whose speed drifts drifts for all. Printed is the median over the
rounds, and its ratio to the best peer's. `durable_measure.py` says what each measure is, and
`durable_peers.py` and `durable_redis_peers.py` how each peer is set; `durable_raw.py` measures the
databases of SQL by themselves.
What is drained was loaded once, by the library that drains it, and is copied for each round.

Peers on PostgreSQL are pgqueuer, chancy and oban (which needs Python 3.12), on SQLite huey, on
Redis arq, saq, taskiq-redis, dramatiq and streaq. What stands in for MongoDB is measured only if
asked for, and a MySQL or MariaDB where its address is given, both for OnCue alone; the latter
copies no databases, so that `depth` takes long there. On a quiet machine of two cores three rounds
take some ten minutes for each store.

`--fsync` is when Redis writes its log to the disk, for all contenders alike: `always`, each second
(`everysec`), or when the system likes (`no`). `--only` may be given more than once.

--scale 0.05 is for looking whether it all runs; its figures say nothing.
"""

import argparse
import os
import platform
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import replace
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from time import monotonic

from durable_rows import (
    LESS_IS_BETTER,
    ON_MONGODB,
    ON_POSTGRES,
    ON_REDIS,
    ON_SQLITE,
    OURS,
    PEERS,
    TITLES,
    Row,
)
from mongodb_servers import mongodb
from redis_servers import FSYNC, redis
from servers import Databases, MysqlDatabases, postgres, sqlite

SECTIONS = ("rates", "latency", "idle", "depth", "raw")
MEASURE = Path(__file__).with_name("durable_measure.py")
RAW = Path(__file__).with_name("durable_raw.py")
MEASURE_S_MAX = 120.0
LOAD_S_MAX = 400.0
MODULES = {"taskiq-redis": "taskiq_redis"}
FIGURES = "figures:"
"""How the line begins that says what was measured; the others are a library's log."""


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
        if not self._databases.copies:
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
    return replace(row, count=int(count), loaded=int(loaded))


Server = Callable[[], AbstractContextManager[Databases]]
WITH_PEERS = ("postgres", "sqlite", "redis")
WITH_RAW = ("postgres", "sqlite")


def stores(options: argparse.Namespace) -> dict[str, tuple[str, list[Row], Server]]:
    """Each by the name that `--store` knows: its title, its rows, and what starts it."""
    return {
        "postgres": ("PostgreSQL", [*ON_POSTGRES, *OURS], postgres),
        "sqlite": ("SQLite", [*ON_SQLITE, *OURS], sqlite),
        "redis": (
            f"Valkey, appendfsync {options.fsync}",
            [*ON_REDIS, *OURS],
            lambda: redis(options.fsync),
        ),
        "mongodb": ("SecantusDB, for MongoDB", ON_MONGODB, mongodb),
    }


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("what", nargs="*", default=SECTIONS)
    parser.add_argument("--store", action="append", choices=(*WITH_PEERS, "mongodb"))
    parser.add_argument("--fsync", choices=FSYNC, default=FSYNC[0], help="when Redis writes")
    parser.add_argument("--url", help="a MySQL or MariaDB server's, with a user and a password")
    parser.add_argument("--only", action="append", help="of these contenders alone")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scale", type=float, default=1.0)
    options = parser.parse_args()
    if unknown := set(options.what) - set(SECTIONS):
        parser.error(f"{', '.join(unknown)}: not one of {', '.join(SECTIONS)}")
    options.store = options.store or ([] if options.url else [*WITH_PEERS])
    return options


def main() -> None:
    options = read_options()
    there = {"oncue", *(name for name in PEERS if find_spec(MODULES.get(name, name)))}
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, load {os.getloadavg()}")
    print(", ".join(f"{name} {version(name)}" for name in sorted(there)))
    if "oban" not in there:
        print("oban is left out: it needs Python 3.12")

    def chosen(rows: list[Row]) -> list[Row]:
        order = list(TITLES)  # neighbours in a table are neighbours in time
        return [
            scaled(row, options.scale)
            for row in sorted(rows, key=lambda row: order.index(row.measure))
            if row.section in options.what
            and row.library in there
            and (not options.only or row.library in options.only)
        ]

    known = stores(options)
    for name in options.store:
        title, rows, server = known[name]
        with server() as databases:
            report(title, databases, chosen(rows), options.rounds)
            if "raw" in options.what and name in WITH_RAW:
                report_raw(databases, options.rounds)
    if options.url:
        report("MySQL", MysqlDatabases(options.url), chosen(OURS), options.rounds)


if __name__ == "__main__":
    main()
