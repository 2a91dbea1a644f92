"""The table of settings comes from the models, and leaves nothing out."""

import json

import pytest

from oncue.adapters import installed_adapters, load_adapter
from oncue.adapters.memory import MemorySettings
from oncue.settings import QueueSettings
from oncue.settings.reference import markdown_table, settings_of
from tests.oncue.kit import BoxSettings
from tests.trees import ROOT

OURS = [
    name
    for name, point in installed_adapters().items()
    if point.dist is not None and point.dist.name == "oncue"
]


@pytest.mark.parametrize("name", OURS)
def test_each_setting_of_each_adapter_is_described_in_a_sentence(name: str) -> None:
    for setting in settings_of(load_adapter(name).metadata.settings):
        assert setting.description.endswith("."), setting
        assert setting.takes != "anything", setting


@pytest.mark.parametrize("name", OURS)
def test_the_reference_has_a_table_for_each_adapter(name: str) -> None:
    page = (ROOT / "docs" / "reference" / "settings.md").read_text()
    assert f"```{{settings}} {name}\n" in page


def test_the_table_has_every_setting_with_its_default() -> None:
    rows = {setting.key: setting for setting in settings_of(MemorySettings)}
    assert list(rows) == list(MemorySettings.model_fields)
    for key, value in MemorySettings():
        assert json.loads(rows[key].default) == value
    table = markdown_table(MemorySettings).splitlines()
    assert len(table) == 2 + len(rows)
    assert (
        "| `max_workers` | whole number, at least 1 | `10` "
        "| Handlers that run at once in this process, over all queues. |"
    ) in table


def test_what_a_setting_takes_is_said_in_words() -> None:
    class Needed(QueueSettings):
        url: str

    assert [setting.default for setting in settings_of(Needed)] == ["required"]
    takes = {setting.key: setting.takes for setting in settings_of(BoxSettings)}
    assert takes == {
        "url": "text",
        "secret": "text or null",
        "options": "mapping or null",
        "names": "list of text",
        "pool": "mapping or null",
    }
    takes = {setting.key: setting.takes for setting in settings_of(MemorySettings)}
    assert takes["queues"] == "list of text or null"
    assert takes["when_full"] == "`raise` or `wait`"
    assert takes["tracing"] == "true or false"
    assert takes["poll_interval"] == "number, more than 0"
