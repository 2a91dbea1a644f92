"""`${VAR}` in a file's strings, before they are validated."""

import pytest

from oncue.adapters.memory import MemorySettings
from oncue.settings import read_adapter_name, read_queue_settings
from tests.oncue.kit import BoxSettings, Folder, failure


def test_variables_are_put_into_strings(folder: Folder) -> None:
    folder.setenv(HOST="db.example", PASSWORD="0123", EMPTY="")
    folder.write(
        "queue.yaml",
        """
        queue:
          url: box://${HOST}:${PORT:-5432}/${EMPTY:-main}${EMPTY}
          secret: ${PASSWORD}
          names: ["${HOST}", "$${HOST}", $HOST, "${A:-}", "${A:-x:-y}"]
          options: {"${HOST}": 1}
        """,
    )
    settings = read_queue_settings(BoxSettings)
    assert settings.url == "box://db.example:5432/main"
    assert settings.secret == "0123"  # text stays text
    assert settings.names == ("db.example", "${HOST}", "$HOST", "", "x:-y")
    assert settings.options == {"${HOST}": 1}


def test_what_is_in_a_variable_is_not_expanded_again(folder: Folder) -> None:
    folder.setenv(OUTER="${INNER}", INNER="x")
    folder.write("queue.yaml", "queue: {url: '${OUTER}'}")
    assert read_queue_settings(BoxSettings).url == "${INNER}"


def test_a_variable_may_hold_any_value(folder: Folder) -> None:
    folder.setenv(WORKERS="4", QUEUES="[mail, web]", LIMIT="null")
    folder.write(
        "queue.yaml",
        """
        queue:
          max_workers: ${WORKERS}
          queues: ${QUEUES}
          max_tasks_per_queue: ${LIMIT}
        """,
    )
    assert read_queue_settings(MemorySettings) == MemorySettings(
        max_workers=4, queues=frozenset({"mail", "web"}), max_tasks_per_queue=None
    )


def test_the_adapter_may_come_from_a_variable(folder: Folder) -> None:
    folder.write("adapters.yaml", "queue: ${ADAPTER:-memory}")
    assert read_adapter_name() == "memory"
    folder.setenv(ADAPTER="other")
    assert read_adapter_name() == "other"


def test_an_unset_variable_names_file_key_and_variable(folder: Folder) -> None:
    path = folder.write("queue.yaml", "queue: {names: [x, '${NOWHERE}'], url: '${NOTHING}'}")
    assert str(failure(BoxSettings)).splitlines() == [
        f"{path}: queue.names.1: the environment variable NOWHERE is not set",
        f"{path}: queue.url: the environment variable NOTHING is not set",
    ]


@pytest.mark.parametrize("text", ["${", "${}", "${A", "${1}", "${A-b}", "${A:?b}", "${a b}"])
def test_half_a_reference_is_an_error(folder: Folder, text: str) -> None:
    folder.setenv(A="a")
    path = folder.write("queue.yaml", f"queue: {{url: 'x{text}'}}")
    told = str(failure(BoxSettings))
    assert told.startswith(f"{path}: queue.url: {text}")
    assert "neither ${VAR} nor ${VAR:-default}" in told
