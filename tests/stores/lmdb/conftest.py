"""What starts processes takes seconds: on one backend, while the processes take turns on both."""

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items[:] = [
        item
        for item in items
        if not isinstance(item, pytest.Function)
        or item.path.name != "test_processes.py"
        or not hasattr(item, "callspec")
        or item.callspec.params["anyio_backend"] == "trio"
    ]
