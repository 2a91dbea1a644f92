"""Every planted bug is seen by the tests it names; and the proof itself can fail."""

import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.faults.planting import BadPlant, Plant, apply_plant, complaints, read_plant
from tests.trees import ROOT, copy_tree

PLANTED = sorted(Path(__file__).parent.glob("planted/*.diff"))


AT_ONCE = 2
"""Each is a pytest of its own, which waits for half of its time."""


@pytest.fixture(scope="module")
def proofs(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[Path, Future[list[str]]]]:
    """All that this run wants, under way."""

    def prove(diff: Path) -> list[str]:
        return complaints(read_plant(diff), copy_tree(tmp_path_factory.mktemp(diff.stem) / "tree"))

    wanted = [
        item.callspec.params["diff"]
        for item in request.session.items
        if isinstance(item, pytest.Function) and "proofs" in item.fixturenames
    ]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield {diff: pool.submit(prove, diff) for diff in wanted if isinstance(diff, Path)}
        pool.shutdown(cancel_futures=True)


@pytest.mark.parametrize("diff", PLANTED, ids=lambda diff: diff.stem)
def test_a_planted_bug_applies_to_the_code_as_it_is(diff: Path) -> None:
    apply_plant(read_plant(diff), ROOT, "--check")


@pytest.mark.slow
@pytest.mark.skipif(
    not os.environ.get("ONCUE_TEST_LONG"), reason="all bugs take minutes: ONCUE_TEST_LONG=1"
)
@pytest.mark.parametrize("diff", PLANTED, ids=lambda diff: diff.stem)
def test_a_planted_bug_turns_its_tests_red(
    diff: Path, proofs: dict[Path, Future[list[str]]]
) -> None:
    assert proofs[diff].result() == []


CALC = """\
def add(a, b):
    return a + b


def half(a):
    return a / 2
"""

TESTS = """\
import pytest
from calc import add, half


@pytest.mark.parametrize("b", [1, 2])
def test_add(b):
    assert add(1, b) == 1 + b


def test_half():
    assert half(2) == 1
"""

BUG = """\
--- a/calc.py
+++ b/calc.py
@@ -1,4 +1,4 @@
 def add(a, b):
-    return a + b
+    return {line}


"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A project of one module and two tests."""
    tree = tmp_path / "tree"
    (tree / "tests").mkdir(parents=True)
    (tree / "calc.py").write_text(CALC)
    (tree / "tests/test_calc.py").write_text(TESTS)
    return tree


def plant(tree: Path, line: str, *red: str) -> Plant:
    diff = tree.parent / "bug.diff"
    header = "".join(f"Red: tests/test_calc.py::{test}\n" for test in red)
    diff.write_text(f"What is wrong.\n{header}\n{BUG.format(line=line)}")
    return read_plant(diff)


def test_a_bug_that_every_case_sees_is_proof_enough(tree: Path) -> None:
    assert complaints(plant(tree, "a - b", "test_add"), tree) == []


def test_one_case_may_be_named_alone(tree: Path) -> None:
    assert complaints(plant(tree, "a + 1", "test_add[2]"), tree) == []


def test_a_case_that_does_not_see_the_bug_is_told(tree: Path) -> None:
    found = complaints(plant(tree, "a + 1", "test_add"), tree)
    assert found[0] == "tests/test_calc.py::test_add: FAILED, PASSED, not FAILED"


def test_each_named_test_must_be_red(tree: Path) -> None:
    found = complaints(plant(tree, "a - b", "test_add", "test_half"), tree)
    assert found[0] == "tests/test_calc.py::test_half: PASSED, not FAILED"


def test_a_tree_that_cannot_be_imported_is_no_red_test(tree: Path) -> None:
    found = complaints(plant(tree, "a +", "test_add"), tree)
    assert found[0] == "tests/test_calc.py::test_add: did not run, not FAILED"
    assert "SyntaxError" in found[-1]


def test_a_test_that_is_gone_is_told(tree: Path) -> None:
    found = complaints(plant(tree, "a - b", "test_subtract"), tree)
    assert found[0] == "tests/test_calc.py::test_subtract: did not run, not FAILED"


def test_a_diff_that_does_not_apply_any_more_is_refused(tree: Path) -> None:
    bug = plant(tree, "a - b", "test_add")
    (tree / "calc.py").write_text(CALC.replace("a + b", "b + a"))
    with pytest.raises(BadPlant, match=r"bug\.diff does not apply"):
        complaints(bug, tree)


def test_a_diff_that_names_no_test_is_refused(tree: Path) -> None:
    with pytest.raises(BadPlant, match=r"bug\.diff names no test"):
        plant(tree, "a - b")
