"""Every promise of docs/semantics.md is carried by a test."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
NUMBER = re.compile(r"\b[KD]\d+\.\d+\b")
TESTS = ("tests", "oncue/testing")


def promised() -> list[str]:
    return re.findall(r"^- \*\*([KD]\d+\.\d+)\*\*", (ROOT / "docs/semantics.md").read_text(), re.M)


def carried() -> set[str]:
    found: set[str] = set()
    for path in (path for folder in TESTS for path in (ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if (
                isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
                and node.name[:5] == "test_"
            ):
                found |= set(NUMBER.findall(ast.get_docstring(node) or ""))
    return found


def test_each_promise_is_carried_by_a_test() -> None:
    assert set(promised()) - carried() == set()


def test_no_test_carries_a_promise_that_is_not_made() -> None:
    assert carried() - set(promised()) == set()
