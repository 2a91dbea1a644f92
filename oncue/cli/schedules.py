"""What the commands on schedules do."""

from collections.abc import Awaitable, Callable
from typing import Any

from oncue.actors import Job
from oncue.adapters.base import QueueBase
from oncue.adapters.jobs import JobsQueue
from oncue.cli.client import print_json
from oncue.cli.store import OK, moment_text, print_table, table_of


def _with_jobs(queue: QueueBase) -> JobsQueue:
    if not isinstance(queue, JobsQueue):
        raise LookupError(f"the {queue.name} adapter has no schedules; apscheduler has")
    return queue


async def show_schedules(
    queue: QueueBase, *, queue_name: str | None, limit: int, as_json: bool
) -> int:
    jobs = await _with_jobs(queue).get_schedules(queue_name, limit)
    if as_json:
        print_json([_about(job) for job in jobs])
        return OK
    table = table_of("id", "name", "queue", "trigger", "next run", "")
    for job in jobs:
        table.add_row(
            str(job.id),
            job.name,
            job.task.queue_name,
            str(job.trigger or ""),
            moment_text(job.next_run_time),
            job.problem or ("paused" if job.paused else ""),
        )
    print_table(table, "no schedules")
    return OK


async def show_next(queue: QueueBase, *, job_id: str, count: int, as_json: bool) -> int:
    job = await _with_jobs(queue).get_job(job_id)
    if job is None:
        raise _unknown(job_id)
    moments = job.next_run_times(count)
    if as_json:
        print_json(moments)
    elif moments:
        print("\n".join(map(moment_text, moments)))
    else:
        print("paused" if job.paused else "running")
    return OK


async def pause_job(queue: QueueBase, *, job_id: str, as_json: bool) -> int:
    return await _done("paused", _with_jobs(queue).pause_job, job_id, as_json)


async def resume_job(queue: QueueBase, *, job_id: str, as_json: bool) -> int:
    return await _done("resumed", _with_jobs(queue).resume_job, job_id, as_json)


async def run_job(queue: QueueBase, *, job_id: str, as_json: bool) -> int:
    return await _done("run", _with_jobs(queue).run_job_now, job_id, as_json)


async def _done(
    word: str, call: Callable[[str], Awaitable[bool]], job_id: str, as_json: bool
) -> int:
    if not await call(job_id):
        raise _unknown(job_id)
    print_json({"id": job_id, word: True}) if as_json else print(f"{job_id} {word}")
    return OK


def _unknown(job_id: str) -> LookupError:
    return LookupError(f"no job {job_id} is known here, or it is not in a state for this")


def _about(job: Job) -> dict[str, Any]:
    return {
        "id": job.id,
        "name": job.name,
        "trigger": None if job.trigger is None else str(job.trigger),
        "next_run_time": job.next_run_time,
        "paused": job.paused,
        "misfire_grace_time": job.misfire_grace_time,
        "coalesce": job.coalesce,
        "max_instances": job.max_instances,
        "problem": job.problem,
        "task": job.task.model_dump(mode="json", include=_TEMPLATE),
    }


_TEMPLATE = {
    "task_type", "queue_name", "payload", "priority", "max_retries", "retry_delay", "timeout",
    "tags", "unique_key",
}  # fmt: skip
