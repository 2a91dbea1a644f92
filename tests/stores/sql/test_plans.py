"""What a call costs depends on what it moves, not on what waits: no claim, settle or add scans.

A plan that changes with the statistics, or a missing index, shows as rows visited.
"""

from collections.abc import Callable
from typing import Any

import pytest

from oncue.stores import Claim, ClaimedTask, Claims, first_lease
from oncue.stores.sql._add import add
from oncue.stores.sql._claim import claim
from oncue.stores.sql._dialect import Tx
from oncue.stores.sql._engine import Database
from oncue.stores.sql._look import survey
from oncue.stores.sql._nodes import join, reconcile, rescue
from oncue.stores.sql._schema import TASK_COLUMNS
from oncue.stores.sql._settle import settle
from oncue.testing._store_kit import done, make_row
from tests.stores.sql.kit import Place, work_of

BATCH = 50
COPIED = ", ".join((*TASK_COLUMNS[1:-3], "retry_count"))
NEW_ID = {
    "sqlite": "randomblob(16)",
    "postgresql": "gen_random_uuid()",
    "mysql": "UNHEX(REPLACE(UUID(), '-', ''))",
}
HANDLED = frozenset({"mine", "other"})


def multiply(place: Place, task_type: str, doublings: int) -> None:
    """Many more tasks of a type, each a microsecond later than what it is a copy of."""
    place.do(
        *(
            f"INSERT INTO {{live}} (task_id, {COPIED}, run_us)"
            f" SELECT {NEW_ID[place.kind]}, {COPIED}, run_us + {1 << number} FROM {{live}}"
            f" WHERE task_type = '{task_type}'"
            for number in range(doublings)
        )
    )


class Worker:
    """Exchanges, one after another, and what each of them visited."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.incarnation = database.write("join", lambda tx: join(tx, "n", None, False))
        self.next_lease = first_lease(self.incarnation)
        self.held: list[ClaimedTask] = []

    def step(self, tx: Tx, types: frozenset[str] | None = HANDLED) -> None:
        """Settle what is held, and claim as much."""
        claims = Claims(
            node="n",
            first_lease=self.next_lease,
            task_types=types,
            queues=[Claim(queue_name="default", limit=BATCH)],
        )
        assert settle(tx, [done(task) for task in self.held], True) == []
        self.held = claim(tx, claims)[0]
        assert len(self.held) == BATCH
        self.next_lease += BATCH

    def exchange(self, types: frozenset[str] | None = HANDLED) -> int:
        return work_of(self.database, lambda tx: self.step(tx, types))[1]

    def calls(self) -> dict[str, int]:
        """What each call visits now."""
        keys = [f"{self.next_lease} {n}" for n in range(BATCH)]
        rows = [make_row(unique_key=key if n % 2 else None) for n, key in enumerate(keys)]
        calls: dict[str, Callable[[Tx], Any]] = {
            "add": lambda tx: add(tx, rows),
            "survey": survey,
            "rescue": lambda tx: rescue(tx, "n", self.next_lease, BATCH),
            "reconcile": lambda tx: reconcile(
                tx, "n", self.incarnation, [task.lease for task in self.held]
            ),
        }
        return {name: work_of(self.database, call)[1] for name, call in calls.items()}


@pytest.mark.slow
def test_no_call_visits_what_it_does_not_move(place: Place) -> None:
    with place.database() as database:
        worker = Worker(database)
        seed = [make_row("mine"), make_row("other"), make_row("alien", priority=20)]
        database.write("add", lambda tx: add(tx, seed))
        database.write("add", lambda tx: add(tx, [make_row("mine", priority=20, delay=10**6)]))
        for task_type in ("mine", "other"):
            multiply(place, task_type, 8)
        few = [worker.exchange() for _ in range(4)][-1]
        few_calls = worker.calls()
        multiply(place, "alien", 16)  # at the head of the queue, and nobody here handles them
        multiply(place, "mine", 9)  # half of them due, half of them in the far future
        many = [worker.exchange() for _ in range(4)][-1]
        many_calls = worker.calls()
        assert many < 1.5 * few + 20, (few, many)
        for name, visited in many_calls.items():
            assert visited < 1.5 * few_calls[name] + 20, (name, few_calls, many_calls)
        assert worker.exchange(None) < 1.5 * few + 20  # of any type, the aliens first
        assert {task.row.task_type for task in worker.held} == {"alien"}
