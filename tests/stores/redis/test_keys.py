"""What is left at the server: of what is over nothing but its result, and that for its time."""

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from itertools import count
from uuid import UUID

import pytest

from oncue.stores import (
    CancelTask,
    ClaimedTask,
    PauseQueue,
    PauseTask,
    PurgeDeadLetters,
    PurgeResults,
    PurgeWaiting,
    RemoveSchedule,
    RequeueDead,
    ResumeQueue,
    ResumeTask,
    ReviseTask,
)
from oncue.testing._store_kit import Claimer, done, make_row
from oncue.testing._suite_base import back, dead, retry
from oncue.testing._suite_schedules import fire, make_run, make_schedule, planned
from tests import servers
from tests.stores.redis.kit import opened

pytestmark = pytest.mark.real_time

_numbers = count(1)

Life = Callable[[Claimer], Awaitable[Sequence[UUID]]]
"""From a task's beginning to its end; the ids of those with a result."""


def keys(server: servers.Valkey, name: str) -> set[str]:
    """What there is under a store's name, without it."""
    found = server.do("KEYS", "*").decode()
    return set(re.findall(rf"\{{{re.escape(name)}\}}:([^\r]*)", found))


async def waiting(claimer: Claimer, delay: float = 0) -> tuple[str, UUID]:
    """One in a queue of its own, of a type and a priority of its own."""
    number = next(_numbers)
    row = make_row(f"t{number}", queue_name=f"q{number}", unique_key="k", delay=delay)
    await claimer.store.add([replace(row, priority=number)])
    return row.queue_name, row.task_id


async def running(claimer: Claimer) -> ClaimedTask:
    name, _ = await waiting(claimer)
    [task] = await claimer.claim(name)
    return task


async def end(claimer: Claimer, *names: str) -> list[UUID]:
    """What waits in these queues is done."""
    tasks = await claimer.claim(*names)
    await claimer.settle(*map(done, tasks))
    return [task.row.task_id for task in tasks]


async def retried(claimer: Claimer) -> list[UUID]:
    task = await running(claimer)
    await claimer.settle(retry(task, delay_s=0))
    return await end(claimer, task.row.queue_name)


async def handed_back(claimer: Claimer) -> list[UUID]:
    task = await running(claimer)
    await claimer.settle(back(task))
    return await end(claimer, task.row.queue_name)


async def requeued(claimer: Claimer) -> list[UUID]:
    task = await running(claimer)
    await claimer.settle(dead(task))
    await claimer.store.edit([RequeueDead(task_id=task.row.task_id)])
    return await end(claimer, task.row.queue_name)


async def buried(claimer: Claimer) -> list[UUID]:
    task = await running(claimer)
    await claimer.settle(dead(task))
    await claimer.store.purge(PurgeDeadLetters(queue_name=None, older_than_s=0))
    return []


async def cancelled(claimer: Claimer) -> list[UUID]:
    task = await running(claimer)
    await claimer.store.edit([CancelTask(task_id=task.row.task_id)])
    return [task.row.task_id]


async def cancelled_while_held(claimer: Claimer) -> list[UUID]:
    _, task_id = await waiting(claimer)
    await claimer.store.edit([PauseTask(task_id=task_id), CancelTask(task_id=task_id)])
    return [task_id]


async def resumed_elsewhere(claimer: Claimer) -> list[UUID]:
    _, task_id = await waiting(claimer)
    revised = ReviseTask(task_id=task_id, queue_name="elsewhere", priority=90)
    await claimer.store.edit([PauseTask(task_id=task_id), revised, ResumeTask(task_id=task_id)])
    return await end(claimer, "elsewhere")


async def purged(claimer: Claimer) -> list[UUID]:
    name, _ = await waiting(claimer, delay=3600)
    await claimer.store.edit([PauseQueue(queue_name=name), ResumeQueue(queue_name=name)])
    await claimer.store.purge(PurgeWaiting(queue_name=name))
    return []


async def rescued(claimer: Claimer) -> list[UUID]:
    killed = await Claimer.join(claimer.store, "killed")
    await running(killed)
    anew = await claimer.store.join("killed")
    tasks = await claimer.rescue()
    await claimer.settle(*map(done, tasks))
    await claimer.store.leave("killed", anew)
    return [task.row.task_id for task in tasks]


async def scheduled(claimer: Claimer) -> list[UUID]:
    first, last = await planned(claimer.store, make_schedule(), make_schedule())
    await claimer.store.fire(
        [
            replace(fire(first, make_run(first.row.job_id)), goes_on=True),
            replace(fire(last, make_run(last.row.job_id)), next_run_at=None),
        ]
    )
    await claimer.store.plan([RemoveSchedule(job_id=first.row.job_id)])
    return await end(claimer, "default")


LIVES: tuple[Life, ...] = (
    retried,
    handed_back,
    requeued,
    buried,
    cancelled,
    cancelled_while_held,
    resumed_elsewhere,
    purged,
    rescued,
    scheduled,
)


async def test_of_what_is_over_nothing_is_left_but_its_result() -> None:
    """Not the name of its queue either, of its type, its priority, its schedule or its node."""
    name = servers.redis_name()
    with servers.own_valkey() as server:
        async with opened(server.url, jobs_key=name) as store:
            claimer = await Claimer.join(store)
            ended = [task_id for life in LIVES for task_id in await life(claimer)]
            await store.leave("node-a", claimer.incarnation)
            kept = {"results", *(f"result:{task_id.hex}" for task_id in ended)}
            assert keys(server, name) == {"counters", "hints"} | kept
            assert await store.purge(PurgeResults()) == len(ended)
            assert keys(server, name) == {"counters", "hints"}
