"""A copy of this project in a folder of its own, and pytest run there.

For the tests that must break something to see it noticed: a planted bug, a planted type
error, a checkout without links. The working tree is never touched, and what is built or
cached there is left behind.
"""

import atexit
import os
import re
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent

LEFT_BEHIND = shutil.ignore_patterns(
    ".git", ".venv", "__pycache__", ".*_cache", ".hypothesis", "*.egg-info", "build", "dist",
    "_build", "uv.lock", ".coverage*",
)  # fmt: skip

OUTCOME = re.compile(r"^(PASSED|FAILED|ERROR|XFAIL|XPASS) (\S+\.py\S*)", re.MULTILINE)


def copy_tree(to: Path) -> Path:
    """This project, links kept as links, copied to `to`, which must not exist yet."""
    return shutil.copytree(ROOT, to, symlinks=True, ignore=LEFT_BEHIND)


def run_pytest(tree: Path, *arguments: str) -> tuple[dict[str, str], str]:
    """pytest in `tree`, whose modules come before the installed ones.

    Returns the outcome of each test or broken file, by node id, and all that was printed.
    A node id that holds a space is cut there.
    """
    command = [sys.executable, "-m", "pytest", "-q", "-n0", "-rA", "--tb=short", *arguments]
    environment = {
        **os.environ,
        "PYTEST_ADDOPTS": "-p no:cacheprovider",
        "PYTHONDONTWRITEBYTECODE": "",
        "PYTHONPYCACHEPREFIX": str(_bytecode()),
        "COLUMNS": "200",
        "NO_COLOR": "1",
    }
    done = subprocess.run(
        command, cwd=tree, env=environment, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip
    place = tree.resolve()
    shutil.rmtree(_bytecode() / place.relative_to(place.anchor), ignore_errors=True)
    outcomes = {node: outcome for outcome, node in OUTCOME.findall(done.stdout)}
    return outcomes, done.stdout


@cache
def _bytecode() -> Path:
    """Where the interpreters of all copies keep what they compile: to compile the libraries, where
    the installer did not, takes longer than most of the tests that are run in a copy."""
    folder = Path(tempfile.mkdtemp(prefix="oncue-pyc-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
