"""One moment."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Literal

from .base import AS_JSON, Moment, written


@dataclass(frozen=True, slots=True, kw_only=True)
class DateTrigger:
    """Occurs once."""

    __pydantic_config__: ClassVar = AS_JSON
    jitter_s: ClassVar[float] = 0.0

    type: Literal["date"] = "date"
    at: Moment

    def after(self, moment: datetime) -> datetime | None:
        return self.at if self.at > moment else None

    def __str__(self) -> str:
        return f"once at {written(self.at)}"
