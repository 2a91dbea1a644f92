"""A copy of this project in a folder of its own, and pytest run there.

For the tests that must break something to see it noticed: a planted bug, a planted type
error, a checkout without links. The working tree is never touched, and what is built or
cached there is left behind.
"""

import os
import re
import shutil
import subprocess
import sys
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
        "PYTHONDONTWRITEBYTECODE": "1",
        "COLUMNS": "200",
        "NO_COLOR": "1",
    }
    done = subprocess.run(
        command, cwd=tree, env=environment, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip
    outcomes = {node: outcome for outcome, node in OUTCOME.findall(done.stdout)}
    return outcomes, done.stdout
