"""Triggers as readable JSON, and back.

Rules:
- `decode(encode(trigger)) == trigger`. A field that is None is left out.
- What another version, or a hand, has written and we do not understand is an error, not a guess.
"""

from pydantic import TypeAdapter, ValidationError

from .combined import Trigger

_TRIGGER: TypeAdapter[Trigger] = TypeAdapter(Trigger)


class TriggerNotUnderstood(ValueError):
    """What is stored is no trigger that this version knows.

    Attributes: `text`, what is stored; `reason`.
    """

    def __init__(self, text: str, reason: str) -> None:
        super().__init__(f"{text!r} is not understood as a trigger: {reason}")
        self.text = text
        self.reason = reason


def encode(trigger: Trigger) -> str:
    return _TRIGGER.dump_json(trigger, exclude_none=True).decode()


def decode(text: str) -> Trigger:
    """Raises TriggerNotUnderstood."""
    try:
        return _TRIGGER.validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place, told = ".".join(map(str, first["loc"])), first["msg"].removeprefix("Value error, ")
        raise TriggerNotUnderstood(text, f"{place}: {told}" if place else told) from error
