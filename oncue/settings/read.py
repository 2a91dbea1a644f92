"""The two settings files, read when somebody asks."""

import os
from pathlib import Path
from typing import Any, TypeVar, cast

import yaml
from pydantic import BaseModel, ConfigDict, Field

from oncue.settings.draft import Draft
from oncue.settings.errors import Problem, SettingsError
from oncue.settings.model import QueueSettings

S = TypeVar("S", bound=QueueSettings)

FOLDER_VARIABLE = "ONCUE_SETTINGS"
QUEUE_PREFIX = "ONCUE_QUEUE"
DEFAULT_ADAPTER = "memory"


class _AdaptersFile(BaseModel):
    model_config = ConfigDict(extra="forbid")

    queue: str = Field(default=DEFAULT_ADAPTER, min_length=1)


class _QueueFile(BaseModel):
    model_config = ConfigDict(extra="forbid")

    queue: dict[str, Any] | None = None


def settings_folder() -> Path:
    """Where the files are: `settings` in the current directory, or what `ONCUE_SETTINGS` names.

    That may be the folder itself, or one with a folder `settings` in it. Raises `SettingsError`
    when it is no folder.
    """
    named = os.environ.get(FOLDER_VARIABLE)
    if not named:
        return Path.cwd() / "settings"
    folder = Path(named).absolute()
    if not folder.is_dir():
        source = f"environment variable {FOLDER_VARIABLE}"
        raise SettingsError([Problem(source=source, key="", message=f"{folder} is no folder")])
    return folder / "settings" if (folder / "settings").is_dir() else folder


def adapters_file() -> Path:
    """The file that names adapters; it need not be there."""
    return settings_folder() / "adapters.yaml"


def read_adapter_name() -> str:
    """The queue's adapter as `adapters.yaml` names it. Raises `SettingsError`."""
    path = adapters_file()
    draft = Draft(str(path), _read_mapping(path))
    draft.expand(os.environ)
    return draft.into(_AdaptersFile).queue


def read_queue_settings(model: type[S]) -> S:
    """The queue's settings from `queue.yaml` and the environment. Raises `SettingsError`."""
    path = settings_folder() / "queue.yaml"
    inside = Draft(str(path), _read_mapping(path)).into(_QueueFile).queue
    draft = Draft(str(path), inside or {}, above="queue")
    draft.expand(os.environ)
    draft.override(os.environ, QUEUE_PREFIX)
    return draft.into(model)


def _read_mapping(path: Path) -> dict[str, Any]:
    """What a YAML file holds; nothing, where there is none."""
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return {}
    try:
        found: object = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{path}, line {mark.line + 1}" if mark else str(path)
        message = f"this is no YAML: {error.problem or error.context}"
        raise SettingsError([Problem(source=where, key="", message=message)]) from None
    except yaml.YAMLError as error:  # what is no text at all
        message = f"this is no YAML: {str(error).splitlines()[0]}"
        raise SettingsError([Problem(source=str(path), key="", message=message)]) from None
    if found is None:
        return {}
    if not isinstance(found, dict):
        message = f"a settings file holds keys and values, not a {type(found).__name__}"
        raise SettingsError([Problem(source=str(path), key="", message=message)])
    return {str(key): value for key, value in cast(dict[object, object], found).items()}
