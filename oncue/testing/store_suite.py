"""The contract of a store as tests. A store is one when it passes them, on both backends.

    from oncue.testing.store_suite import (
        DEAD_LETTER_TTL_S, RESULT_TTL_S, StoreSuite, TurnedClock,
    )

    class TestMyStore(StoreSuite):
        def make_store(self, clock: TurnedClock) -> Store:
            return MyStore(clock=clock, result_ttl_s=RESULT_TTL_S,
                           dead_letter_ttl_s=DEAD_LETTER_TTL_S)

Rules:
- `make_store` gives an empty store, not open yet, with the two times to live below, that
  keeps at least 100 results.
- A store whose clock is its server's overrides `pass_time` with whatever moves that.
- Each test is a sentence of `stores/base.py`; needs pytest and an `anyio_backend` fixture.
"""

import pytest

from oncue.stores import (
    TRANSITIONS,
    ByIds,
    CancelTask,
    ClaimedTask,
    Move,
    PauseTask,
    PurgeExpired,
    RequeueDead,
    ResumeTask,
    Store,
    StoreClosed,
    TaskStatus,
)

from ._store_kit import Claimer, TurnedClock, done, ids, make_row, view_of
from ._suite_base import (
    DEAD_LETTER_TTL_S,
    RESULT_TTL_S,
    back,
    cancelled,
    dead,
    retry,
)
from ._suite_claims import ClaimTests
from ._suite_guarantees import GuaranteeTests
from ._suite_look import LookTests
from ._suite_moves import MoveTests
from ._suite_nodes import NodeTests
from ._suite_revise import ReviseTests
from ._suite_schedules import ScheduleTests

__all__ = ["DEAD_LETTER_TTL_S", "RESULT_TTL_S", "StoreSuite", "TurnedClock"]


class StoreSuite(
    ClaimTests, MoveTests, NodeTests, LookTests, ReviseTests, ScheduleTests, GuaranteeTests
):
    """All of the contract: its parts, the table of transitions, and a store's own life."""

    # --- the table of transitions ----------------------------------------------------------

    @pytest.mark.parametrize("move", list(Move))
    @pytest.mark.parametrize("status", [each for each in TaskStatus if each != "failed"])
    async def test_a_move_is_made_where_the_table_allows_it_and_refused_elsewhere(
        self,
        store: Store,
        claimer: Claimer,
        store_clock: TurnedClock,
        status: TaskStatus,
        move: Move,
    ) -> None:
        task = await self._bring_to(status, store, claimer)
        await self.pass_time(store_clock, 60)
        before = await view_of(store, task.row.task_id)
        assert before.status is status
        moved = await _make(move, task, store, claimer)
        after = await view_of(store, task.row.task_id)
        allowed = TRANSITIONS.get((status, move))
        if allowed is None:
            assert not moved
            assert after == before
        else:
            assert moved
            assert after.status in allowed

    async def _bring_to(self, status: TaskStatus, store: Store, claimer: Claimer) -> ClaimedTask:
        """A task in that status, and the last lease that it had."""
        await store.add([make_row()])
        [task] = await claimer.claim()
        change = PauseTask(task_id=task.row.task_id)
        match status:
            case TaskStatus.PROCESSING:
                pass
            case TaskStatus.PENDING:
                await claimer.settle(back(task))
            case TaskStatus.RETRYING:
                await claimer.settle(retry(task))
            case TaskStatus.PAUSED:
                await claimer.settle(back(task))
                await store.edit([change])
            case TaskStatus.DEAD_LETTER:
                await claimer.settle(dead(task))
            case TaskStatus.COMPLETED:
                await claimer.settle(done(task))
            case _:
                await claimer.settle(cancelled(task))
        return task

    # --- life ------------------------------------------------------------------------------

    async def test_a_closed_store_refuses_every_call(self, store: Store) -> None:
        await store.close()
        await store.close()
        for call in (
            store.join("a"),
            store.add([make_row()]),
            store.exchange([]),
            store.edit([]),
            store.leave("a", 1),
            store.heartbeat([]),
            store.reconcile("a", 1, ()),
            store.rescue("a", 1, 1),
            store.nodes(),
            store.find(ByIds(task_ids=[])),
            store.count(),
            store.queues(),
            store.purge(PurgeExpired()),
            store.plan([]),
            store.due(1),
            store.fire([]),
            store.schedules(),
        ):
            with pytest.raises(StoreClosed):
                await call

    async def test_what_is_kept_outlives_close_and_open(
        self, store: Store, claimer: Claimer
    ) -> None:
        row = make_row()
        await store.add([row])
        await store.close()
        await store.open()
        await store.open()
        assert ids(await claimer.claim()) == [row.task_id]
        assert await store.join("node-a") > claimer.incarnation


async def _make(move: Move, task: ClaimedTask, store: Store, claimer: Claimer) -> bool:
    """Try a move; whether it was made."""
    task_id = task.row.task_id
    match move:
        case Move.CLAIM:
            return task_id in ids(await claimer.claim())
        case Move.DONE:
            return not await claimer.settle(done(task))
        case Move.RETRY:
            return not await claimer.settle(retry(task))
        case Move.DEAD:
            return not await claimer.settle(dead(task))
        case Move.BACK:
            return not await claimer.settle(back(task))
        case Move.CANCEL:
            return (await store.edit([CancelTask(task_id=task_id)]))[0].count == 1
        case Move.PAUSE:
            return (await store.edit([PauseTask(task_id=task_id)]))[0].count == 1
        case Move.RESUME:
            return (await store.edit([ResumeTask(task_id=task_id)]))[0].count == 1
        case Move.REQUEUE:
            return (await store.edit([RequeueDead(task_id=task_id)]))[0].count == 1
