"""What the memory queue does beyond the contract that every adapter keeps (conformance/)."""

from datetime import timedelta
from typing import Any

import pytest

from oncue.testing import VirtualClock
from tests.flow.kit import make_queue, ok, task


async def test_a_connection_is_refused_and_nothing_stored(clock: VirtualClock) -> None:
    """The task would exist whether or not the caller's transaction commits."""
    async with make_queue(clock) as queue:
        with pytest.raises(ValueError, match="connection: the memory queue is not on an SQL store"):
            await queue.enqueue(task(), connection=object())
        assert (await queue.get_queue_info())["job_count"] == 0


async def test_no_schedule_is_fired_from_memory(clock: VirtualClock) -> None:
    queue = make_queue(clock)
    assert queue.scheduler_running is False
    async with queue:
        assert queue.scheduler_running is False
        assert (await queue.get_queue_info())["scheduler_running"] is False


@pytest.mark.parametrize("payload", [[], "", 0])
async def test_a_payload_that_is_no_dict_is_refused_though_it_be_empty(
    clock: VirtualClock, payload: Any
) -> None:
    async with make_queue(clock) as queue:
        with pytest.raises(ValueError, match="payload"):
            await queue.create_task("ok", payload)
        assert (await queue.get_queue_info())["job_count"] == 0


async def test_a_task_may_be_due_at_a_moment(clock: VirtualClock) -> None:
    queue = make_queue(clock)
    queue.register_handler("ok", ok)
    async with queue:
        when = clock.now() + timedelta(hours=1)
        result = await queue.wait(await queue.enqueue(task(scheduled_at=when)))
        assert result.started_at is not None
        assert 0 <= (result.started_at - when).total_seconds() < 0.01
