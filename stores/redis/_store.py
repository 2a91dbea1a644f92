"""The Redis store, for Redis 6.2 and later and for Valkey, one server or a cluster.

Rules:
- A call is one Lua script in one round trip: the server runs it alone, so it is all or nothing,
  and no call waits for a lock. `purge` is one for each 10,000 rows, `find` one for each 2000 tasks.
- All keys lie under one hash tag, so that one node of a cluster has them all.
- What an acknowledged task outlives is what the server's own settings give: see `durability`.
- A cancelled call is sent or not, never in part.

>>> RedisStore("redis://scott:tiger@db:6379/0")
<RedisStore closed redis://scott:***@db:6379/0 keys={apscheduler.jobs}>
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final, assert_never
from uuid import UUID

from .. import clock as ids
from .._log import logger
from .._moments import duration_us, microseconds, moment_at
from ..base import Due, Durability, Edited, Exchanged, Guarantee, Pulse, Reconciled
from ..clock import StoreClock
from ..errors import StoreClosed
from ..records import (
    AddOutcome,
    ClaimedTask,
    Counts,
    FireOutcome,
    NodeView,
    ScheduleView,
    TaskRow,
    TaskView,
)
from ..requests import (
    Beat,
    ByIds,
    Change,
    Claims,
    Fire,
    Purge,
    PurgeDeadLetters,
    PurgeExpired,
    PurgeResults,
    PurgeWaiting,
    Query,
    ScheduleChange,
    Settlement,
)
from ._answers import add_outcome, counts_of, edited_of, fire_outcome, survey_of
from ._connect import Address
from ._durability import durability
from ._hints import Listener
from ._requests import (
    change_arguments,
    exchange_arguments,
    fire_arguments,
    lease_pair,
    plan_arguments,
    query_arguments,
    reconcile_arguments,
)
from ._rows import (
    Answer,
    claimed_of,
    lease_text,
    node_of,
    schedules_of,
    task_arguments,
    views_of,
)
from ._server import NAME, Argument, Server

DAY_S: Final = 86_400.0
KEYS_VERSION: Final = 1
"""Of how things are kept."""
FOUND_MAX: Final = 2000
"""How many ids are asked for in one call; find.lua has a bound of its own."""
_INCARNATION_FIRST_MAX: Final = 2**22 - 1
_NAME: Final = re.compile(r"[^{}\s]{1,200}")


class KeysTooNew(RuntimeError):
    """What is kept was written by a newer OnCue than this one: the caller's fault."""

    def __init__(self, keys: str, found: int) -> None:
        super().__init__(
            f"the keys {keys!r} have version {found}, and this OnCue knows none newer than "
            f"{KEYS_VERSION}: upgrade OnCue, or name other keys"
        )
        self.keys = keys
        self.found = found


class RedisStore:
    """A `Store` in a Redis server.

    `url` is `redis://user:password@host:6379/0`, `rediss://` with TLS, or `unix:///path`; a
    cluster's is that of any of its nodes. All keys begin with `{jobs_key}`, but for those of what
    waits, by due time: they begin with `run_times_key`, then `{jobs_key}`. With `result_ttl_s` 0 no
    result is written. `client_options` are arguments of coredis's connections, and win over the
    URL's. `clock` is for tests: the time goes with each call, and is not the server's. Raises
    ValueError.
    """

    guarantees: frozenset[Guarantee] = frozenset(Guarantee)

    def __init__(
        self,
        url: str,
        *,
        clock: StoreClock | None = None,
        result_ttl_s: float = DAY_S,
        dead_letter_ttl_s: float = 7 * DAY_S,
        jobs_key: str = "apscheduler.jobs",
        run_times_key: str = "apscheduler.run_times",
        client_options: Mapping[str, Any] | None = None,
    ) -> None:
        for name in (jobs_key, run_times_key):
            if not _NAME.fullmatch(name):
                raise ValueError(f"a key is a name without blanks and braces, got {name!r}")
        self._jobs = f"{{{jobs_key}}}"
        keys = (self._jobs, f"{run_times_key}{self._jobs}")
        self._server = Server(Address(url), client_options or {}, keys)
        self._clock = clock
        self._sender = str(ids.new_task_id())
        self._result_ttl_us = duration_us(result_ttl_s)
        self._dead_ttl_us = duration_us(dead_letter_ttl_s)
        self._listener = self._make_listener()
        self._open = False
        self.parked = 0
        """How many rows that could not be read this store has set aside, held with their error."""

    def __repr__(self) -> str:
        state = "open" if self._open else "closed"
        return f"<RedisStore {state} {self._server.address} keys={self._jobs}>"

    # --- life ------------------------------------------------------------------------------

    async def open(self) -> None:
        if self._open:
            return
        await self._server.open()
        self._open = True
        try:
            found = int(await self._call("open", KEYS_VERSION))
            if found > KEYS_VERSION:
                raise KeysTooNew(self._jobs, found)
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        if self._open:
            self._open = False
            self._listener = self._make_listener()
            await self._server.close()

    def _make_listener(self) -> Listener:
        return Listener(self._server, f"{self._jobs}:hints", self._sender)

    def _check_open(self) -> None:
        if not self._open:
            raise StoreClosed(NAME)

    async def _call(self, script: str, *arguments: Argument, doing: str | None = None) -> Any:
        self._check_open()
        now = "" if self._clock is None else microseconds(self._clock.now())
        ttl_ms = -(-self._result_ttl_us // 1000)
        everything = (now, self._sender, ttl_ms, *arguments)
        return await self._server.call(script, doing or script, everything)

    async def _move(self, script: str, *arguments: Argument) -> Any:
        """As `_call`, of a script that sets aside what it cannot read of tasks."""
        aside: list[bytes]
        answer, aside = await self._call(script, *arguments)
        if aside:
            why = zip(aside[::2], aside[1::2], strict=True)
            self._tell_parked("live", {key: reason.decode() for key, reason in why})
        return answer

    async def next_hint(self) -> str | None:
        self._check_open()
        return await self._listener.next_hint()

    async def durability(self) -> Durability:
        self._check_open()
        return await durability(self._server)

    # --- nodes -----------------------------------------------------------------------------

    async def join(self, node: str, *, beat_s: float | None = None, restarted: bool = False) -> int:
        first = 1 + ids.new_task_id().int % _INCARNATION_FIRST_MAX
        beat = "-" if beat_s is None else repr(beat_s)
        return int(await self._move("join", node, beat, int(restarted), first))

    async def leave(self, node: str, incarnation: int) -> int:
        return int(await self._move("leave", node, incarnation))

    async def heartbeat(self, beats: Sequence[Beat]) -> list[Pulse]:
        arguments = [part for each in beats for part in (each.node, each.incarnation)]
        pulses = await self._call("heartbeat", len(beats), *arguments)
        return [Pulse(pulse.decode()) for pulse in pulses]

    async def reconcile(self, node: str, incarnation: int, held: Collection[int]) -> Reconciled:
        leases = list(held)
        arguments = reconcile_arguments(node, incarnation, leases)
        void: list[int]
        void, returned = await self._move("reconcile", *arguments)
        return Reconciled(void=frozenset(leases[place] for place in void), returned=returned)

    async def rescue(self, node: str, first_lease: int, limit: int) -> list[ClaimedTask]:
        while True:
            answers = await self._move("rescue", node, *lease_pair(first_lease), limit)
            claimed, unreadable = claimed_of(answers)
            if not unreadable:
                return claimed
            # Whoever counts leases by what he was given is to find none passed over.
            rescued = [
                replace(task, lease=lease) for lease, task in enumerate(claimed, first_lease)
            ]
            new = [lease_text(task.lease) for task in rescued]
            await self._park(unreadable, list(zip(claimed, new, strict=True)))
            if rescued:
                return rescued

    async def nodes(self) -> list[NodeView]:
        views = [node_of(each) for each in await self._call("list_nodes", doing="nodes")]
        return sorted(views, key=lambda view: view.node)

    # --- tasks -----------------------------------------------------------------------------

    async def add(self, rows: Sequence[TaskRow]) -> list[AddOutcome]:
        arguments = [part for row in rows for part in task_arguments(row)]
        return [add_outcome(each) for each in await self._call("add", len(rows), *arguments)]

    async def exchange(
        self,
        settlements: Sequence[Settlement],
        claims: Claims | None = None,
        *,
        survey: bool = False,
    ) -> Exchanged:
        if claims is not None and any(claim.limit < 0 for claim in claims.queues):
            raise ValueError(f"a claim's limit must be 0 or more, got {claims.queues!r}")
        arguments = exchange_arguments(settlements, claims, survey)
        refused: list[int]
        more: list[bytes]
        refused, answers, more, found = await self._move("exchange", *arguments)
        refusals = [settlements[place] for place in refused]
        claimed, unreadable = claimed_of(answers)
        if unreadable:  # nobody has seen the leases of the others, and they may be given again
            await self._park(unreadable, [(task, "") for task in claimed])
            again = await self.exchange((), claims, survey=survey)
            return replace(again, refused=refusals)
        return Exchanged(
            claimed=claimed,
            refused=refusals,
            more=frozenset(name.decode() for name in more),
            survey=survey_of(found),
        )

    async def _park(
        self, unreadable: Sequence[tuple[Answer, str]], rest: Sequence[tuple[ClaimedTask, str]]
    ) -> None:
        """Set aside what cannot be read; the rest gets the lease beside it, or is put back."""
        bad = [part for answer, why in unreadable for part in (answer[0], answer[3], why)]
        good = [
            part
            for task, lease in rest
            for part in (task.row.task_id.hex, lease_text(task.lease), lease)
        ]
        await self._call("park", len(unreadable), *bad, len(rest), *good, 0)
        self._tell_parked("live", {answer[0]: why for answer, why in unreadable})

    def _tell_parked(self, table: str, why: Mapping[bytes, str]) -> None:
        self.parked += len(why)
        rows = {key.decode(errors="replace"): reason for key, reason in why.items()}
        logger("redis").error("rows that cannot be read were set aside", table=table, rows=rows)

    async def edit(self, changes: Sequence[Change]) -> list[Edited]:
        arguments = [part for change in changes for part in change_arguments(change)]
        answers = await self._move("edit", len(changes), *arguments)
        return [edited_of(*each) for each in zip(changes, answers, strict=True)]

    async def find(self, query: Query) -> list[TaskView]:
        """As `Store.find`, but each 2000 tasks are looked at in a call of their own: what moves
        meanwhile is shown as it was in one of them, or not at all."""
        self._check_open()
        if isinstance(query, ByIds):
            ids = query.task_ids
            parts = [ids[start:][:FOUND_MAX] for start in range(0, len(ids), FOUND_MAX)]
            found = [await self._find(ByIds(task_ids=part)) for part in parts]
            return [view for views, _ in found for view in views]
        views: dict[UUID, TaskView] = {}  # what has come back under a later number is there twice
        behind: Sequence[Argument] | None = ("", "")
        while behind is not None and len(views) < query.limit:
            more, behind = await self._find(replace(query, limit=query.limit - len(views)), *behind)
            for view in more:
                views.setdefault(view.task_id, view)
        return list(views.values())

    async def _find(
        self, query: Query, *behind: Argument
    ) -> tuple[list[TaskView], Sequence[Argument] | None]:
        answers, mark = await self._call("find", *query_arguments(query), *behind)
        return views_of(answers, self._result_ttl_us, self._dead_ttl_us), mark

    async def count(self, queue_name: str | None = None) -> Counts:
        return counts_of(queue_name, await self._call("count", queue_name or ""))

    async def queues(self) -> list[str]:
        found = await self._call("list_queues", doing="queues")
        return sorted(name.decode() for name in found)

    async def purge(self, what: Purge) -> int:
        match what:
            case PurgeWaiting(queue_name=name):
                return await self._purge_waiting(name)
            case PurgeDeadLetters(queue_name=name, older_than_s=older_than_s):
                return await self._purge("dead", name or "", duration_us(older_than_s))
            case PurgeResults(older_than_s=older_than_s):
                return await self._purge("results", duration_us(older_than_s))
            case PurgeExpired():
                dead = await self._purge("dead", "", self._dead_ttl_us)
                return dead + await self._purge("results", self._result_ttl_us)
            case _:
                assert_never(what)

    async def _purge(self, *arguments: Argument) -> int:
        removed, more = 0, True
        while more:
            count, more = await self._move("purge", *arguments)
            removed += count
        return removed

    async def _purge_waiting(self, name: str) -> int:
        removed, behind, last = 0, b"0", b""
        while behind is not None:
            count, behind, last = await self._move("purge", "waiting", name, behind, last)
            removed += count
        return removed

    # --- schedules -------------------------------------------------------------------------

    async def plan(self, changes: Sequence[ScheduleChange]) -> list[bool]:
        answers = await self._call("plan", len(changes), *plan_arguments(changes))
        return [bool(each) for each in answers]

    async def due(self, limit: int, after: tuple[datetime, UUID] | None = None) -> Due:
        behind = ("", "") if after is None else (microseconds(after[0]), after[1].hex)
        while True:
            now_us, answers, next_us = await self._call("due", limit, *behind)
            views, unreadable = schedules_of(answers)
            if not unreadable:
                return Due(
                    now=moment_at(now_us),
                    schedules=views,
                    next_due_s=None if next_us is None else next_us / 1e6,
                )
            parts = [part for each in unreadable.items() for part in each]
            await self._call("park", 0, 0, len(unreadable), *parts)
            self._tell_parked("schedules", unreadable)

    async def fire(self, fires: Sequence[Fire]) -> list[FireOutcome]:
        answers = await self._call("fire", len(fires), *fire_arguments(fires))
        return [fire_outcome(each) for each in answers]

    async def schedules(
        self, job_ids: Sequence[UUID] | None = None, *, limit: int = 1000, after: int = 0
    ) -> list[ScheduleView]:
        if job_ids is None:
            asked: tuple[Argument, ...] = ("order", limit, after)
        else:
            asked = ("ids", len(job_ids), *(job_id.hex for job_id in job_ids))
        return schedules_of(await self._call("list_schedules", *asked, doing="schedules"))[0]
