"""Every Python block of README.md, CONTRIBUTING.md and docs/ runs.

The blocks of a page share one namespace, in order, as a reader would type them. sybil finds
them; a page is one test, because a later block needs the earlier ones.
"""

import sys
from pathlib import Path
from types import ModuleType

import pytest
from sybil import Sybil
from sybil.parsers.myst import PythonCodeBlockParser, SkipParser

from tests.trees import ROOT

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]

SYBIL = Sybil([PythonCodeBlockParser(), SkipParser()])


def run_page(page: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    """Run the blocks of a page; returns how many there were."""
    # As the main program, so that `if __name__ == "__main__":` runs and pydantic finds names.
    main = ModuleType("__main__")
    monkeypatch.setitem(sys.modules, "__main__", main)
    document = SYBIL.parse(page)
    document.namespace = vars(main)
    examples = list(document.examples())
    for example in examples:
        example.evaluate()
    return len(examples)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_the_blocks_of_a_page_run(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run_page(page, monkeypatch)


PAGE = """\
# A page

```python
from dataclasses import dataclass

@dataclass
class Point:
    x: "int"
```

```console
$ this is not run
```

<!-- skip: next -->
```python
nor_is_this
```

```python
assert Point(1).x == {x}
if __name__ == "__main__":
    print("main ran")
```
"""


def test_the_blocks_share_a_namespace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.md"
    page.write_text(PAGE.format(x=1))
    run_page(page, monkeypatch)
    assert capsys.readouterr().out == "main ran\n"


def test_a_block_that_is_wrong_fails_at_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "page.md"
    page.write_text(PAGE.format(x=2))
    with pytest.raises(AssertionError) as failure:
        run_page(page, monkeypatch)
    last = failure.traceback[-1]
    assert last.path == page
    assert page.read_text().splitlines()[last.lineno].startswith("assert Point")
