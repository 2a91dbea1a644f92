"""What tests/conftest.py promises to every other test, seen from outside."""

import pytest

from tests.trees import ROOT, run_pytest

SUITE = """\
import threading
import anyio
import pytest


async def test_plain(anyio_backend_name):
    await anyio.sleep(3600)


@pytest.mark.real_time
async def test_real(anyio_backend_name):
    await anyio.sleep(0.001)


@pytest.mark.real_backends
async def test_wide(anyio_backend_name):
    await anyio.sleep(0.001)


@pytest.mark.real_time
async def test_real_with_clock(clock):
    pass


@pytest.mark.watchdog(0.2)
async def test_hang():
    async with anyio.create_task_group() as group:
        group.start_soon(anyio.sleep_forever, name="the sleeper")


@pytest.mark.watchdog(0.2)
async def test_spin():
    while True:
        await anyio.sleep(1)


def test_unclosed():
    open("/dev/null")


def test_thread():
    thread = threading.Thread(target=lambda: 1 / 0)
    thread.start()
    thread.join()
"""


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, str], str]:
    """The suite above, run under this project's configuration."""
    tree = tmp_path_factory.mktemp("tree")
    (tree / "tests").mkdir()
    for name in ("pyproject.toml", "tests/conftest.py"):
        (tree / name).write_text((ROOT / name).read_text())
    (tree / "tests/test_it.py").write_text(SUITE)
    return run_pytest(tree)


Ran = tuple[dict[str, str], str]


def cases(ran: Ran, test: str) -> dict[str, str]:
    start = f"tests/test_it.py::{test}["
    return {
        node.removeprefix(start).rstrip("]"): outcome
        for node, outcome in ran[0].items()
        if node.startswith(start)
    }


@pytest.mark.parametrize("test", ["test_plain", "test_real"])
def test_an_async_test_needs_no_decorator_and_runs_on_both_backends(ran: Ran, test: str) -> None:
    assert cases(ran, test) == {"asyncio": "PASSED", "trio": "PASSED"}


def test_a_test_may_ask_for_every_loop_there_is(ran: Ran) -> None:
    assert cases(ran, "test_wide").items() >= {"asyncio": "PASSED", "trio": "PASSED"}.items()
    assert set(cases(ran, "test_wide").values()) == {"PASSED"}
    assert "uvloop" in cases(ran, "test_wide")


def test_virtual_time_is_refused_to_a_test_in_real_time(ran: Ran) -> None:
    assert cases(ran, "test_real_with_clock") == {"asyncio": "ERROR", "trio": "ERROR"}


@pytest.mark.parametrize("test", ["test_hang", "test_spin"])
def test_a_hang_fails(ran: Ran, test: str) -> None:
    assert cases(ran, test) == {"asyncio": "FAILED", "trio": "FAILED"}


def test_a_hang_shows_where_its_tasks_stand(ran: Ran) -> None:
    assert ran[1].count("task the sleeper, most recent call last:") == 2
    assert "in sleep_forever" in ran[1]


@pytest.mark.parametrize("test", ["test_unclosed", "test_thread"])
def test_what_python_can_only_print_is_an_error(ran: Ran, test: str) -> None:
    assert ran[0][f"tests/test_it.py::{test}"] == "FAILED"
