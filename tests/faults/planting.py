"""Planted bugs: what proves that a fault test can fail.

Each `planted/*.diff` puts one bug into the code and names, in the lines above the diff,
the tests that must see it:

    The claim forgets the lease, so that two workers own one attempt.
    Red: tests/stores/test_memory.py::test_a_claimed_task_is_claimed_once

`complaints(plant, tree)` applies one to a copy of the project, runs those tests there and
says what is wrong with the proof, nothing when every case of every named test is red.
A test that cannot be collected any more is no red test: the bug must be seen, not break
the import.
"""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.trees import run_pytest


@dataclass(frozen=True, slots=True, kw_only=True)
class Plant:
    """One diff, and the tests that must turn red by it."""

    diff: Path
    red: tuple[str, ...]


class BadPlant(Exception):
    """A planted diff that names no test or does not apply any more."""


def read_plant(diff: Path) -> Plant:
    """The plant in a file; BadPlant when its header has no `Red:` line."""
    header = diff.read_text().split("\n--- ", 1)[0].splitlines()
    red = tuple(line.removeprefix("Red:").strip() for line in header if line.startswith("Red:"))
    if not red:
        raise BadPlant(f"{diff.name} names no test: add a line `Red: tests/...::test_...`")
    return Plant(diff=diff, red=red)


def apply_plant(plant: Plant, tree: Path, *options: str) -> None:
    """Change `tree` as the diff says, whole or not at all (BadPlant); `--check`: only look."""
    # Inside another repository `git apply` would skip every path without a word.
    environment = {**os.environ, "GIT_CEILING_DIRECTORIES": str(tree.resolve().parent)}
    done = subprocess.run(
        ["git", "apply", "--verbose", *options, str(plant.diff.resolve())],
        cwd=tree, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        raise BadPlant(f"{plant.diff.name} does not apply; renew it\n{done.stderr}")


def complaints(plant: Plant, tree: Path) -> list[str]:
    """Why this plant in this copy of the project proves nothing; empty when it does."""
    apply_plant(plant, tree)
    outcomes, printed = run_pytest(tree, *plant.red)
    found = [
        f"{test}: {', '.join(sorted(seen)) or 'did not run'}, not FAILED"
        for test in plant.red
        if (seen := _outcomes_of(test, outcomes)) != {"FAILED"}
    ]
    return [*found, printed] if found else []


def _outcomes_of(test: str, outcomes: dict[str, str]) -> set[str]:
    """Over all parameters of the test, unless it was named with them."""
    return {
        outcome
        for node, outcome in outcomes.items()
        if node == test or node.startswith((f"{test}[", f"{test}::"))
    }
