"""The task: what a user hands to a queue.

Rules:
- A `TaskData` that exists is valid: every field was checked, and it cannot be changed.
  What is wrong is refused with a `ValueError` (pydantic's `ValidationError`) that names the
  field.
- What travels is JSON. A payload may hold whatever pydantic can write as JSON (datetimes,
  UUIDs, models, ...); the handler gets what JSON gives back: strings, numbers, lists, dicts.
- The limits below are the same in every store, so a task that one store takes, all take.

>>> TaskData(task_type="send", payload={"to": "ada"}, priority=TaskPriority.HIGH).queue_name
'default'
"""

import warnings
from dataclasses import is_dataclass
from datetime import UTC, datetime
from enum import IntEnum, StrEnum
from typing import Annotated, Any, Final
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
)

from . import clock
from ._json import JSON_BYTES_MAX, encode_json

PAYLOAD_BYTES_MAX: Final = JSON_BYTES_MAX
TAGS_BYTES_MAX: Final = 16 * 1024
# A name is a key column everywhere. 255 characters of four bytes fit MySQL's index limit
# (3072 bytes) three to a key.
NAME_LENGTH_MAX: Final = 255
NAME_PATTERN: Final = r"^[^\s\p{Cc}](?:[^\p{Cc}]*[^\s\p{Cc}])?$"
# A hundred years: far enough for anyone, near enough that no adapter's timestamp overflows.
SECONDS_MAX: Final = 100 * 365.25 * 86_400
# Every adapter's timestamps reach from the one to the other, with a day to spare for zones.
YEARS: Final = range(1971, 3000)
# Retry counts live in 32 bit columns.
RETRIES_MAX: Final = 2**31 - 1


class TaskPriority(IntEnum):
    """Higher runs first; equal priority is first in, first out."""

    LOW = 1
    NORMAL = 5
    HIGH = 10
    CRITICAL = 20


class TaskStatus(StrEnum):
    """Where a task is. `transitions.TRANSITIONS` says which may follow which."""

    PENDING = "pending"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"
    RETRYING = "retrying"
    DEAD_LETTER = "dead_letter"
    CANCELLED = "cancelled"
    PAUSED = "paused"


def _read_as_utc(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        # 1 is here, 2 pydantic's __init__, 3 whoever builds the task.
        warnings.warn(f"{moment} has no time zone and is read as UTC", UserWarning, stacklevel=3)
        moment = moment.replace(tzinfo=UTC)
    if moment.year not in YEARS:
        raise ValueError(f"the year must be from {YEARS.start} to {YEARS.stop - 1}: {moment}")
    return moment.astimezone(UTC)


def _is_no_object(payload: object) -> object:
    kind = type(payload)
    if kind is dict:  # so it is mostly; to ask for a BaseModel takes four times as long
        return payload
    if issubclass(kind, BaseModel):
        remedy = 'payload=model.model_dump(mode="json")'
    elif is_dataclass(kind):
        remedy = "payload=dataclasses.asdict(...)"
    else:
        return payload  # pydantic says what else is wrong
    raise ValueError(f"payload must be a dict, not a {kind.__name__}: {remedy}")


def _is_json(payload: dict[str, Any]) -> dict[str, Any]:
    encode_json(payload, "payload", PAYLOAD_BYTES_MAX)
    return payload


def _is_short(tags: dict[str, str]) -> dict[str, str]:
    encode_json(tags, "tags", TAGS_BYTES_MAX)
    return tags


# No control characters (PostgreSQL text holds no NUL) and no blanks at the ends (some
# collations do not tell "a" from "a ").
Name = Annotated[
    str,
    StringConstraints(min_length=1, max_length=NAME_LENGTH_MAX, pattern=NAME_PATTERN),
]
Payload = Annotated[dict[str, Any], BeforeValidator(_is_no_object), AfterValidator(_is_json)]
Moment = Annotated[datetime, AfterValidator(_read_as_utc)]
Seconds = Annotated[float, Field(ge=0, le=SECONDS_MAX, allow_inf_nan=False)]
Retries = Annotated[int, Field(ge=0, le=RETRIES_MAX)]


class TaskData(BaseModel):
    """One task: which handler, with what, when, how often.

    `delay` counts from when the store takes the task, by the store's clock; with both
    `delay` and `scheduled_at`, the later counts. `timeout=None` is no limit. `unique_key`
    allows one live task of its queue with that key. `job_id` is set by the scheduler: the schedule
    whose run this is.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    task_id: UUID = Field(default_factory=lambda: clock.new_task_id())
    task_type: Name
    queue_name: Name = "default"
    payload: Payload = Field(default_factory=dict)
    priority: TaskPriority = TaskPriority.NORMAL
    max_retries: Retries = 3
    retry_count: Retries = 0
    retry_delay: Seconds = 1.0
    delay: Seconds = 0.0
    scheduled_at: Moment | None = None
    timeout: Annotated[float, Field(gt=0, le=SECONDS_MAX, allow_inf_nan=False)] | None = 300.0
    created_at: Moment = Field(default_factory=lambda: clock.utc_now())
    tags: Annotated[dict[str, str], AfterValidator(_is_short)] = Field(default_factory=dict)
    unique_key: Name | None = None
    job_id: UUID | None = None
