"""Adapters are found by entry point: ours, and those of packages that we know nothing of."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any
from uuid import UUID

import pytest

from oncue import (
    QueueCapability,
    QueueMetadata,
    SettingsError,
    TaskData,
    depends,
    import_adapter,
    open_queue,
)
from oncue.adapters import (
    AdapterUnavailable,
    UnknownAdapter,
    UnknownScheme,
    installed_adapters,
    load_adapter,
)
from oncue.adapters.memory import MODULE_METADATA, MemoryQueue, MemorySettings
from tests.oncue.kit import Folder, site_packages

LANE = """
    from uuid import UUID

    from oncue.adapters import QueueCapability, QueueMetadata
    from oncue.adapters.memory import MemoryQueue, MemorySettings
    from oncue.settings import QueueSettings


    class LaneSettings(QueueSettings):
        lanes: int = 4
        depot: str = ""
        grace: float = 30.0

        @classmethod
        def of_url(cls, url):
            return {"depot": url.partition("://")[2]}


    class Queue(MemoryQueue):
        def __init__(self, settings, clock=None):
            own = MemorySettings(max_workers=settings.lanes, shutdown_grace=settings.grace)
            super().__init__(own, clock=clock)
            self.name = "lane"
            self.lane_settings = settings


    MODULE_METADATA = QueueMetadata(
        id=UUID("00000000-0000-0000-0000-000000000001"),
        name="lane",
        provider="somebody else",
        version="1.0",
        description="Tasks in lanes.",
        capabilities=frozenset({QueueCapability.BASIC}),
        settings=LaneSettings,
        required_packages=("anyio",),
        url_schemes=frozenset({"lane"}),
    )
"""

LANE_TESTS = """
    import pytest
    from oncue.runtime import SystemClock
    from oncue.testing.queue_suite import QueueSuite
    from oncue_lane_queue import MODULE_METADATA, LaneSettings, Queue


    @pytest.fixture
    def clock():
        return SystemClock()


    class TestLane(QueueSuite):
        metadata = MODULE_METADATA

        def make_queue(self, clock, max_workers=4, shutdown_grace=30.0):
            return Queue(LaneSettings(lanes=max_workers, grace=shutdown_grace), clock)
"""

Install = Callable[..., None]


async def echo(task: TaskData) -> dict[str, Any]:
    return task.payload


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Install a distribution with one adapter, as pip would, in a folder on the path."""
    with site_packages(tmp_path, monkeypatch) as site:

        def install(name: str, text: str, *, distribution: str = "oncue-lane") -> None:
            module = f"{distribution.replace('-', '_')}_queue"
            site.install(distribution, module, text, f"[oncue.queues]\n{name} = {module}\n")

        yield install


def test_memory_is_installed_with_oncue() -> None:
    assert installed_adapters()["memory"].value == "oncue.adapters.memory"
    adapter = load_adapter("memory")
    assert adapter.queue_class is MemoryQueue
    assert adapter.metadata is MODULE_METADATA


def test_what_memory_says_of_itself() -> None:
    assert isinstance(MODULE_METADATA, QueueMetadata)
    assert isinstance(MODULE_METADATA.id, UUID)
    assert MODULE_METADATA.name == "memory"
    assert MODULE_METADATA.settings is MemorySettings
    assert MODULE_METADATA.required_packages == ()
    assert QueueCapability.RATE_LIMITING in MODULE_METADATA.capabilities
    assert QueueCapability.PERSISTENCE not in MODULE_METADATA.capabilities
    assert QueueCapability.HORIZONTAL_SCALING not in MODULE_METADATA.capabilities


def test_open_queue_takes_a_name_and_settings() -> None:
    queue = open_queue("memory", max_workers=3)
    assert isinstance(queue, MemoryQueue)
    assert queue.settings == MemorySettings(max_workers=3)
    assert not queue.running


def test_open_queue_reads_no_file_and_no_environment(folder: Folder) -> None:
    folder.write("queue.yaml", "queue: {max_workers: 1}")
    folder.setenv(ONCUE_QUEUE__MAX_WORKERS="2")
    queue = open_queue("memory")
    assert isinstance(queue, MemoryQueue)
    assert queue.settings.max_workers == 10


def test_open_queue_takes_a_url() -> None:
    queue = open_queue("memory://", max_workers=3)
    assert isinstance(queue, MemoryQueue)
    assert queue.settings.max_workers == 3
    with pytest.raises(ValueError, match="a memory queue has no address"):
        open_queue("memory://somewhere")


def test_an_unknown_name_lists_what_is_installed() -> None:
    with pytest.raises(UnknownAdapter) as caught:
        open_queue("memroy")
    assert str(caught.value) == (
        "no queue adapter is named 'memroy'; the nearest is memory; "
        f"installed: {', '.join(installed_adapters())}"
    )
    assert isinstance(caught.value, ValueError)


def test_a_scheme_that_nobody_takes_says_so_and_shows_no_password() -> None:
    with pytest.raises(UnknownScheme) as caught:
        open_queue("carrier-pigeon://me:hunter2@roof")
    assert "memory" in caught.value.known
    assert str(caught.value) == (
        "no installed queue adapter takes carrier-pigeon:// URLs; "
        f"schemes taken: {', '.join(caught.value.known)}"
    )


def test_a_wrong_setting_names_the_call_the_key_and_the_nearest() -> None:
    with pytest.raises(SettingsError) as caught:
        open_queue("memory", max_worker=3, result_ttl=-1)
    assert str(caught.value).splitlines() == [
        "open_queue('memory'): result_ttl: Input should be greater than or equal to 0",
        "open_queue('memory'): max_worker: no such key; the nearest is max_workers",
    ]


@pytest.mark.real_time
async def test_a_third_partys_adapter_is_found_opened_and_run(install: Install) -> None:
    install("lane", LANE)
    assert "lane" in installed_adapters()
    queue = open_queue("lane", lanes=2)
    assert (queue.name, vars(queue)["lane_settings"].lanes) == ("lane", 2)
    queue.register_handler("echo", echo)
    async with queue:
        result = await queue.wait(await queue.create_task("echo", {"a": 1}), timeout=10)
    assert result.result == {"a": 1}


@pytest.mark.slow
def test_a_third_party_runs_the_conformance_suite_on_its_adapter(
    install: Install, tmp_path: Path
) -> None:
    """With nothing but pytest, on real clocks; what it does not claim is skipped."""
    install("lane", LANE)
    (tmp_path / "test_lane.py").write_text(dedent(LANE_TESTS))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-rs", "--rootdir", ".", "test_lane.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "site-packages")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "the lane adapter has no persistence" in done.stdout
    [passed] = re.findall(r"(\d+) passed", done.stdout)
    assert int(passed) > 60


def test_its_settings_are_checked_as_ours(install: Install) -> None:
    install("lane", LANE)
    with pytest.raises(SettingsError, match="lane: no such key; the nearest is lanes"):
        open_queue("lane", lane=2)


def test_its_urls_are_its_own(install: Install) -> None:
    install("lane", LANE)
    for url in ("lane://north", "lane+fast://north"):
        assert vars(open_queue(url))["lane_settings"].depot == "north"
    with pytest.raises(SettingsError, match=r"^open_queue\('lane://\.\.\.'\): size: "):
        open_queue("lane://me:hunter2@north", size=1)


def test_the_settings_name_it_without_a_change_of_code(install: Install, folder: Folder) -> None:
    def program() -> tuple[str, bool]:
        depends.clear()
        queue = depends.get(import_adapter("queue"))
        return queue.name, queue is depends.get(import_adapter("queue"))

    assert program() == ("memory", True)
    install("lane", LANE)
    folder.write("adapters.yaml", "queue: lane")
    folder.write("queue.yaml", "queue: {lanes: 8}")
    assert program() == ("lane", True)
    assert vars(depends.get(import_adapter("queue")))["lane_settings"].lanes == 8


def test_an_adapter_that_lacks_a_package_names_it(install: Install) -> None:
    install("lane", LANE.replace('"anyio"', '"anyio", "no-such-package"'))
    with pytest.raises(AdapterUnavailable) as caught:
        open_queue("lane")
    assert caught.value.missing == ("no-such-package",)
    assert "pip install no-such-package" in str(caught.value)
    assert isinstance(open_queue("memory://"), MemoryQueue), "the others are not harmed"
    with pytest.raises(UnknownScheme, match="the lane adapter needs no-such-package"):
        open_queue("lane://")


@pytest.mark.parametrize(
    "text",
    [
        "",
        LANE.replace("MODULE_METADATA =", "METADATA ="),
        LANE.replace("class Queue(", "class Lane("),
        LANE.replace("class Queue(MemoryQueue)", "class Queue"),
    ],
)
def test_a_module_that_is_no_adapter_is_said_to_be_none(install: Install, text: str) -> None:
    install("lane", text)
    with pytest.raises(TypeError, match="oncue_lane_queue, the adapter 'lane' of oncue-lane, must"):
        open_queue("lane")


def test_two_adapters_of_one_name_are_not_chosen_between(install: Install) -> None:
    install("memory", LANE)
    with pytest.raises(ValueError, match="two queue adapters are named 'memory'"):
        open_queue("memory")
