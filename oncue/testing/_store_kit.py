"""What the store suite works with: a clock to turn, a row in one call, a claimer that counts."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from oncue.stores import (
    ByIds,
    Claim,
    ClaimedTask,
    Claims,
    Done,
    Exchanged,
    Settlement,
    Store,
    Survey,
    TaskData,
    TaskRow,
    TaskView,
    encode_task,
    first_lease,
)

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


class TurnedClock:
    """A `StoreClock` that stands still until it is turned."""

    def __init__(self, moment: datetime = START) -> None:
        self._moment = moment

    def now(self) -> datetime:
        return self._moment

    def turn(self, seconds: float) -> None:
        """Move on (or back, when negative)."""
        self._moment += timedelta(seconds=seconds)


def make_row(task_type: str = "work", **fields: Any) -> TaskRow:
    """The row of a `TaskData` with these fields."""
    return encode_task(TaskData(task_type=task_type, **fields))


def done(claimed: ClaimedTask, result: bytes = b"null") -> Done:
    """The settlement of a task that went well."""
    return Done(
        task_id=claimed.row.task_id,
        lease=claimed.lease,
        result=result,
        execution_s=0.25,
        worker_id="w-1",
    )


class Claimer:
    """One incarnation of a node: claims, and never uses a lease number twice."""

    def __init__(self, store: Store, node: str, incarnation: int) -> None:
        self.store = store
        self.node = node
        self.incarnation = incarnation
        self._next_lease = first_lease(incarnation)

    @classmethod
    async def join(
        cls,
        store: Store,
        node: str = "node-a",
        *,
        beat_s: float | None = None,
        restarted: bool = False,
    ) -> "Claimer":
        incarnation = await store.join(node, beat_s=beat_s, restarted=restarted)
        return cls(store, node, incarnation)

    async def exchange(
        self,
        *settlements: Settlement,
        queues: Sequence[str] = ("default",),
        limit: int = 100,
        task_types: frozenset[str] | None = None,
    ) -> Exchanged:
        """Settle, and claim up to `limit` from each queue."""
        exchanged = await self.store.exchange(
            settlements,
            Claims(
                node=self.node,
                first_lease=self._next_lease,
                task_types=task_types,
                queues=[Claim(queue_name=name, limit=limit) for name in queues],
            ),
        )
        self._next_lease += len(exchanged.claimed)
        return exchanged

    async def survey(self) -> Survey:
        """Where there is work."""
        survey = (await self.store.exchange([], survey=True)).survey
        assert survey is not None
        return survey

    async def claim(
        self,
        *queues: str,
        limit: int = 100,
        task_types: frozenset[str] | None = None,
    ) -> list[ClaimedTask]:
        """What `exchange` claims, settling nothing; of the default queue unless told."""
        exchanged = await self.exchange(
            queues=queues or ("default",), limit=limit, task_types=task_types
        )
        return exchanged.claimed

    async def rescue(self, limit: int = 100) -> list[ClaimedTask]:
        """Take over what nobody holds any more."""
        rescued = await self.store.rescue(self.node, self._next_lease, limit)
        self._next_lease += len(rescued)
        return rescued

    async def settle(self, *settlements: Settlement) -> list[Settlement]:
        """What was refused."""
        return (await self.store.exchange(settlements)).refused


async def view_of(store: Store, task_id: UUID) -> TaskView:
    """The one view of a task that must be there."""
    [view] = await store.find(ByIds(task_ids=[task_id]))
    return view


def ids(tasks: Sequence[ClaimedTask]) -> list[UUID]:
    """Their task ids, in order."""
    return [task.row.task_id for task in tasks]
