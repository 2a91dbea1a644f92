"""Several stores on one database, as several processes have it."""

from dataclasses import replace
from pathlib import Path
from threading import Thread
from uuid import uuid4

import anyio
import anyio.lowlevel
import pytest

from oncue.stores import Added, AlreadyKnown, Beat, ByIds, Pulse, TaskStatus, UniqueTaken
from oncue.stores.sql._dialect import Tx
from oncue.stores.sql._nodes import heartbeat, join
from oncue.testing._store_kit import Claimer, done, make_row
from tests.stores.sql.kit import KINDS, Kind, database_of, place

pytestmark = pytest.mark.real_time

NAMES = [
    "A",
    "a",
    "ä",
    "ａ",
    "a b",
    "a\u00a0b",
    "🦉",
    "🦉🦉",
    "İ",
    "ß",
    "ss",
    "%s",
    "'; --",
    '"`?{x}',
]


@pytest.mark.parametrize("kind", KINDS)
async def test_claimers_at_once_never_share_a_task(kind: Kind, tmp_path: Path) -> None:
    claimed: list[int] = []

    async def work(number: int) -> None:
        async with where.opened() as store:
            claimer = await Claimer.join(store, f"node-{number}")
            exchanged = await claimer.exchange(limit=7)
            while exchanged.claimed or exchanged.more:
                claimed.extend(int(task.row.trace or "") for task in exchanged.claimed)
                exchanged = await claimer.exchange(*map(done, exchanged.claimed), limit=7)
                assert exchanged.refused == []

    with place(kind, tmp_path) as where:
        async with where.opened() as store:
            rows = [
                make_row(f"t{number % 3}", priority=(5, 10)[number % 2]) for number in range(300)
            ]
            numbered = [replace(row, trace=str(n)) for n, row in enumerate(rows)]
            await store.add(numbered)
            async with anyio.create_task_group() as tg:
                for number in range(4):
                    tg.start_soon(work, number)
            assert sorted(claimed) == list(range(300))
            assert (await store.count()).live == 0


@pytest.mark.parametrize("kind", KINDS)
async def test_the_same_tasks_added_at_once_are_added_once(kind: Kind, tmp_path: Path) -> None:
    rows = [make_row(unique_key=f"k{number % 40}") for number in range(80)]
    outcomes: list[object] = []

    async def add() -> None:
        async with where.opened() as store:
            outcomes.extend(await store.add(rows))

    with place(kind, tmp_path) as where:
        async with where.opened() as store:
            async with anyio.create_task_group() as tg:
                for _ in range(4):
                    tg.start_soon(add)
            assert outcomes.count(Added()) == 40
            assert outcomes.count(AlreadyKnown()) == 120
            assert (await store.count()).live == 40


@pytest.mark.parametrize("kind", KINDS)
async def test_names_are_told_apart_byte_by_byte(kind: Kind, tmp_path: Path) -> None:
    with place(kind, tmp_path) as where:
        async with where.opened() as store:
            rows = [make_row(name, queue_name=name, unique_key=name) for name in NAMES]
            assert await store.add(rows) == [Added()] * len(NAMES)
            claimer = await Claimer.join(store)
            assert set((await claimer.survey()).queues) == set(NAMES)
            assert await store.queues() == sorted(NAMES)
            for row in rows:
                again = make_row(queue_name=row.queue_name, unique_key=row.unique_key)
                assert await store.add([again]) == [UniqueTaken(live_task_id=row.task_id)]
                handled = frozenset({row.task_type})
                [task] = await claimer.claim(row.queue_name, task_types=handled)
                assert task.row == row


@pytest.mark.parametrize("kind", KINDS)
async def test_without_a_time_to_live_no_result_is_written(kind: Kind, tmp_path: Path) -> None:
    with place(kind, tmp_path) as where:
        async with where.opened(result_ttl_s=0) as store:
            row = make_row(task_id=(task_id := uuid4()))
            claimer = await Claimer.join(store)
            for _ in range(2):
                assert await store.add([row]) == [Added()]
                [task] = await claimer.claim()
                await claimer.settle(done(task))
                assert await store.find(ByIds(task_ids=[task_id])) == []


@pytest.mark.parametrize("kind", KINDS)
async def test_what_a_cancelled_call_did_it_did_to_the_end(kind: Kind, tmp_path: Path) -> None:
    with place(kind, tmp_path) as where:
        async with where.opened() as store:
            rows = [make_row() for _ in range(500)]
            with anyio.CancelScope() as scope:
                async with anyio.create_task_group() as tg:
                    tg.start_soon(store.add, rows)
                    await anyio.lowlevel.checkpoint()
                    scope.cancel()
            assert (await store.count()).live in (0, 500)
            known = set(map(type, await store.add(rows)))
            assert len(known) == 1
            assert (await store.count()).live == 500


@pytest.mark.parametrize("kind", KINDS)
async def test_an_id_that_ended_between_two_looks_is_known(kind: Kind, tmp_path: Path) -> None:
    """Were results looked at before the row is written, this one would run twice."""
    with place(kind, tmp_path) as where:
        async with where.opened() as store, where.opened() as other:
            claimer = await Claimer.join(other)
            row, keyed = make_row(unique_key="k"), make_row(unique_key="k")
            assert await store.add([row]) == [Added()]
            [task] = await claimer.claim()
            await claimer.settle(done(task, b"1"))
            # The repeated row takes the key for a moment, and must give it back.
            assert await store.add([row, keyed]) == [AlreadyKnown(), Added()]
            [view] = await store.find(ByIds(task_ids=[row.task_id]))
            assert (view.status, view.result) == (TaskStatus.COMPLETED, b"1")
            assert await claimer.settle(done(task, b"2")) == [done(task, b"2")]


@pytest.mark.parametrize("kind", KINDS)
def test_a_heartbeat_that_meets_a_join_is_superseded(kind: Kind, tmp_path: Path) -> None:
    if kind == "sqlite":
        pytest.skip("one writer at a time: they cannot meet")
    pulses: list[Pulse] = []
    with place(kind, tmp_path) as where, where.database() as database:
        first = database.write("join", lambda tx: join(tx, "n", 1.0, False))

        def beat() -> None:
            beats = [Beat(node="n", incarnation=first)]
            pulses.extend(database.write("beat", lambda tx: heartbeat(tx, beats)))

        beating = Thread(target=beat)

        def join_meanwhile(tx: Tx) -> None:
            join(tx, "n", 1.0, False)
            beating.start()
            beating.join(0.3)
            assert beating.is_alive(), "it waits for the row"

        database.write("join", join_meanwhile)
        beating.join(10)
    assert pulses == [Pulse.SUPERSEDED]


@pytest.mark.parametrize("kind", KINDS)
async def test_statements_are_the_same_whichever_tasks_are_claimed(
    kind: Kind, tmp_path: Path
) -> None:
    with place(kind, tmp_path) as where:
        async with where.opened() as store:
            statements = database_of(store).dialect._statements  # pyright: ignore[reportPrivateUsage]
            claimer = await Claimer.join(store)
            kept: list[int] = []
            for _ in range(5):
                await store.add([make_row() for _ in range(5)])
                held = await claimer.claim(limit=5)
                assert [each.lease - held[0].lease for each in held] == [0, 1, 2, 3, 4]
                assert await claimer.settle(*map(done, held)) == []
                kept.append(len(statements))
            assert kept[2] == kept[4]
