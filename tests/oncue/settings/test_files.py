"""`settings/*.yaml` make an adapter's settings: at the call, from where one would look."""

import pytest

from oncue.adapters.memory import MemorySettings
from oncue.settings import read_adapter_name, read_queue_settings
from tests.oncue.kit import Folder, failure


def test_missing_files_mean_defaults(folder: Folder) -> None:
    assert read_adapter_name() == "memory"
    assert read_queue_settings(MemorySettings) == MemorySettings()


@pytest.mark.parametrize("text", ["", "# nothing\n", "queue:\n", "queue: {}\n"])
def test_so_do_empty_ones(folder: Folder, text: str) -> None:
    folder.write("queue.yaml", text)
    assert read_queue_settings(MemorySettings) == MemorySettings()


def test_the_file_sets_what_it_names(folder: Folder) -> None:
    folder.write(
        "queue.yaml",
        """
        queue:
          max_workers: 4
          queues: [mail, web]
          max_tasks_per_queue: null
          when_full: wait
        """,
    )
    settings = read_queue_settings(MemorySettings)
    assert settings == MemorySettings(
        max_workers=4,
        queues=frozenset({"mail", "web"}),
        max_tasks_per_queue=None,
        when_full="wait",
    )


def test_the_files_are_read_at_each_call(folder: Folder) -> None:
    folder.write("adapters.yaml", "queue: first")
    assert read_adapter_name() == "first"
    folder.write("adapters.yaml", "queue: second")
    assert read_adapter_name() == "second"


@pytest.mark.parametrize("below", ["elsewhere", "elsewhere/settings"])
def test_ONCUE_SETTINGS_names_the_folder_or_the_one_it_stands_in(  # noqa: N802
    folder: Folder, below: str
) -> None:
    folder.write("queue.yaml", "queue: {max_workers: 1}")
    folder.write("queue.yaml", "queue: {max_workers: 2}", below=below)
    folder.write("adapters.yaml", "queue: other", below=below)
    folder.setenv(ONCUE_SETTINGS="elsewhere")
    assert read_queue_settings(MemorySettings).max_workers == 2
    assert read_adapter_name() == "other"


def test_ONCUE_SETTINGS_that_is_no_folder_is_an_error(folder: Folder) -> None:  # noqa: N802
    folder.setenv(ONCUE_SETTINGS="nowhere")
    assert str(failure()) == (
        f"environment variable ONCUE_SETTINGS: {folder.root / 'nowhere'} is no folder"
    )
