"""The house rules hold, and each of them can fail."""

import json
import statistics
import subprocess
import sys

import pytest

from tests import house
from tests.house import PARTS, Source
from tests.trees import ROOT

PRODUCT = house.read_sources(ROOT, (*PARTS, "oncue"))
EVERYTHING = [*PRODUCT, *house.read_sources(ROOT, ("tests", "benchmarks", "examples"))]

IMPORT_S_MAX = 0.3
HEAVY = {"coredis", "psycopg", "pymongo", "pymysql", "sqlalchemy", "starlette", "trio"}


def test_imports_go_one_way() -> None:
    assert house.imports_against_the_way(PRODUCT) == []


def test_imports_have_no_cycle() -> None:
    assert house.import_cycles(PRODUCT) == []


def test_time_ids_and_chance_come_in_by_their_ports() -> None:
    assert house.chance_outside_the_ports(PRODUCT) == []


def test_only_the_seams_know_which_loop_runs() -> None:
    assert house.loops_outside_the_seams(PRODUCT) == []


def test_files_classes_and_functions_fit_a_head() -> None:
    assert house.oversized(EVERYTHING) == []


def test_every_part_was_read() -> None:
    assert {source.path.split("/")[0] for source in PRODUCT} == {*PARTS, "oncue"}
    assert not any(source.path.startswith(f"oncue/{part}/") for source in PRODUCT for part in PARTS)


def test_a_seam_that_is_gone_is_taken_off_the_list() -> None:
    assert {source.path for source in PRODUCT} >= house.SEAMS


def test_importing_oncue_is_quick_and_light() -> None:
    program = (
        "import json, sys, time\n"
        "began = time.perf_counter()\n"
        "import oncue\n"
        "print(json.dumps([time.perf_counter() - began, sorted(sys.modules)]))\n"
    )
    took_s: list[float] = []
    for _ in range(3):
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
        seconds, modules = json.loads(done.stdout)
        assert HEAVY.isdisjoint(modules)
        took_s.append(seconds)
    assert statistics.median(took_s) < IMPORT_S_MAX


@pytest.mark.parametrize(
    ("path", "line", "complaint"),
    [
        ("runtime/_x.py", "from ..stores import task", "runtime may not import oncue.stores.task"),
        ("runtime/_x.py", "from .. import actors", "runtime may not import oncue.actors"),
        ("stores/sql/x.py", "from ...runtime import R", "stores may not import oncue.runtime.R"),
        ("stores/__init__.py", "from ..actors import p", "stores may not import oncue.actors.p"),
        ("actors/pool.py", "from ..settings import S", "actors may not import oncue.settings.S"),
        ("actors/pool.py", "import oncue.runtime", "oncue.runtime: only relative imports"),
        ("actors/pool.py", "from oncue.stores import x", "oncue.stores.x: only relative imports"),
        ("oncue/cli.py", "from runtime import Ref", "say oncue.runtime.Ref"),
        ("oncue/cli.py", "def f():\n    import stores.task", "say oncue.stores.task"),
    ],
)  # fmt: skip
def test_an_import_against_the_way_is_seen(path: str, line: str, complaint: str) -> None:
    (seen,) = house.imports_against_the_way([Source(path=path, text=line)])
    assert seen.startswith(f"{path}:")
    assert complaint in seen


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("actors/pool.py", "from ..runtime import Ref\nfrom ..stores.task import TaskData"),
        ("stores/sql/x.py", "from ..task import TaskData\nfrom . import y"),
        ("oncue/cli.py", "from oncue.actors import graph\nfrom .settings import S"),
        ("runtime/_x.py", "import anyio\nfrom . import _ref"),
    ],
)
def test_an_import_along_the_way_is_not(path: str, line: str) -> None:
    assert house.imports_against_the_way([Source(path=path, text=line)]) == []


def cycle(first: str, second: str) -> list[str]:
    sources = [Source(path="runtime/_a.py", text=first), Source(path="runtime/_b.py", text=second)]
    return house.import_cycles(sources)


def test_a_cycle_is_seen() -> None:
    (seen,) = cycle("from ._b import B", "class C:\n    from . import _a")
    assert "oncue.runtime._a <- oncue.runtime._b" in seen


@pytest.mark.parametrize(
    "later",
    [
        "if TYPE_CHECKING:\n    from ._a import A",
        "def f():\n    from ._a import A",
    ],
)
def test_an_import_that_does_not_run_at_loading_makes_no_cycle(later: str) -> None:
    assert cycle("from ._b import B", later) == []


@pytest.mark.parametrize(
    "line",
    [
        "import time",
        "from time import monotonic",
        "import random as r",
        "from secrets import token_hex",
        "from uuid import uuid4",
        "import uuid\nuuid.uuid4()",
        "from datetime import datetime\ndatetime.now(UTC)",
        "import datetime\ndatetime.datetime.utcnow()",
        "from datetime import date\ndate.today()",
        "import os\nos.urandom(8)",
    ],
)
def test_chance_outside_its_ports_is_seen(line: str) -> None:
    assert len(house.chance_outside_the_ports([Source(path="actors/pool.py", text=line)])) == 1
    for port in ("runtime/_clock.py", "stores/sql/clock.py", "oncue/testing/_virtual.py"):
        assert house.chance_outside_the_ports([Source(path=port, text=line)]) == []


def test_a_clock_that_was_passed_in_is_no_chance() -> None:
    text = "from uuid import UUID, uuid5\nfrom datetime import datetime, time\nself.clock.now()"
    assert house.chance_outside_the_ports([Source(path="actors/pool.py", text=text)]) == []


@pytest.mark.parametrize("line", ["import asyncio", "def f():\n    from trio import Nursery"])
def test_a_loop_outside_the_seams_is_seen(line: str) -> None:
    assert len(house.loops_outside_the_seams([Source(path="actors/pool.py", text=line)])) == 1
    for seam in house.SEAMS:
        assert house.loops_outside_the_seams([Source(path=seam, text=line)]) == []


@pytest.mark.parametrize(
    ("text", "most"),
    [
        ("x = 1\n" * 401, 400),
        ("class A:\n" + "    x = 1\n" * 350, 350),
        ("async def f():\n" + "    x = 1\n" * 70, 70),
        ("class A:\n    def f(self):\n" + "        x = 1\n" * 70, 70),
    ],
)
def test_what_is_too_large_is_seen(text: str, most: int) -> None:
    (seen,) = house.oversized([Source(path="actors/pool.py", text=text)])
    assert f"at most {most}" in seen
    shorter = text.rsplit("\n", 2)[0] + "\n"
    assert house.oversized([Source(path="actors/pool.py", text=shorter)]) == []
