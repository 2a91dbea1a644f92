"""What callers hand in, made into what the actors take. What is wrong is named: a TypeError where
it is of no use at all, otherwise a ValueError."""

from typing import Final
from uuid import UUID

from pydantic import TypeAdapter, ValidationError

from oncue.stores.task import Name

_NAME = TypeAdapter[str](Name)

LIMIT_MAX: Final = 2**31 - 1
"""More rows than anybody can look at; every SQL store's LIMIT takes it."""
AGE_S_MAX: Final = 10**10
"""Three centuries, which fit in the microseconds that the stores count."""


def as_uuid(task_id: UUID | str) -> UUID:
    """A task's id, given either way."""
    if isinstance(task_id, UUID):
        return task_id
    if not isinstance(task_id, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"task_id must be a UUID or a string, not {task_id!r}")
    try:
        return UUID(task_id)
    except ValueError:
        raise ValueError(f"task_id must be a UUID, not {task_id!r}") from None


def as_queue_name(name: str) -> str:
    """For whoever names a queue, though no task has brought the name. Raises ValueError."""
    try:
        return _NAME.validate_python(name, strict=True)
    except ValidationError as error:
        raise ValueError(f"queue_name: {error.errors()[0]['msg']}, not {name!r}") from None


def as_queue_name_or_all(name: str | None) -> str | None:
    """For calls on one queue or (None) on all."""
    return None if name is None else as_queue_name(name)


def as_limit(limit: int) -> int:
    """How many at most."""
    if not isinstance(limit, int) or isinstance(limit, bool):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"limit must be an int, not {limit!r}")
    if not 0 <= limit <= LIMIT_MAX:
        raise ValueError(f"limit must be 0 to {LIMIT_MAX}, not {limit}")
    return limit


def as_age_s(older_than: float) -> float:
    """How long ago at least, in seconds."""
    if not isinstance(older_than, (int, float)) or isinstance(older_than, bool):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"older_than must be a number of seconds, not {older_than!r}")
    if not 0 <= older_than <= AGE_S_MAX:
        raise ValueError(f"older_than must be 0 to {AGE_S_MAX} seconds, not {older_than}")
    return float(older_than)
