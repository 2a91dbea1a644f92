"""Values on their way into a model: what each is, and who gave it.

Text that came out of a variable is validated as text first, and as YAML where that does not
fit: so `ONCUE_QUEUE__QUEUES=[mail, web]` is a list, and a password of digits stays text.
"""

from collections.abc import Mapping
from types import UnionType
from typing import Any, TypeAlias, TypeVar, Union, cast, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from oncue.settings.errors import Problem, SettingsError, unknown
from oncue.settings.expand import CannotExpand, expand

S = TypeVar("S", bound=BaseModel)
Path: TypeAlias = tuple[str | int, ...]


class Draft:
    """The values of one `source`, expanded and overridden; `into` validates them.

    `above` is the key below which they stand in the source, for errors.
    """

    def __init__(self, source: str, values: Mapping[str, Any], *, above: str = "") -> None:
        self._source = source
        self._above = above
        self._values: Any = dict(values)
        self._variables: dict[Path, str] = {}
        self._texts: set[Path] = set()

    def expand(self, environment: Mapping[str, str]) -> None:
        """Put variables into the strings. Raises `SettingsError`, with every one at fault."""
        problems: list[Problem] = []

        def expanded(value: object, path: Path) -> object:
            match value:
                case str() if "${" in value:
                    self._texts.add(path)
                    try:
                        return expand(value, environment)
                    except CannotExpand as error:
                        key = self._key(path)
                        problems.append(Problem(source=self._source, key=key, message=str(error)))
                        return value
                case dict():
                    mapping = cast(dict[str, object], value)
                    return {key: expanded(each, (*path, key)) for key, each in mapping.items()}
                case list():
                    items = cast(list[object], value)
                    return [expanded(each, (*path, n)) for n, each in enumerate(items)]
                case _:
                    return value

        self._values = expanded(self._values, ())
        if problems:
            raise SettingsError(problems)

    def override(self, environment: Mapping[str, str], prefix: str) -> None:
        """Let `PREFIX__A=1` replace what `a` is, and `PREFIX__A__B=1` what `b` is below it."""
        begin = f"{prefix}__"
        named = {
            tuple(name.removeprefix(begin).lower().split("__")): name
            for name in environment
            if name.startswith(begin)
        }
        for path, name in sorted(named.items(), key=lambda item: len(item[0])):
            self._make_way(path)
            self._put(path, environment[name])
            self._variables[path] = name
            self._texts.add(path)

    def into(self, model: type[S]) -> S:
        """The model of these values. Raises `SettingsError`, with every wrong key."""
        while True:
            try:
                return model.model_validate(self._values)
            except ValidationError as error:
                wrong: list[Path] = [each["loc"] for each in error.errors()]
                if not self._read_texts_at(wrong):
                    problems = [
                        self._problem(model, each["loc"], each["type"], each["msg"])
                        for each in error.errors(include_url=False, include_input=False)
                    ]
                    raise SettingsError(problems) from None  # pydantic's error shows values

    def _read_texts_at(self, wrong: list[Path]) -> bool:
        """Read as YAML each text in a wrong place; whether there was one."""
        read = {text for text in self._texts if any(path[: len(text)] == text for path in wrong)}
        self._texts -= read
        for path in read:
            self._put(path, _as_yaml(self._get(path)))
        return bool(read)

    def _problem(self, model: type[BaseModel], path: Path, kind: str, message: str) -> Problem:
        source, key = self._source, self._key(path)
        for overridden, variable in self._variables.items():
            shorter = min(len(overridden), len(path))
            if overridden[:shorter] == path[:shorter]:
                source, key = f"environment variable {variable}", _dotted(path)
        if kind == "extra_forbidden":
            return unknown(source, key, str(path[-1]), _keys_at(model, path[:-1]))
        return Problem(source=source, key=key, message=message)

    def _key(self, path: Path) -> str:
        return ".".join(part for part in (self._above, _dotted(path)) if part)

    def _get(self, path: Path) -> Any:
        found = self._values
        for part in path:
            found = found[part]
        return found

    def _put(self, path: Path, value: Any) -> None:
        at = self._values
        for part in path[:-1]:
            at = at[part]
        at[path[-1]] = value

    def _make_way(self, path: Path) -> None:
        """Let there be a mapping above `path`; the model says whether one may stand there."""
        at = self._values
        for part in path[:-1]:
            below = at.get(part)
            if isinstance(below, str):
                below = _as_yaml(below)
            at[part] = below if isinstance(below, dict) else {}
            at = at[part]


def _as_yaml(text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return text


def _dotted(path: Path) -> str:
    return ".".join(str(part) for part in path)


def _keys_at(model: type[BaseModel], path: Path) -> list[str]:
    """The keys of the model that stands at `path` inside `model`."""
    for part in path:
        field = model.model_fields.get(str(part))
        inner = _model_in(field.annotation) if field else None
        if inner is not None:
            model = inner
    return list(model.model_fields)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    options = get_args(annotation) if get_origin(annotation) in (Union, UnionType) else [annotation]
    models = [each for each in options if isinstance(each, type) and issubclass(each, BaseModel)]
    return models[0] if models else None
