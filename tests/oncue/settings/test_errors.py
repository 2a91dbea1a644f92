"""What is wrong in a file is said with the file, the key and the nearest valid key."""

import pytest

from oncue import SettingsError
from oncue.settings import read_adapter_name
from tests.oncue.kit import Folder, failure


def test_an_unknown_key_names_file_key_and_nearest(folder: Folder) -> None:
    path = folder.write("queue.yaml", "queue: {max_worker: 4}")
    error = failure()
    assert str(error) == f"{path}: queue.max_worker: no such key; the nearest is max_workers"
    (problem,) = error.problems
    assert (problem.source, problem.key) == (str(path), "queue.max_worker")
    assert problem.nearest == "max_workers"


def test_an_ill_typed_key_names_file_and_key_and_not_its_value(folder: Folder) -> None:
    path = folder.write("queue.yaml", "queue: {max_workers: hunter2}")
    error = failure()
    assert str(error).startswith(f"{path}: queue.max_workers: ")
    assert "integer" in str(error)
    assert "hunter2" not in str(error)
    assert error.__suppress_context__  # or the traceback would show pydantic's, and the value


@pytest.mark.parametrize(
    "value", ["0", "-1", "2.5", "yes", "[1]", "{a: 1}", "null", "2026-01-01", ".nan"]
)
def test_what_is_no_count_is_refused(folder: Folder, value: str) -> None:
    folder.write("queue.yaml", f"queue: {{max_workers: {value}}}")
    (problem,) = failure().problems
    assert problem.key == "queue.max_workers"


def test_every_wrong_key_is_named_at_once(folder: Folder) -> None:
    folder.write("queue.yaml", "queue: {max_worker: 4, when_full: never, result_ttl: x}")
    assert [problem.key for problem in failure().problems] == [
        "queue.result_ttl",
        "queue.when_full",
        "queue.max_worker",
    ]


def test_settings_that_do_not_stand_below_queue_are_an_error(folder: Folder) -> None:
    path = folder.write("queue.yaml", "max_workers: 4")
    assert str(failure()) == f"{path}: max_workers: no such key; the nearest is queue"


@pytest.mark.parametrize("text", ["- queue", "queue", "queue: 4", "queue: [1]"])
def test_a_file_of_another_shape_is_an_error(folder: Folder, text: str) -> None:
    path = folder.write("queue.yaml", text)
    assert str(failure()).startswith(f"{path}: ")


def test_a_syntax_error_names_file_and_line(folder: Folder) -> None:
    path = folder.write("queue.yaml", "queue:\n  max_workers: 4\n  queues: [a, b\n")
    assert str(failure()).startswith(f"{path}, line 4: this is no YAML: ")
    folder.write("queue.yaml", "queue:\n\tmax_workers: 4\n")
    assert str(failure()).startswith(f"{path}, line 2: ")


def test_what_is_no_text_is_an_error_too(folder: Folder) -> None:
    path = folder.write("queue.yaml", "")
    path.write_bytes(b"queue: \xff\xfe\x00")
    assert str(failure()).startswith(f"{path}: this is no YAML: ")


def test_yaml_makes_plain_values_only(folder: Folder) -> None:
    path = folder.write("queue.yaml", "queue: !!python/object/apply:os.getcwd []")
    assert str(failure()).startswith(f"{path}, line 1: this is no YAML: ")


def test_adapters_yaml_is_checked_alike(folder: Folder) -> None:
    path = folder.write("adapters.yaml", "queues: memory")
    with pytest.raises(SettingsError) as caught:
        read_adapter_name()
    assert str(caught.value) == f"{path}: queues: no such key; the nearest is queue"
