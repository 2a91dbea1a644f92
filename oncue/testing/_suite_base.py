"""What every part of the store suite stands on: the store, its clock, and settlements."""

from collections.abc import AsyncIterator
from typing import Final
from uuid import UUID

import pytest

from oncue.stores import (
    Back,
    Cancelled,
    ClaimedTask,
    Dead,
    Edited,
    Guarantee,
    RetryAt,
    Settlement,
    Store,
)

from ._store_kit import Claimer, TurnedClock, done, make_row

RESULT_TTL_S: Final = 1000.0
DEAD_LETTER_TTL_S: Final = 5000.0

NOT_APPLIED: Final = Edited(count=0)


def retry(claimed: ClaimedTask, delay_s: float = 10.0) -> RetryAt:
    return RetryAt(
        task_id=claimed.row.task_id,
        lease=claimed.lease,
        delay_s=delay_s,
        error="boom",
        execution_s=0.5,
        worker_id="w-1",
    )


def dead(claimed: ClaimedTask, error: str = "boom") -> Dead:
    return Dead(
        task_id=claimed.row.task_id,
        lease=claimed.lease,
        error=error,
        execution_s=0.5,
        worker_id="w-1",
    )


def back(claimed: ClaimedTask) -> Back:
    return Back(task_id=claimed.row.task_id, lease=claimed.lease)


def cancelled(claimed: ClaimedTask) -> Cancelled:
    return Cancelled(
        task_id=claimed.row.task_id,
        lease=claimed.lease,
        error=None,
        execution_s=0.5,
        worker_id="w-1",
    )


def every_settlement(claimed: ClaimedTask) -> list[Settlement]:
    return [done(claimed), retry(claimed), dead(claimed), back(claimed), cancelled(claimed)]


async def kill(store: Store, claimer: Claimer, *task_ids: UUID, queue: str = "default") -> None:
    """Add tasks and make dead letters of them, in order."""
    for task_id in task_ids:
        await store.add([make_row(task_id=task_id, queue_name=queue)])
        [task] = await claimer.claim(queue)
        await claimer.settle(dead(task))


@pytest.mark.anyio
class SuiteBase:
    """Subclass it, define `make_store`, and let pytest collect the subclass."""

    def make_store(self, clock: TurnedClock) -> Store:
        raise NotImplementedError

    guarantees: frozenset[Guarantee] = frozenset(Guarantee)
    """What the store is expected to say of itself. Override it where the engine gives less."""

    async def pass_time(self, clock: TurnedClock, seconds: float) -> None:
        """Let so much time pass for the store."""
        clock.turn(seconds)

    @pytest.fixture
    def store_clock(self) -> TurnedClock:
        return TurnedClock()

    @pytest.fixture
    async def store(self, store_clock: TurnedClock) -> AsyncIterator[Store]:
        store = self.make_store(store_clock)
        await store.open()
        yield store
        await store.close()

    @pytest.fixture
    async def claimer(self, store: Store) -> Claimer:
        return await Claimer.join(store)
