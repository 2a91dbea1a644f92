"""Adding tasks, exactly once each.

Rules:
- Rows are written first and looked for among results and dead letters afterwards. Once a row is
  written its id is ours: whoever settles or adds it meanwhile waits, or has committed and is seen.
  (To look first would miss a task that is added, run and settled in between.)
- What was not written is asked for its reason; where that is gone again, once more from the start.
"""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from .._moments import duration_us, microseconds
from ..records import Added, AddOutcome, AlreadyKnown, TaskRow, UniqueTaken
from ._dialect import Tx
from ._rows import columns_of, uuid_of

_ADDED: Final = Added()
_ALREADY_KNOWN: Final = AlreadyKnown()
_ENDED: Final = (
    "SELECT task_id FROM {results} WHERE task_id {among}"
    " UNION ALL SELECT task_id FROM {dead} WHERE task_id {among}"
)
# A reason that is gone when it is asked for is a race lost by microseconds.
_ROUNDS_MAX: Final = 10


class Unsettled(Exception):
    """The reasons kept vanishing: the transaction is to be tried anew."""


def add(tx: Tx, rows: Sequence[TaskRow]) -> list[AddOutcome]:
    """One outcome per row, in order."""
    outcomes: dict[UUID, AddOutcome] = {}
    pending: dict[UUID, TaskRow] = {}
    for row in rows:
        pending.setdefault(row.task_id, row)
    for _ in range(_ROUNDS_MAX):
        if not pending:
            break
        outcomes.update(_round(tx, pending))
        pending = {key: row for key, row in pending.items() if key not in outcomes}
    else:
        if pending:
            raise Unsettled
    answered: set[UUID] = set()
    answers: list[AddOutcome] = []
    for row in rows:
        again = row.task_id in answered and outcomes[row.task_id] is _ADDED
        answers.append(_ALREADY_KNOWN if again else outcomes[row.task_id])
        answered.add(row.task_id)
    tx.hints.update(row.queue_name for row in rows if outcomes[row.task_id] is _ADDED)
    return answers


def _round(tx: Tx, pending: dict[UUID, TaskRow]) -> dict[UUID, AddOutcome]:
    """The outcomes that one try brings; a row without any is to be tried again."""
    now_us, id_of = tx.now_us, tx.dialect.id_of
    written = tx.dialect.add(
        tx,
        [
            (*columns_of(row, id_of), row.retry_count, _run_us(row, now_us))
            for row in pending.values()
        ],
    )
    ended = _ended(tx, list(written))
    if ended:
        tx.do_among("DELETE FROM {live} WHERE task_id {among}", list(ended))
    outcomes: dict[UUID, AddOutcome] = dict.fromkeys(written - ended, _ADDED)
    outcomes.update(dict.fromkeys(ended, _ALREADY_KNOWN))
    refused = [row for key, row in pending.items() if key not in written]
    if refused:
        outcomes.update(_reasons(tx, refused))
    return outcomes


def _run_us(row: TaskRow, now_us: int) -> int:
    run_us = now_us + duration_us(row.delay_s) if row.delay_s else now_us
    if row.scheduled_at is None:
        return run_us
    return max(run_us, microseconds(row.scheduled_at))


def _ended(tx: Tx, ids: list[UUID]) -> set[UUID]:
    if not ids:
        return set()
    return {uuid_of(row[0]) for row in tx.rows_among(_ENDED, ids)}


def _reasons(tx: Tx, refused: Sequence[TaskRow]) -> dict[UUID, AddOutcome]:
    ids = [row.task_id for row in refused]
    live = tx.rows_among("SELECT task_id FROM {live} WHERE task_id {among}", ids)
    reasons: dict[UUID, AddOutcome] = {uuid_of(row[0]): _ALREADY_KNOWN for row in live}
    unknown = [row for row in refused if row.task_id not in reasons]
    # A repeated id is a repetition, whatever its key; so the ended are asked before the keys.
    reasons.update(dict.fromkeys(_ended(tx, [row.task_id for row in unknown]), _ALREADY_KNOWN))
    for row in unknown:
        if row.task_id not in reasons and row.unique_key is not None:
            holder = tx.row(
                "SELECT task_id FROM {live} WHERE queue_name = ? AND unique_key = ?",
                row.queue_name,
                row.unique_key,
            )
            if holder is not None:
                reasons[row.task_id] = UniqueTaken(live_task_id=uuid_of(holder[0]))
    return reasons
