"""A command line made into a task."""

import sys
import warnings
from typing import Any

from pydantic import ValidationError
from pydantic_core import from_json

from oncue.settings.errors import nearest
from oncue.stores import TaskData, TaskPriority


class BadTask(ValueError):
    """What was typed is no task; the sentence names what is wrong."""


def make_task(payload: str, priority: str, fields: dict[str, Any]) -> TaskData:
    """The task of `fields`; `payload` is JSON, or `-` for standard input. Raises `BadTask`."""
    text = sys.stdin.read() if payload == "-" else payload
    try:
        value = from_json(text)
    except ValueError as error:
        raise BadTask(f"the payload is no JSON: {error}") from None
    names = {each.name.lower(): each for each in TaskPriority}
    if priority.lower() not in names:
        near = nearest(priority.lower(), names)
        raise BadTask(
            f"priority must be one of {', '.join(names)}, not {priority!r}"
            + (f"; the nearest is {near}" if near else "")
        )
    try:
        with warnings.catch_warnings(action="ignore"):  # --help says that it is read as UTC
            return TaskData(payload=value, priority=names[priority.lower()], **fields)
    except ValidationError as error:
        wrong = [
            f"{'.'.join(str(part) for part in each['loc'])}: {each['msg']}"
            for each in error.errors(include_url=False)
        ]
        raise BadTask("; ".join(wrong)) from None
