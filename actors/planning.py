"""What is said about schedules: to the store, and to the scheduler."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from ..runtime import Request
from ..stores import Due, Fire, FireOutcome, ScheduleChange, ScheduleView, record


@record
class ChangeSchedules(Request[Sequence[bool]]):
    """Add, replace or remove schedules, in order; whether each applied."""

    changes: Sequence[ScheduleChange]


@record
class FindSchedules(Request[Sequence[ScheduleView]]):
    """These schedules, or up to `limit` behind the one numbered `after`."""

    job_ids: Sequence[UUID] | None = None
    limit: int = 1000
    after: int = 0


@record
class DueSchedules(Request[Due]):
    """What is due, and what the store's time is."""

    limit: int
    after: tuple[datetime, UUID] | None = None


@record
class FireSchedules(Request[Sequence[FireOutcome]]):
    """Move schedules on and enqueue their runs, in one transaction; one outcome each."""

    fires: Sequence[Fire]


@record
class LookAtSchedules:
    """To the scheduler: something is due, or was changed; or it is time to look whether."""


SchedulerMessage = LookAtSchedules
