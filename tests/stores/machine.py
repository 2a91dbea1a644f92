"""Any history of calls: a store against a model that scans and sorts everything.

The model is a dict of plain records with none of the store's lines, lanes and counters.
"""

from collections import Counter
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from oncue.stores import (
    Added,
    AlreadyKnown,
    Back,
    ByIds,
    Cancelled,
    CancelTask,
    Claim,
    Claims,
    Dead,
    Done,
    LiveTasks,
    MemoryStore,
    PauseQueue,
    PauseTask,
    PurgeDeadLetters,
    PurgeWaiting,
    RequeueDead,
    ResumeQueue,
    ResumeTask,
    RetryAt,
    Settlement,
    Store,
    TaskRow,
    UniqueTaken,
    first_lease,
)
from oncue.testing._store_kit import TurnedClock, make_row

T = TypeVar("T")

QUEUES = ("a", "b")
TYPES = ("x", "y", "z")
queues = st.sampled_from(QUEUES)
nodes = st.sampled_from(["n1", "n2"])
picks = st.integers(0, 1000)
BEAT_S = 2.0


@dataclass
class Told:
    """What the model knows of one task."""

    row: TaskRow
    number: int
    run_at: datetime
    retry_count: int = 0
    place: str = "waiting"  # paused, running, done, cancelled, dead
    lease: int = 0
    node: str = ""
    lost: bool = False


class StoreMachine(RuleBasedStateMachine):
    """The memory store, unless a subclass says how another is made and called."""

    def make_clock(self) -> TurnedClock:
        return TurnedClock()

    def make_store(self) -> Store:
        return MemoryStore(clock=self.clock, result_cache_limit=10**6)

    def do(self, call: Coroutine[Any, Any, T]) -> T:
        """The result of a call that never waits; that it never does is part of the test."""
        try:
            call.send(None)
        except StopIteration as end:
            result: T = end.value
            return result
        raise AssertionError("a memory store call waited")

    def __init__(self) -> None:
        super().__init__()
        self.clock = self.make_clock()
        self.store = self.make_store()
        self.do(self.store.open())
        self.told: dict[UUID, Told] = {}
        self.number = 0
        self.purged = 0
        self.accepted = 0
        self.paused: set[str] = set()
        self.leases: set[int] = set()
        self.incarnation: dict[str, int] = {}
        self.next_lease: dict[str, int] = {}
        self.stale: list[tuple[UUID, int]] = []
        self.beat_at: dict[str, datetime] = {}
        for node in ("n1", "n2"):
            self.restart(node)

    def restart(self, node: str, restarted: bool = True) -> None:
        incarnation = self.do(self.store.join(node, beat_s=BEAT_S, restarted=restarted))
        assert incarnation > max(self.incarnation.values(), default=0)
        self.incarnation[node] = incarnation
        self.beat_at[node] = self.clock.now()
        self.next_lease[node] = first_lease(incarnation)

    def is_alive(self, node: str) -> bool:
        return self.clock.now() - self.beat_at[node] < timedelta(seconds=4 * BEAT_S)

    def select(self, *places: str) -> list[Told]:
        return [told for told in self.told.values() if told.place in places]

    def pick(self, number: int, *places: str) -> Told | None:
        found = self.select(*places)
        return found[number % len(found)] if found else None

    def revive(self, told: Told) -> None:
        self.number += 1
        told.number = self.number

    # --- what can happen ---------------------------------------------------------------------

    @rule(
        queue=queues,
        task_type=st.sampled_from(TYPES),
        priority=st.sampled_from([1, 5, 10, 20]),
        delay=st.sampled_from([0, 0, 0, 3, 8]),
        key=st.sampled_from([None, None, "k1", "k2"]),
        copies=st.integers(1, 3),
    )
    def add(
        self,
        queue: str,
        task_type: str,
        priority: int,
        delay: float,
        key: str | None,
        copies: int,
    ) -> None:
        fields: dict[str, Any] = {"priority": priority, "delay": delay, "unique_key": key}
        rows = [make_row(task_type, queue_name=queue, **fields) for _ in range(copies)]
        run_at = self.clock.now() + timedelta(seconds=delay)
        self.take(rows, self.do(self.store.add(rows)), run_at)

    def take(self, rows: Sequence[TaskRow], outcomes: Sequence[object], run_at: datetime) -> None:
        for row, outcome in zip(rows, outcomes, strict=True):
            holder = self.key_holder(row)
            if holder is not None:
                assert outcome == UniqueTaken(live_task_id=holder)
                continue
            assert outcome == Added()
            self.accepted += 1
            self.number += 1
            self.told[row.task_id] = Told(row, self.number, run_at)

    def key_holder(self, row: TaskRow) -> UUID | None:
        if row.unique_key is None:
            return None
        for told in self.select("waiting", "paused", "running"):
            same = told.row.unique_key == row.unique_key
            if same and told.row.queue_name == row.queue_name:
                return told.row.task_id
        return None

    @rule(number=picks)
    def add_again(self, number: int) -> None:
        told = self.pick(number, "waiting", "paused", "running", "done", "cancelled", "dead")
        if told is not None:
            assert self.do(self.store.add([told.row])) == [AlreadyKnown()]

    @rule(seconds=st.sampled_from([0.5, 3, 10]))
    def wait(self, seconds: float) -> None:
        self.clock.turn(seconds)

    @rule(
        node=nodes,
        limits=st.lists(st.tuples(queues, st.integers(0, 4)), max_size=3),
        types=st.sampled_from([None, frozenset("x"), frozenset("yz"), frozenset("xyz")]),
        outcomes=st.lists(st.tuples(picks, st.integers(0, 5)), max_size=4),
    )
    def exchange(
        self,
        node: str,
        limits: list[tuple[str, int]],
        types: frozenset[str] | None,
        outcomes: list[tuple[int, int]],
    ) -> None:
        now = self.clock.now()
        settlements, refused = self.settle(outcomes, now)
        claims = Claims(
            node=node,
            first_lease=self.next_lease[node],
            task_types=types,
            queues=[Claim(queue_name=name, limit=limit) for name, limit in limits],
        )
        exchanged = self.do(self.store.exchange(settlements, claims))
        assert exchanged.refused == refused
        expected: list[UUID] = []
        more: set[str] = set()
        for name, limit in limits if self.is_alive(node) else ():
            ready = [] if name in self.paused else self.ready(name, types, now)
            for told in ready[:limit]:
                lease = self.next_lease[node]
                assert lease not in self.leases
                self.leases.add(lease)
                self.next_lease[node] += 1
                told.place, told.lease, told.node = "running", lease, node
                expected.append(told.row.task_id)
            if limit and len(ready) >= limit:
                more.add(name)
        assert [task.row.task_id for task in exchanged.claimed] == expected
        assert exchanged.more == more
        for task in exchanged.claimed:
            told = self.told[task.row.task_id]
            assert (task.lease, task.retry_count) == (told.lease, told.retry_count)
        delayed = [told.run_at for told in self.select("waiting") if told.run_at > now]
        seconds = (min(delayed) - now).total_seconds() if delayed else None
        surveyed = self.do(self.store.exchange([], survey=True)).survey
        assert surveyed is not None
        assert surveyed.next_due_s == seconds
        assert set(surveyed.queues) == {
            told.row.queue_name for told in self.select("waiting", "paused", "running")
        }

    def settle(
        self, outcomes: list[tuple[int, int]], now: datetime
    ) -> tuple[list[Settlement], list[Settlement]]:
        settlements: list[Settlement] = []
        refused: list[Settlement] = []
        for number, kind in outcomes:
            if kind == 5 and self.stale:  # an owner that lost its lease
                task_id, lease = self.stale[number % len(self.stale)]
                late = Done(task_id=task_id, lease=lease, result=b"0", execution_s=0, worker_id="")
                settlements.append(late)
                refused.append(late)
                continue
            told = self.pick(number, "running")
            if told is not None:
                settlements.append(self.settlement(told, kind, now))
        return settlements, refused

    def settlement(self, told: Told, kind: int, now: datetime) -> Settlement:
        task_id, lease = told.row.task_id, told.lease
        self.lose(told)
        match kind:
            case 0:
                told.place = "done"
                return Done(task_id=task_id, lease=lease, result=b"1", execution_s=0, worker_id="w")
            case 1 | 2:
                told.retry_count += 1
                told.run_at = now + timedelta(seconds=kind - 1)
                return RetryAt(
                    task_id=task_id,
                    lease=lease,
                    delay_s=kind - 1,
                    error="e",
                    execution_s=0,
                    worker_id="w",
                )
            case 3:
                told.place = "dead"
                return Dead(task_id=task_id, lease=lease, error="e", execution_s=0, worker_id="w")
            case 4:
                told.place = "cancelled"
                return Cancelled(
                    task_id=task_id, lease=lease, error=None, execution_s=0, worker_id="w"
                )
            case _:
                return Back(task_id=task_id, lease=lease)

    def lose(self, told: Told) -> None:
        self.stale.append((told.row.task_id, told.lease))
        told.place, told.lease, told.lost = "waiting", 0, False

    def ready(self, queue: str, types: frozenset[str] | None, now: datetime) -> list[Told]:
        found = [
            told
            for told in self.select("waiting")
            if told.row.queue_name == queue
            and told.run_at <= now
            and (types is None or told.row.task_type in types)
        ]
        return sorted(found, key=lambda told: (-told.row.priority, told.run_at, told.number))

    @rule(number=picks)
    def cancel(self, number: int) -> None:
        told = self.pick(number, "waiting", "paused", "running")
        if told is not None:
            [edited] = self.do(self.store.edit([CancelTask(task_id=told.row.task_id)]))
            assert edited.count == 1
            assert (edited.holder is not None) == (told.place == "running")
            if told.place == "running":
                self.lose(told)
            told.place = "cancelled"

    @rule(number=picks)
    def pause(self, number: int) -> None:
        told = self.pick(number, "waiting", "paused", "running")
        if told is not None:
            [edited] = self.do(self.store.edit([PauseTask(task_id=told.row.task_id)]))
            assert edited.count == (told.place == "waiting")
            told.place = "paused" if told.place == "waiting" else told.place

    @rule(number=picks)
    def resume(self, number: int) -> None:
        told = self.pick(number, "paused", "waiting", "running")
        if told is not None:
            [edited] = self.do(self.store.edit([ResumeTask(task_id=told.row.task_id)]))
            assert edited.count == (told.place == "paused")
            told.place = "waiting" if told.place == "paused" else told.place

    @rule(number=picks)
    def requeue(self, number: int) -> None:
        told = self.pick(number, "dead")
        if told is not None:
            taken = self.key_holder(told.row) is not None
            [edited] = self.do(self.store.edit([RequeueDead(task_id=told.row.task_id)]))
            assert edited.count == (not taken)
            if not taken:
                self.revive(told)
                told.place, told.retry_count, told.run_at = "waiting", 0, self.clock.now()

    @rule(queue=queues, pause=st.booleans())
    def pause_queue(self, queue: str, pause: bool) -> None:
        change = PauseQueue(queue_name=queue) if pause else ResumeQueue(queue_name=queue)
        [edited] = self.do(self.store.edit([change]))
        assert edited.count == (pause != (queue in self.paused))
        (self.paused.add if pause else self.paused.discard)(queue)

    @rule(queue=queues, dead=st.booleans())
    def purge(self, queue: str, dead: bool) -> None:
        places = ("dead",) if dead else ("waiting", "paused")
        gone = [told for told in self.select(*places) if told.row.queue_name == queue]
        what = PurgeDeadLetters(queue_name=queue) if dead else PurgeWaiting(queue_name=queue)
        assert self.do(self.store.purge(what)) == len(gone)
        self.purged += len(gone)
        for told in gone:
            del self.told[told.row.task_id]

    # --- what always holds -------------------------------------------------------------------

    @invariant()
    def every_task_accepted_is_somewhere(self) -> None:
        views = self.do(self.store.find(ByIds(task_ids=list(self.told))))
        assert len(views) + self.purged == self.accepted
        for view, told in zip(views, self.told.values(), strict=True):
            waiting = "retrying" if told.retry_count else "pending"
            expected = {
                "waiting": waiting,
                "running": "processing",
                "done": "completed",
                "dead": "dead_letter",
            }.get(told.place, told.place)
            assert view.status == expected
            assert view.retry_count == told.retry_count
            assert (view.holder.lease if view.holder else 0) == told.lease

    @invariant()
    def live_tasks_are_listed_in_the_order_added(self) -> None:
        live = sorted(self.select("waiting", "paused", "running"), key=lambda each: each.number)
        views = self.do(self.store.find(LiveTasks(queue_name=None, limit=10**6)))
        assert [view.task_id for view in views] == [told.row.task_id for told in live]

    @invariant()
    def figures_are_what_counting_gives(self) -> None:
        now = self.clock.now()
        held = 0
        for name in QUEUES:
            counts = self.do(self.store.count(name))
            mine = [told for told in self.told.values() if told.row.queue_name == name]
            waiting = [told for told in mine if told.place == "waiting"]
            kept = [told for told in mine if told.place not in ("done", "cancelled")]
            live = sorted(
                (told for told in kept if told.place != "dead"), key=lambda told: told.number
            )
            ready = [told for told in waiting if told.run_at <= now]
            idle = [told for told in live if told.place != "running"]
            assert counts.pending == len(ready)
            assert counts.delayed == len(waiting) - len(ready)
            assert counts.held == sum(told.place == "paused" for told in mine)
            assert counts.processing == sum(told.place == "running" for told in mine)
            assert counts.dead_letters == sum(told.place == "dead" for told in mine)
            assert counts.live == len(live)
            assert counts.priorities == Counter(told.row.priority for told in idle)
            assert counts.ready_types == Counter(told.row.task_type for told in ready)
            assert counts.payload_bytes == sum(len(told.row.payload) for told in kept)
            assert counts.paused == (name in self.paused)
            assert counts.oldest == (live[0].row.created_at if live else None)
            assert counts.newest == (live[-1].row.created_at if live else None)
            held += counts.payload_bytes
        assert self.do(self.store.count()).store_payload_bytes == held
