"""Triggers made of triggers, and the closed union of them all."""

from dataclasses import dataclass
from datetime import datetime
from itertools import cycle, islice
from typing import Annotated, ClassVar, Final, Literal, TypeGuard, get_args

from pydantic import Field

from .base import AS_JSON, TICK, check_bounds
from .calendar import CalendarTrigger
from .cron import CronTrigger
from .crontab import CrontabTrigger
from .date import DateTrigger
from .interval import IntervalTrigger

STEPS_MAX: Final = 10_000
"""How often an `AndTrigger` asks one of its parts. A time of day and an interval of whole minutes,
shorter than a day, meet within 2 880 or never."""


DEPTH_MAX: Final = 3
"""How deep combinations may be in each other: the steps of an `and` in an `and` multiply."""


class NoAgreement(ValueError):
    """The parts of an `AndTrigger` did not agree on a moment in `STEPS_MAX` steps.

    Attributes: `trigger`; `since`, the moment from which it was looked.
    """

    def __init__(self, trigger: "AndTrigger", since: datetime) -> None:
        super().__init__(
            f"{trigger} agree on no moment after {since}, as far as {STEPS_MAX} steps show. "
            "An interval meets others only where its start fits; a cron trigger may say it better"
        )
        self.trigger = trigger
        self.since = since


@dataclass(frozen=True, slots=True, kw_only=True)
class AndTrigger:
    """Occurs when all of `triggers` do; ends with the first that ends."""

    __pydantic_config__: ClassVar = AS_JSON

    type: Literal["and"] = "and"
    triggers: "tuple[Trigger, ...]"
    jitter_s: float = 0.0

    def __post_init__(self) -> None:
        # The parts of an `and` are parts of the `and` that it is in: else the steps multiply.
        nested = [t.triggers if isinstance(t, AndTrigger) else (t,) for t in self.triggers]
        object.__setattr__(self, "triggers", tuple(part for parts in nested for part in parts))
        _check(self.triggers, self.jitter_s)

    def after(self, moment: datetime) -> datetime | None:
        """Raises NoAgreement."""
        since, agreeing = moment, 0
        for trigger in islice(cycle(self.triggers), STEPS_MAX):
            found = trigger.after(since)
            if found is None:
                return None
            agreeing = agreeing + 1 if found - since == TICK else 1
            if agreeing == len(self.triggers):
                return found
            since = found - TICK
        raise NoAgreement(self, moment)

    def __str__(self) -> str:
        return f"all of ({'; '.join(map(str, self.triggers))})"


@dataclass(frozen=True, slots=True, kw_only=True)
class OrTrigger:
    """Occurs when any of `triggers` does, once when several do; ends with the last that ends."""

    __pydantic_config__: ClassVar = AS_JSON

    type: Literal["or"] = "or"
    triggers: "tuple[Trigger, ...]"
    jitter_s: float = 0.0

    def __post_init__(self) -> None:
        _check(self.triggers, self.jitter_s)

    def after(self, moment: datetime) -> datetime | None:
        found = (trigger.after(moment) for trigger in self.triggers)
        return min((each for each in found if each is not None), default=None)

    def __str__(self) -> str:
        return f"any of ({'; '.join(map(str, self.triggers))})"


Trigger = Annotated[
    DateTrigger
    | IntervalTrigger
    | CronTrigger
    | CrontabTrigger
    | CalendarTrigger
    | AndTrigger
    | OrTrigger,
    Field(discriminator="type"),
]


_KINDS: Final = get_args(get_args(Trigger)[0])


def is_trigger(value: object) -> TypeGuard[Trigger]:
    """Whether it is one of ours."""
    return isinstance(value, _KINDS)


def _check(triggers: "tuple[Trigger, ...]", jitter_s: float) -> None:
    if not triggers:
        raise ValueError("a combination needs at least one trigger")
    if any(_depth(trigger) >= DEPTH_MAX for trigger in triggers):
        raise ValueError(f"combinations of triggers go no deeper than {DEPTH_MAX}")
    for trigger in triggers:
        if trigger.jitter_s:
            raise ValueError(
                f"jitter of {trigger}, inside a combination, would part what is to meet: "
                "give it to the outermost trigger"
            )
    check_bounds(None, None, jitter_s)


def _depth(trigger: Trigger) -> int:
    if isinstance(trigger, (AndTrigger, OrTrigger)):
        return 1 + max(map(_depth, trigger.triggers))
    return 0
