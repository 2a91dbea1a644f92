"""What is said to the puller: tasks pulled and settled by hand."""

from uuid import UUID

from ..runtime import Request
from ..stores import ClaimedTask, record
from .outcome import Outcome


@record
class Pull(Request[ClaimedTask | None]):
    """Claim the next task of this queue, or (None) of any, for somebody outside."""

    queue_name: str | None


@record
class Forgo:
    """Whoever asked this was cancelled, perhaps with the answer on its way."""

    request: Pull


@record
class SettlePulled(Request[bool]):
    """How a pulled task ended; False when it is not in anybody's hands any more."""

    task_id: UUID
    outcome: Outcome


@record
class GiveBack:
    """A pulled task's timeout has passed."""

    task_id: UUID
    lease: int


@record
class LookAtPulled:
    """Time to compare the leases of what is in somebody's hands with the store's."""


PullerMessage = Pull | Forgo | SettlePulled | GiveBack | LookAtPulled
