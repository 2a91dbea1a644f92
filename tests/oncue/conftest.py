"""What the tests of settings, adapters and commands share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from oncue import depends
from tests.oncue.kit import Folder


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Folder]:
    """A current directory to put settings into; no instance is left behind."""
    yield Folder(tmp_path, monkeypatch)
    depends.clear()
