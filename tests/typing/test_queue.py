# pyright: reportUnnecessaryTypeIgnoreComment=true
"""What the type checkers know of a queue's face; the program also runs."""

from datetime import datetime
from typing import Any, assert_type
from uuid import UUID

import pytest

from oncue import (
    EVENT_JOB_ERROR,
    EVENT_JOB_EXECUTED,
    Job,
    JobExecutionEvent,
    ScheduledQueue,
    SchedulerEvent,
    TaskData,
    crontab,
    open_queue,
)


async def double(task: TaskData) -> int:
    return int(task.payload["n"]) * 2


async def test_a_queue_is_typed_through_its_open_names() -> None:
    queue = open_queue("memory")
    queue.register_handler("double", double)
    assert_type(EVENT_JOB_EXECUTED | EVENT_JOB_ERROR, int)
    stream = queue.events(EVENT_JOB_EXECUTED | EVENT_JOB_ERROR)
    async with queue:
        task_id = await queue.create_task("double", {"n": 4}, delay=0.01)
        assert_type(await queue.get_job(task_id), Job | None)
        await queue.wait(task_id)
    async for event in stream:
        assert_type(event, SchedulerEvent)
        event.retval  # type: ignore[attr-defined]  # noqa: B018
        assert isinstance(event, JobExecutionEvent)
        assert_type(event.job_id, str)
        assert_type(event.scheduled_run_time, datetime)
        assert_type(event.exception, Exception | None)
        assert_type(event.retval, Any)
        assert (event.job_id, event.retval) == (task_id, 8)


async def test_schedules_are_typed_through_the_adapters_name() -> None:
    queue = open_queue("apscheduler")
    assert_type(queue, ScheduledQueue)
    async with queue:
        job_id = await queue.add_cron_job("double", "@daily", dst_gap="skip")
        assert_type(job_id, UUID)
        await queue.add_job(TaskData(task_type="double"), crontab("0 9 * * mon"))
        with pytest.raises(ValueError, match="dst_fold"):
            await queue.add_cron_job("double", "@daily", dst_fold="second")  # type: ignore[arg-type]
