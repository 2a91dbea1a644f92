"""What callers hand in, made into what the actors take. What is wrong is named: a TypeError where
it is of no use at all, otherwise a ValueError."""

from collections.abc import Collection
from datetime import datetime
from enum import Enum
from typing import Final
from uuid import UUID

from pydantic import TypeAdapter, ValidationError

from oncue.settings.errors import nearest
from oncue.stores.task import SECONDS_MAX, Moment, Name

_NAME = TypeAdapter[str](Name)
_MOMENT = TypeAdapter[datetime](Moment)


class Unset(Enum):
    """An argument that was not given, where None means something."""

    UNSET = "unset"


UNSET: Final = Unset.UNSET
INSTANCES_MAX: Final = 2**31 - 1

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
    return _as_name("queue_name", name)


def as_job_name(name: str) -> str:
    """What people call a job. Raises ValueError."""
    return _as_name("name", name)


def _as_name(argument: str, name: str) -> str:
    try:
        return _NAME.validate_python(name, strict=True)
    except ValidationError as error:
        raise ValueError(f"{argument}: {error.errors()[0]['msg']}, not {name!r}") from None


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


def as_moment(name: str, moment: datetime) -> datetime:
    """Aware UTC; naive is read as UTC, with a warning."""
    if not isinstance(moment, datetime):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"{name} must be a datetime, not {moment!r}")
    try:
        return _MOMENT.validate_python(moment)
    except ValidationError as error:
        raise ValueError(f"{name}: {error.errors()[0]['msg']}") from None


def as_grace_s(grace: float | None) -> float | None:
    """How late a run may be, in seconds; None: any time."""
    if grace is None:
        return None
    if not isinstance(grace, (int, float)) or isinstance(grace, bool):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"misfire_grace_time must be a number of seconds or None, not {grace!r}")
    if not 0 < grace <= SECONDS_MAX:
        raise ValueError(
            f"misfire_grace_time must be more than 0 seconds, or None for no limit, not {grace}"
        )
    return float(grace)


def as_instances(count: int) -> int:
    """How many runs of a job may be live at once."""
    if not isinstance(count, int) or isinstance(count, bool):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"max_instances must be an int, not {count!r}")
    if not 1 <= count <= INSTANCES_MAX:
        raise ValueError(f"max_instances must be 1 or more, not {count}")
    return count


def as_coalesce(coalesce: bool) -> bool:
    """Whether of several runs that are due only the last is made."""
    if not isinstance(coalesce, bool):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"coalesce must be True or False, not {coalesce!r}")
    return coalesce


def check_known(names: Collection[str], known: Collection[str], what: str) -> None:
    """Raises TypeError for the first of `names` that is not `known`, with the nearest that is."""
    for name in names:
        if name not in known:
            near = nearest(name, tuple(known))
            hint = f"did you mean {near}?" if near else f"there are {', '.join(sorted(known))}"
            raise TypeError(f"{name!r} is no {what}; {hint}")
