"""`ONCUE_QUEUE__KEY` overrides the file, and is as well checked."""

import pytest

from oncue import SettingsError
from oncue.adapters.memory import MemorySettings
from oncue.settings import Draft, QueueSettings, read_queue_settings
from tests.oncue.kit import BoxSettings, Folder, Pool, failure


def test_the_environment_overrides_the_file(folder: Folder) -> None:
    folder.write("queue.yaml", "queue: {max_workers: 4, result_ttl: 60}")
    folder.setenv(ONCUE_QUEUE__MAX_WORKERS="8", ONCUE_QUEUE__QUEUES="[mail]")
    assert read_queue_settings(MemorySettings) == MemorySettings(
        max_workers=8, result_ttl=60, queues=frozenset({"mail"})
    )


def test_it_needs_no_file(folder: Folder) -> None:
    folder.setenv(ONCUE_QUEUE__TRACING="true", ONCUE_QUEUE__MAX_MEMORY_USAGE="null")
    settings = read_queue_settings(MemorySettings)
    assert settings.tracing
    assert settings.max_memory_usage is None


def test_two_underscores_reach_inside(folder: Folder) -> None:
    folder.write("queue.yaml", "queue: {options: {a: 1, b: 2}}")
    folder.setenv(
        ONCUE_QUEUE__OPTIONS__B="3",
        ONCUE_QUEUE__OPTIONS__C_D="4",
        ONCUE_QUEUE__POOL="{size: 7, depth: 2}",
    )
    settings = read_queue_settings(BoxSettings)
    assert settings.options == {"a": 1, "b": 3, "c_d": 4}
    assert settings.pool == Pool(size=7, depth=2)
    folder.setenv(ONCUE_QUEUE__POOL__SIZE="8")
    assert read_queue_settings(BoxSettings).pool == Pool(size=8, depth=2)


def test_text_in_the_environment_stays_text(folder: Folder) -> None:
    folder.setenv(ONCUE_QUEUE__SECRET="0123", ONCUE_QUEUE__URL="box://a:b@c/#{d}: '${E}")
    settings = read_queue_settings(BoxSettings)
    assert settings.secret == "0123"
    assert settings.url == "box://a:b@c/#{d}: '${E}"


def test_a_misspelt_variable_names_itself_the_key_and_the_nearest(folder: Folder) -> None:
    folder.write("queue.yaml", "queue: {max_workers: 4}")
    folder.setenv(ONCUE_QUEUE__MAX_WORKRES="8")
    assert str(failure()) == (
        "environment variable ONCUE_QUEUE__MAX_WORKRES: max_workres: "
        "no such key; the nearest is max_workers"
    )


def test_an_ill_typed_variable_names_itself(folder: Folder) -> None:
    folder.write("queue.yaml", "queue: {max_workers: 4}")
    folder.setenv(ONCUE_QUEUE__MAX_WORKERS="hunter2")
    told = str(failure())
    assert told.startswith("environment variable ONCUE_QUEUE__MAX_WORKERS: max_workers: ")
    assert "hunter2" not in told


@pytest.mark.parametrize("name", ["MAX_WORKERS__X", "QUEUES__0", "NO__SUCH", ""])
def test_a_variable_that_reaches_where_nothing_is_is_an_error(folder: Folder, name: str) -> None:
    folder.write("queue.yaml", "queue: {max_workers: 4, queues: [a]}")
    folder.setenv(**{f"ONCUE_QUEUE__{name}": "x"})
    assert f"environment variable ONCUE_QUEUE__{name}: " in str(failure())


def test_nearest_is_looked_for_inside_a_nested_model() -> None:
    class Inner(QueueSettings):
        size: int = 1

    class Outer(QueueSettings):
        pool: Inner | None = None

    with pytest.raises(SettingsError) as caught:
        Draft("here", {"pool": {"sze": 1}}).into(Outer)
    assert str(caught.value) == "here: pool.sze: no such key; the nearest is size"


def test_what_was_given_is_not_changed() -> None:
    given = {"options": {"a": 1}}
    draft = Draft("here", given)
    draft.expand({})
    draft.override({"ONCUE_QUEUE__OPTIONS__A": "2"}, "ONCUE_QUEUE")
    assert draft.into(BoxSettings).options == {"a": 2}
    assert given == {"options": {"a": 1}}
