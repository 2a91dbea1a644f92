"""Who has joined, and what becomes of the tasks of those who are gone.

Rules:
- Whoever judges a node and finds it dead says so in its document, if that still has the heartbeat
  that was judged; and a heartbeat is noted only where nobody has said so. So a heartbeat and a
  rescue that meet agree on who was first.
- Who holds what is read before who has joined: whoever claims has joined before, so nobody is
  taken for gone who has just come.
"""

from collections.abc import Collection, Sequence
from contextlib import suppress
from typing import Any, Final

from pymongo.errors import DuplicateKeyError

from ..base import Pulse, Reconciled, is_alive
from ..lease import first_lease
from ..records import ClaimedTask, NodeView
from ..requests import Beat
from ._call import Call
from ._claim import take
from ._schema import LEASE, RUNNING, Document
from ._settle import put_back

_ROUNDS_MAX: Final = 10


def join(call: Call, node: str, beat_s: float | None, restarted: bool) -> int:
    """A new incarnation of the node."""
    incarnation = call.number("incarnation")
    told = {"incarnation": incarnation, "beat_s": beat_s, "beat_at_us": call.now_us}
    with suppress(DuplicateKeyError):  # somebody has joined under its name since: it will be told
        call.nodes.update_one(
            {"_id": node, "incarnation": {"$lt": incarnation}},
            {"$set": told, "$unset": {"gone": ""}},
            upsert=True,
        )
    if restarted:
        put_back(call, {"node": node, "lease": {"$lt": first_lease(incarnation)}})
    return incarnation


def leave(call: Call, node: str, incarnation: int) -> int:
    """Put back what the node holds; how many, 0 when it is not its incarnation any more."""
    if not call.nodes.delete_one({"_id": node, "incarnation": incarnation}).deleted_count:
        return 0
    return put_back(call, {"node": node, "lease": {"$lt": first_lease(incarnation + 1)}})


def heartbeat(call: Call, beats: Sequence[Beat]) -> list[Pulse]:
    """One answer per beat."""
    return [_beat(call, each) for each in beats]


def _beat(call: Call, beat: Beat) -> Pulse:
    for _ in range(_ROUNDS_MAX):
        found = call.nodes.find_one({"_id": beat.node})
        if found is None:
            return Pulse.LOST
        if found["incarnation"] > beat.incarnation:
            return Pulse.SUPERSEDED
        # Who beats is no relic of before the clock was set back.
        if "gone" in found or (call.now_us >= found["beat_at_us"] and not _is_alive(call, found)):
            return Pulse.LOST
        if _set(call, found, {"beat_at_us": call.now_us}):
            return Pulse.ALIVE
    return Pulse.LOST


def _set(call: Call, seen: Document, fields: Document) -> bool:
    """Change a node, if nothing was heard or said of it since it was read."""
    same = {name: seen[name] for name in ("_id", "incarnation", "beat_at_us")}
    changed = call.nodes.update_one({**same, "gone": {"$exists": False}}, {"$set": fields})
    return changed.matched_count > 0


def _is_alive(call: Call, node: Document) -> bool:
    silent_s: float = (call.now_us - node["beat_at_us"]) / 1e6
    return "gone" not in node and is_alive(node["beat_s"], silent_s)


def is_there(call: Call, node: str, lease: int) -> bool:
    """Whether a claim under this lease would stay its claimer's."""
    found = call.nodes.find_one({"_id": node})
    return found is not None and _holds(call, found, lease)


def _holds(call: Call, node: Document, lease: int) -> bool:
    return lease >= first_lease(node["incarnation"]) and _is_alive(call, node)


def reconcile(call: Call, node: str, incarnation: int, held: Collection[int]) -> Reconciled:
    """Put back what only the store has; name what only the claimer has."""
    leases = {"$gte": first_lease(incarnation), "$lt": first_lease(incarnation + 1)}
    mine = {each["lease"] for each in _running(call, {"node": node, "lease": leases})}
    known = frozenset(held)
    orphans = list(mine - known)
    returned = put_back(call, {"node": node, "lease": {"$in": orphans}}) if orphans else 0
    return Reconciled(void=known - mine, returned=returned)


def _running(call: Call, which: Document) -> list[Document]:
    shown = {"lease": 1, "node": 1}
    return list(call.tasks.find({"state": RUNNING, **which}, shown).sort("lease").hint(LEASE))


def rescue(call: Call, node: str, first: int, limit: int) -> list[ClaimedTask]:
    """Take over up to `limit` tasks of those who are gone, and forget the dead without any."""
    if not is_there(call, node, first):
        return []
    running = _running(call, {})
    known = {each["_id"]: each for each in call.nodes.find()}
    dead = [each for each in known.values() if not _is_alive(call, each)]
    for each in dead:
        if "gone" not in each and not _set(call, each, {"gone": True}):
            known[each["_id"]] = {**each, "beat_at_us": call.now_us}  # a heartbeat was faster
    lost = [
        each
        for each in running
        if each["node"] not in known or not _holds(call, known[each["node"]], each["lease"])
    ]
    rescued: list[ClaimedTask] = []
    if chosen := lost[:limit]:
        still = {"state": RUNNING, "lease": {"$in": [each["lease"] for each in chosen]}}
        rescued = take(call, [each["_id"] for each in chosen], still, node, first, None)
    for each in dead:
        _forget(call, each["_id"])
    return rescued


def _forget(call: Call, node: str) -> None:
    """A dead node, unless it holds something."""
    held: Any = call.tasks.find_one({"state": RUNNING, "node": node}, {"_id": 1}, hint=LEASE)
    if held is None:
        call.nodes.delete_one({"_id": node, "gone": True})


def nodes(call: Call) -> list[NodeView]:
    """Who has joined."""
    return [
        NodeView(
            node=each["_id"],
            incarnation=each["incarnation"],
            beat_s=each["beat_s"],
            silent_s=(call.now_us - each["beat_at_us"]) / 1e6,
            alive=_is_alive(call, each),
        )
        for each in call.nodes.find().sort("_id")
    ]
