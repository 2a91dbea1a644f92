"""The table of an adapter's settings, made from its model: the reference cannot go stale.

`docs/settings_directive.py` puts it into the documentation when that is built.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from oncue.settings.model import QueueSettings

TYPES = {
    "boolean": "true or false",
    "integer": "whole number",
    "null": "null",
    "number": "number",
    "object": "mapping",
    "string": "text",
}
BOUNDS = {
    "minimum": "at least",
    "exclusiveMinimum": "more than",
    "maximum": "at most",
    "exclusiveMaximum": "less than",
    "minLength": "length at least",
    "maxLength": "length at most",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One row: its key, what it takes in words, its default as YAML, and what it does."""

    key: str
    takes: str
    default: str
    description: str


def settings_of(model: type[QueueSettings]) -> list[Setting]:
    """Every setting of the model, in its order."""
    schema = model.model_json_schema()
    return [
        Setting(
            key=key,
            takes=_takes(found, schema.get("$defs", {})),
            default=json.dumps(found["default"]) if "default" in found else "required",
            description=" ".join(found.get("description", "").split()),
        )
        for key, found in schema["properties"].items()
    ]


def markdown_table(model: type[QueueSettings]) -> str:
    """`settings_of` as a Markdown table."""
    rows = [
        f"| `{row.key}` | {row.takes} | `{row.default}` | {row.description} |".replace("\n", " ")
        for row in settings_of(model)
    ]
    return "\n".join(["| key | takes | default | |", "|---|---|---|---|", *rows])


def _takes(schema: dict[str, Any], definitions: dict[str, Any]) -> str:
    if "$ref" in schema:
        schema = definitions[schema["$ref"].rpartition("/")[2]]
    if "anyOf" in schema:
        return " or ".join(_takes(option, definitions) for option in schema["anyOf"])
    if "enum" in schema or "const" in schema:
        options: list[object] = schema.get("enum") or [schema["const"]]
        return " or ".join(f"`{option}`" for option in options)
    if schema.get("type") == "array":
        return f"list of {_takes(schema.get('items', {}), definitions)}"
    return ", ".join([TYPES.get(schema.get("type", ""), "anything"), *_bounds(schema)])


def _bounds(schema: dict[str, Any]) -> Iterator[str]:
    for keyword, words in BOUNDS.items():
        if keyword in schema:
            yield f"{words} {schema[keyword]:g}"
