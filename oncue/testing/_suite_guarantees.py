"""The store suite, in part: what a store says that it gives, seen by who looks meanwhile."""

from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar
from uuid import UUID

import anyio
from anyio.lowlevel import checkpoint

from oncue.stores import Added, AlreadyKnown, Change, Guarantee, LiveTasks, PauseTask, Store

from ._store_kit import Claimer, done, make_row
from ._suite_base import SuiteBase
from ._suite_schedules import fire, make_run, make_schedule, planned

T = TypeVar("T")

MANY: Final = 300
"""Rows of a call, so many that who looks all the time looks in between."""
JOBS: Final = 40
RUNS: Final = 8
"""Of each job in one fire."""


async def seen_during(
    call: Callable[[], Awaitable[object]], look: Callable[[], Awaitable[T]]
) -> list[T]:
    """What `look` saw while the call ran, and once behind it."""
    seen: list[T] = []
    ended = anyio.Event()

    async def run() -> None:
        await call()
        ended.set()

    async with anyio.create_task_group() as group:
        group.start_soon(run)
        while not ended.is_set():
            await checkpoint()
            seen.append(await look())
    return [*seen, await look()]


class GuaranteeTests(SuiteBase):
    """A store gives what its `guarantees` say, and says what is expected of it."""

    async def test_it_says_what_it_guarantees(self, store: Store) -> None:
        assert store.guarantees == self.guarantees

    async def test_who_looks_sees_a_whole_call_or_nothing_of_it(
        self, store: Store, claimer: Claimer
    ) -> None:
        """Without `WHOLE_CALLS` it may see a part, and all in the end."""
        rows = [make_row() for _ in range(MANY)]
        changes: list[Change] = [PauseTask(task_id=row.task_id) for row in rows[: MANY // 2]]
        rest = MANY - len(changes)

        async def figures() -> tuple[int, int, int]:
            counts = await store.count()
            return counts.pending, counts.held, counts.processing

        added = await seen_during(lambda: store.add(rows), figures)
        paused = await seen_during(lambda: store.edit(changes), figures)
        claimed = await claimer.claim(limit=MANY)
        settled = await seen_during(lambda: claimer.settle(*map(done, claimed)), figures)
        states = [
            (added, (0, 0, 0), (MANY, 0, 0)),
            (paused, (MANY, 0, 0), (rest, MANY - rest, 0)),
            (settled, (0, MANY - rest, rest), (0, MANY - rest, 0)),
        ]
        for seen, before, after in states:
            assert seen[-1] == after
            if Guarantee.WHOLE_CALLS in store.guarantees:
                assert set(seen) <= {before, after}

    async def test_a_call_that_was_cancelled_is_made_whole_by_repeating_it(
        self, store: Store
    ) -> None:
        rows = [make_row() for _ in range(MANY)]
        async with anyio.create_task_group() as group:
            group.start_soon(store.add, rows)
            await checkpoint()
            await store.count()
            group.cancel_scope.cancel()
        # Its server may be at it still.
        outcomes = await store.add(rows)
        assert all(isinstance(each, (Added, AlreadyKnown)) for each in outcomes)
        if Guarantee.WHOLE_CALLS in store.guarantees:
            assert len({type(each) for each in outcomes}) == 1
        assert (await store.count()).pending == MANY

    async def test_a_schedule_does_not_move_on_before_its_runs_are_there(
        self, store: Store
    ) -> None:
        """With `WHOLE_FIRES` not later either."""
        views = await planned(store, *(make_schedule() for _ in range(JOBS)))
        fires = [fire(each, *(make_run(each.row.job_id) for _ in range(RUNS))) for each in views]
        versions = {each.row.job_id: each.version for each in views}

        async def moved() -> set[UUID]:
            present = await store.schedules(list(versions))
            return {x.row.job_id for x in present if x.version != versions[x.row.job_id]}

        async def look() -> tuple[set[UUID], Counter[UUID], set[UUID]]:
            before = await moved()
            found = await store.find(LiveTasks(queue_name=None, limit=JOBS * RUNS))
            runs = Counter(each.row.job_id for each in found if each.row and each.row.job_id)
            return before, runs, await moved()

        seen = await seen_during(lambda: store.fire(fires), look)
        assert seen[-1] == (set(versions), Counter(dict.fromkeys(versions, RUNS)), set(versions))
        for before, runs, after in seen:
            assert all(runs[job_id] == RUNS for job_id in before)
            assert Guarantee.WHOLE_FIRES not in store.guarantees or runs.keys() <= after
