"""The databases, each test once on each."""

from collections.abc import Generator
from pathlib import Path

import pytest

from tests.stores.sql import kit


@pytest.fixture(params=kit.KINDS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Generator[kit.Place]:
    with kit.place(request.param, tmp_path) as where:
        yield where
