"""Both type checkers see behind the three links.

pyright does not walk into links by itself, and reports no errors in files it never read.
So one error is planted behind each, and all of them must be reported. (That nothing else is
wrong is for `./check types` to say.)
"""

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.house import PARTS
from tests.trees import copy_tree

pytestmark = pytest.mark.slow

PLANTED = {f"oncue/{part}/_planted.py" for part in PARTS}


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tree = copy_tree(tmp_path_factory.mktemp("planted") / "tree")
    for part in PARTS:
        (tree / part / "_planted.py").write_text('x: int = "not a number"\n')
    return tree


def files_with_errors(checker: str, tree: Path, *arguments: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-m", checker, *arguments],
        cwd=tree, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stdout + done.stderr
    found: list[str] = re.findall(r"^\s*(\S+\.py):\d+.*\berror\b", done.stdout, re.MULTILINE)
    return {path.removeprefix(f"{tree.resolve()}/") for path in found}


@pytest.mark.skipif(not find_spec("mypy"), reason="belongs to the lint group")
def test_mypy_sees_an_error_behind_each_link(tree: Path) -> None:
    assert files_with_errors("mypy", tree) >= PLANTED


@pytest.mark.skipif(not find_spec("pyright"), reason="belongs to the lint group")
def test_pyright_sees_an_error_behind_each_link(tree: Path) -> None:
    assert files_with_errors("pyright", tree, "--pythonpath", sys.executable) >= PLANTED
