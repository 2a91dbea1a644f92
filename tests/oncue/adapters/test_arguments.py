"""What callers hand in is looked at before it is sent anywhere."""

from collections.abc import Awaitable, Callable
from math import inf, nan
from typing import Any

import pytest

from oncue.testing import VirtualClock
from tests.flow.kit import make_queue

NAMES: tuple[Any, ...] = ("", " a", "a\0b", "a\ud800", 5)
LIMITS: tuple[tuple[Any, type[Exception]], ...] = (
    (-1, ValueError),
    (2**31, ValueError),
    (2**70, ValueError),
)
NO_LIMITS: tuple[tuple[Any, type[Exception]], ...] = (
    (1.5, TypeError),
    ("1", TypeError),
    (True, TypeError),
)
AGES: tuple[tuple[Any, type[Exception]], ...] = (
    (-1, ValueError),
    (nan, ValueError),
    (inf, ValueError),
    (10**400, ValueError),
)
NO_AGES: tuple[tuple[Any, type[Exception]], ...] = (("1", TypeError), (True, TypeError))


async def test_a_queue_name_is_one_that_a_task_could_have(clock: VirtualClock) -> None:
    """None stands for all, where there is an all."""
    async with make_queue(clock) as queue:
        of_one: list[Callable[[Any], Awaitable[Any]]] = [
            queue.get_queue_info,
            queue.pause_queue,
            queue.resume_queue,
            queue.purge_queue,
        ]
        of_all: list[Callable[[Any], Awaitable[Any]]] = [
            queue.get_jobs,
            queue.dequeue,
            queue.get_dead_letter_tasks,
            queue.retry_dead_letter_tasks,
            queue.purge_dead_letters,
        ]
        for call in (*of_one, *of_all):
            for name in NAMES:
                with pytest.raises(ValueError, match="queue_name"):
                    await call(name)
        for call in of_one:
            with pytest.raises(ValueError, match="queue_name"):
                await call(None)
        for call in of_all:
            assert not await call(None)


async def test_a_limit_is_a_number_of_rows(clock: VirtualClock) -> None:
    async with make_queue(clock) as queue:
        calls: list[Callable[..., Awaitable[Any]]] = [queue.get_jobs, queue.get_dead_letter_tasks]
        for call in calls:
            for limit, error in (*LIMITS, *NO_LIMITS):
                with pytest.raises(error, match="limit"):
                    await call(limit=limit)
            assert await call(limit=0) == await call(limit=2**31 - 1) == []


async def test_an_age_is_a_number_of_seconds(clock: VirtualClock) -> None:
    async with make_queue(clock) as queue:
        calls: list[Callable[..., Awaitable[Any]]] = [
            queue.purge_dead_letters,
            queue.clear_completed_tasks,
        ]
        for call in calls:
            for age, error in (*AGES, *NO_AGES):
                with pytest.raises(error, match="older_than"):
                    await call(older_than=age)
            assert await call(older_than=10**10) == 0


async def test_a_task_id_is_a_uuid_given_either_way(clock: VirtualClock) -> None:
    async with make_queue(clock) as queue:
        calls: list[Callable[[Any], Awaitable[Any]]] = [
            queue.cancel_task,
            queue.get_task_status,
            queue.get_job,
            queue.pause_job,
            queue.resume_job,
            queue.retry_dead_letter_task,
            queue.settle,
            queue.wait,
        ]
        for call in calls:
            for task_id in (5, None, b"5"):
                with pytest.raises(TypeError, match="task_id"):
                    await call(task_id)
            with pytest.raises(ValueError, match="task_id"):
                await call("5")


async def test_all_jobs_are_got_unless_some_are_asked_for(clock: VirtualClock) -> None:
    async with make_queue(clock) as queue:
        for _ in range(1001):
            await queue.create_task("nobody's")
        assert len(await queue.get_jobs()) == 1001
        assert len(await queue.get_jobs(limit=2)) == 2
