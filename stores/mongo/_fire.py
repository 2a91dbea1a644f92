"""Schedules: fired.

Rules:
- The fence is (_id, version) and nothing else: who moves a schedule on compares its version.
- To fire is one transaction where there is one. Without, the runs are added first and the schedule
  is moved on afterwards: who dies in between has lost nothing, as the schedule is still due, and
  doubled nothing, as whoever fires it then adds the same ids, which are known.
- So such an id outlives its run: `owed_to` is the version of the schedule that it was added for,
  and while that is the schedule's still, no purge removes it. Once it has moved on, the mark goes.
- Who added runs first and was overtaken then by a change of the schedule takes back those that wait
  still, if the schedule's document tells that its version was never fired (`fired` is the last that
  was). Where it cannot tell, they stay: it is as if the schedule had been fired before the change.
- A process that is killed within its transaction leaves that open, and MongoDB ends it after a
  minute (transactionLifetimeLimitSeconds). Until then nobody fires or changes these schedules.
"""

from collections.abc import Container, Iterator, Sequence
from itertools import islice
from uuid import UUID

from pymongo import UpdateOne

from .._moments import microseconds
from .._versions import first_version
from ..records import Added, Fired, FireOutcome, InstancesFull, Overtaken, TaskRow
from ..requests import Fire
from ._add import add
from ._call import Call
from ._schema import HELD, IS_LIVE, RUNS, WAITING, Document


def fire(call: Call, fires: Sequence[Fire]) -> list[FireOutcome]:
    """One outcome per fire, in order."""
    outcomes: list[FireOutcome] = [Overtaken()] * len(fires)
    versions = _versions(call, list({each.job_id: None for each in fires}))
    batch: dict[UUID, int] = {}

    def fire_batch() -> None:
        for number, outcome in zip(
            batch.values(), _fire(call, [fires[number] for number in batch.values()]), strict=True
        ):
            outcomes[number] = outcome
            if outcome == Overtaken():
                versions.pop(fires[number].job_id, None)
        batch.clear()

    for number, each in enumerate(fires):
        if each.job_id in batch and versions.get(each.job_id) == each.version:
            fire_batch()  # as it moves on twice
        if versions.get(each.job_id) == each.version:
            batch[each.job_id] = number
            versions[each.job_id] += 1
            if each.next_run_at is None:
                del versions[each.job_id]
    fire_batch()
    return outcomes


def _fire(call: Call, fires: Sequence[Fire]) -> list[FireOutcome]:
    """Of schedules that differ, and that were at these versions."""
    full = _full(call, fires)
    running = [each for each in fires if each.job_id not in full]
    rows = [(row, each) for each in running for row in each.rows]
    owed_to = None if call.session else [each.version for _, each in rows]
    added = iter(add(call, [row for row, _ in rows], owed_to))
    outcomes: dict[UUID, FireOutcome] = {
        each.job_id: Fired(outcomes=list(islice(added, len(each.rows)))) for each in running
    } | full
    moved = _move_on(call, fires, full.keys())
    if call.session is None:
        _unmark(call, [row.task_id for row, each in rows if each.job_id in moved])
        for each in running:
            if each.job_id not in moved:
                _take_back(call, each, outcomes[each.job_id])
    return [outcomes[each.job_id] if each.job_id in moved else Overtaken() for each in fires]


def _versions(call: Call, job_ids: Sequence[UUID]) -> dict[UUID, int]:
    """The versions of those that are there."""
    asked = {"_id": {"$in": list(job_ids)}}
    found = call.schedules.find(asked, {"version": 1}, session=call.session)
    return {document["_id"]: document["version"] for document in found}


def _full(call: Call, fires: Sequence[Fire]) -> dict[UUID, FireOutcome]:
    """Those that have as many live runs as they may, not counting what is owed to this version."""
    limited = [each for each in fires if each.rows and each.instances_max is not None]
    live = _live_runs(call, [each.job_id for each in limited])
    full: dict[UUID, FireOutcome] = {}
    for each in limited:
        owed = live.get(each.job_id, {})
        runs = sum(number for owed_to, number in owed.items() if owed_to != each.version)
        if each.instances_max is not None and runs >= each.instances_max:
            full[each.job_id] = InstancesFull(live=runs)
    return full


def _live_runs(call: Call, job_ids: Sequence[UUID]) -> dict[UUID, dict[int | None, int]]:
    """How many live tasks are runs of each, apart by the version that they are owed to."""
    if not job_ids:
        return {}
    steps: list[Document] = [
        {"$match": {"state": IS_LIVE, "job_id": {"$in": list(job_ids)}}},
        {"$group": {"_id": {"job": "$job_id", "owed": "$owed_to"}, "runs": {"$sum": 1}}},
    ]
    counts: dict[UUID, dict[int | None, int]] = {}
    for group in call.tasks.aggregate(steps, hint=RUNS, session=call.session):
        counts.setdefault(group["_id"]["job"], {})[group["_id"].get("owed")] = group["runs"]
    return counts


def _move_on(call: Call, fires: Sequence[Fire], full: Container[UUID]) -> set[UUID]:
    """Each to its next run, or away when there is none; those that were not overtaken."""
    ended = [each for each in fires if each.next_run_at is None]
    moved = {each.job_id for each in ended if _end(call, each)}
    going = {each.job_id: each for each in fires if each.next_run_at is not None}
    if not going:
        return moved
    mark = [call.sender, call.place()]
    done = call.schedules.bulk_write(
        [_move(each, mark, each.goes_on and each.job_id not in full) for each in going.values()],
        ordered=False,
        session=call.session,
    )
    if done.matched_count == len(going):
        return moved | going.keys()
    # Some were overtaken, which of a transaction's would have ended it.
    marked = call.schedules.find({"_id": {"$in": list(going)}, "fired_by": mark}, {"_id": 1})
    return moved | {document["_id"] for document in marked}


def _move(fire: Fire, mark: Sequence[int], goes_on: bool) -> UpdateOne:
    assert fire.next_run_at is not None
    next_run_us = microseconds(fire.next_run_at)
    told: Document = {
        "next_run_us": next_run_us,
        "goes_on_us": next_run_us if goes_on else None,
        "fired": fire.version,
        "fired_by": mark,
    }
    return UpdateOne(_at(fire), {"$set": told, "$inc": {"version": 1}})


def _end(call: Call, fire: Fire) -> bool:
    return call.schedules.delete_one(_at(fire), session=call.session).deleted_count > 0


def _at(fire: Fire) -> Document:
    return {"_id": fire.job_id, "version": fire.version}


def _unmark(call: Call, ids: Sequence[UUID]) -> None:
    """Their schedules have moved on: nobody will ask for these ids again."""
    if ids:
        owed = {"_id": {"$in": list(ids)}, "owed_to": {"$exists": True}}
        call.tasks.update_many(owed, {"$unset": {"owed_to": ""}})


def _take_back(call: Call, fire: Fire, outcome: FireOutcome) -> None:
    """The runs that wait still, if this version was surely never fired."""
    added = list(_added(fire.rows, outcome))
    schedule = call.schedules.find_one({"_id": fire.job_id}, {"number": 1, "fired": 1})
    if not added or schedule is None or first_version(schedule["number"]) > fire.version:
        return
    if schedule.get("fired", 0) < fire.version:
        waiting = {"state": {"$in": [WAITING, HELD]}, "owed_to": fire.version}
        call.tasks.delete_many({"_id": {"$in": added}, **waiting})


def _added(rows: Sequence[TaskRow], outcome: FireOutcome) -> Iterator[UUID]:
    if isinstance(outcome, Fired):
        for row, each in zip(rows, outcome.outcomes, strict=True):
            if isinstance(each, Added):
                yield row.task_id
