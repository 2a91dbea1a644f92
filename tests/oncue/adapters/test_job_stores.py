"""Job stores are found by entry point: those of packages that we know nothing of."""

from collections.abc import Iterator
from contextlib import nullcontext
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

import pytest

from oncue import SettingsError, TaskData, TaskStatus, open_queue
from oncue.adapters.apscheduler import APSchedulerQueue
from oncue.adapters.job_stores import StoreSettings, installed_stores, make_store
from oncue.stores import MemoryStore, SystemStoreClock
from tests.oncue.kit import site_packages

DRAWER = """
    from oncue.stores import MemoryStore

    made = []


    def make_store(settings):
        if settings.options.get("jammed"):
            raise ValueError("job_store_options: the drawer is jammed")
        made.append(settings)
        return MemoryStore(clock=settings.clock, result_ttl_s=settings.result_ttl_s)


    nothing = None
"""


class Install(Protocol):
    def __call__(self, name: str, where: str = ..., *, distribution: str = ...) -> None: ...


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Install a distribution with one job store, as pip would, in a folder on the path."""
    with site_packages(tmp_path, monkeypatch) as site:

        def install(
            name: str, where: str = "make_store", *, distribution: str = "oncue-drawer"
        ) -> None:
            module = distribution.replace("-", "_")
            points = f"[oncue.stores]\n{name} = {module}:{where}\n"
            site.install(distribution, module, DRAWER, points)

        yield install


def settings(**options: Any) -> StoreSettings:
    return StoreSettings(
        url="drawer:second",
        options=options,
        result_ttl_s=1,
        dead_letter_ttl_s=2,
        clock=SystemStoreClock(),
        hold=nullcontext,
    )


def test_what_is_installed_is_found_by_name_and_not_loaded(install: Install) -> None:
    install("drawer", "no_such_thing")
    assert installed_stores()["drawer"].value == "oncue_drawer:no_such_thing"
    assert list(installed_stores()) == sorted(installed_stores())


def test_it_is_made_from_the_settings(install: Install) -> None:
    install("drawer")
    assert isinstance(make_store("drawer", settings()), MemoryStore)


@pytest.mark.parametrize("where", ["nothing", "no_such_thing", "made"])
def test_what_is_no_function_is_said_to_be_none(install: Install, where: str) -> None:
    install("drawer", where)
    with pytest.raises(TypeError) as caught:
        make_store("drawer", settings())
    assert str(caught.value) == (
        f"oncue_drawer:{where}, the job store 'drawer' of oncue-drawer, must be a function of "
        "StoreSettings"
    )


def test_two_of_one_name_are_not_chosen_between(install: Install) -> None:
    install("drawer")
    install("drawer", distribution="oncue-chest")
    with pytest.raises(ValueError, match="two job stores are named 'drawer': ") as caught:
        make_store("drawer", settings())
    for home in ("oncue_drawer:make_store of oncue-drawer", "oncue_chest:make_store of oncue-ch"):
        assert home in str(caught.value)


async def test_a_queue_works_on_it(install: Install) -> None:
    """With the settings of the queue, its options, and its clock."""
    install("drawer")
    queue = open_queue(
        "apscheduler",
        job_store_type="drawer",
        job_store_url="drawer:second",
        job_store_options={"depth": 3},
        result_ttl=5,
        dead_letter_ttl=6,
    )
    made: StoreSettings
    [made] = vars(import_module("oncue_drawer"))["made"]
    assert (made.url, made.options) == ("drawer:second", {"depth": 3})
    assert (made.result_ttl_s, made.dead_letter_ttl_s) == (5, 6)
    assert made.clock.now().tzinfo is not None
    queue.register_handler("echo", echo)
    async with queue:
        result = await queue.wait(await queue.create_task("echo", {"a": 1}), timeout=10)
    assert (result.status, result.result) == (TaskStatus.COMPLETED, {"a": 1})


async def echo(task: TaskData) -> dict[str, Any]:
    return task.payload


def test_its_refusals_reach_whoever_makes_the_queue(install: Install) -> None:
    install("drawer")
    with pytest.raises(ValueError, match="job_store_options: the drawer is jammed"):
        open_queue("apscheduler", job_store_type="drawer", job_store_options={"jammed": True})


def test_one_that_is_not_installed_is_refused_with_those_that_are() -> None:
    with pytest.raises(SettingsError) as caught:
        open_queue("apscheduler", job_store_type="drawer")
    assert "job_store_type: no job store is named 'drawer'" in str(caught.value)
    assert "lmdb" in str(caught.value)


@pytest.mark.parametrize("url", ["lmdb:jobs", "lmdb:/var/lib/jobs", "lmdb:///var/lib/jobs"])
def test_its_name_is_the_scheme_of_its_addresses(url: str) -> None:
    queue = open_queue(url, max_workers=3)
    assert isinstance(queue, APSchedulerQueue)
    assert (queue.settings.job_store_type, queue.settings.job_store_url) == ("lmdb", url)
    assert queue.settings.max_workers == 3


def test_an_error_shows_no_more_of_an_address_than_its_scheme() -> None:
    with pytest.raises(SettingsError, match=r"^open_queue\('lmdb:\.\.\.'\): size: no such key"):
        open_queue("lmdb:me:hunter2", size=1)
