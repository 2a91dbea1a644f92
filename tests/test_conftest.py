"""What tests/conftest.py promises to every other test, seen from outside."""

from pathlib import Path

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


SEEDED_SUITE = """\
import anyio
import pytest
from anyio.lowlevel import checkpoint
from oncue.runtime import ActorSystem, SupervisorSpec


async def order():
    order = []

    async def note(number):
        for _ in range(3):
            order.append(number)
            await checkpoint()

    async with anyio.create_task_group() as group:
        for number in range(6):
            group.start_soon(note, number)
    return order


async def test_shows_its_order(request):
    system = ActorSystem(SupervisorSpec("app"))
    print("ORDER", request.node.name, *await order(), system._entropy.random())


async def test_race():  # the planted one: that 0 is always before 5
    found = await order()
    assert found.index(0) < found.index(5)


@pytest.mark.real_time
async def test_real(anyio_backend_name):
    pass


def test_sync():
    pass
"""

Ran = tuple[dict[str, str], str]


def run_suite(tree: Path, suite: str, *arguments: str) -> Ran:
    """The suite, run under this project's configuration."""
    (tree / "tests").mkdir(exist_ok=True)
    for name in ("pyproject.toml", "tests/conftest.py"):
        (tree / name).write_text((ROOT / name).read_text())
    (tree / "tests/test_it.py").write_text(suite)
    return run_pytest(tree, *arguments)


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    return run_suite(tmp_path_factory.mktemp("tree"), SUITE)


@pytest.fixture(scope="module")
def seeded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Ran]:
    tree = tmp_path_factory.mktemp("seeded")
    return tree, run_suite(tree, SEEDED_SUITE, "--seeds", "12")


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


# -- seeds ------------------------------------------------------------------------------

Seeded = tuple[Path, Ran]


def orders(ran: Ran) -> dict[str, str]:
    lines = [line.split(maxsplit=2) for line in ran[1].splitlines() if line.startswith("ORDER")]
    return {name: order for _, name, order in lines}


def test_with_seeds_a_test_in_virtual_time_runs_once_for_each(seeded: Seeded) -> None:
    _, ran = seeded
    assert cases(ran, "test_shows_its_order") == {f"trio-seed{n}": "PASSED" for n in range(12)}
    assert cases(ran, "test_real") == {"asyncio": "PASSED", "trio": "PASSED"}
    assert ran[0]["tests/test_it.py::test_sync"] == "PASSED"


def test_seeds_differ_in_order_and_in_the_entropy_of_systems(seeded: Seeded) -> None:
    seen = [order.split() for order in orders(seeded[1]).values()]
    assert len({tuple(order[:-1]) for order in seen}) > 6
    assert len({order[-1] for order in seen}) == 12


def test_a_planted_race_is_found_by_some_seed_whose_case_repeats_it(seeded: Seeded) -> None:
    tree, ran = seeded
    found = cases(ran, "test_race")
    assert set(found.values()) == {"PASSED", "FAILED"}
    seed = next(seed for seed, outcome in found.items() if outcome == "FAILED")
    for _ in range(3):
        case = f"tests/test_it.py::test_race[{seed}]"
        assert run_pytest(tree, "--seeds", "12", case)[0] == {case: "FAILED"}


def test_a_seed_repeats_its_order_in_another_process_whatever_ran_before(seeded: Seeded) -> None:
    tree, ran = seeded
    case = "test_shows_its_order[trio-seed7]"
    alone = run_pytest(tree, "--seeds", "12", f"tests/test_it.py::{case}")
    assert orders(alone)[case] == orders(ran)[case]
