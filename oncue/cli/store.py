"""What the commands on a store do: look, enqueue, and deal with dead letters."""

import json
from collections.abc import Sequence
from typing import Any, cast

from pydantic_core import to_jsonable_python
from rich.console import Console
from rich.table import Table

from oncue.actors import Job
from oncue.adapters.base import QueueBase
from oncue.cli.client import REFUSED, print_json
from oncue.stores import TaskData, TaskResult, TaskStatus

OK = 0
PIPE_WIDTH = 1000
"""Where nobody looks, nothing is folded."""


async def migrate(queue: QueueBase, *, as_json: bool) -> int:
    """Whoever opens a store brings its tables up to date: that is done by now."""
    section = (await queue.health_check())[f"{queue.name}_queue"]
    version = section.get("schema_version")
    if as_json:
        print_json({"schema_version": version})
    else:
        print("nothing to migrate" if version is None else f"the tables have version {version}")
    return OK


async def show_queues(queue: QueueBase, *, as_json: bool) -> int:
    infos = [await queue.get_queue_info(name) for name in await queue.list_queues()]
    if as_json:
        print_json(infos)
        return OK
    table = table_of("queue", "pending", "delayed", "processing", "dead letters", "oldest", "")
    for info in infos:
        table.add_row(
            info["name"],
            *(str(info[key]) for key in ("pending_tasks", "delayed_tasks", "processing_tasks")),
            str(info["dead_letter_tasks"]),
            moment_text(info["oldest_task"]),
            "paused" if info["paused"] else "",
        )
    print_table(table, "no queue holds anything")
    return OK


async def show_tasks(queue: QueueBase, *, queue_name: str | None, limit: int, as_json: bool) -> int:
    """The live ones, in the order added."""
    jobs = await queue.get_tasks(queue_name, limit=limit)
    if as_json:
        print_json([_job(job) for job in jobs])
        return OK
    table = table_of("id", "type", "queue", "priority", "attempts", "due", "")
    for job in jobs:
        task = job.task
        state = "paused" if job.paused else "" if job.next_run_time else "running"
        table.add_row(
            str(job.id),
            task.task_type,
            task.queue_name,
            task.priority.name.lower(),
            str(task.retry_count),
            moment_text(job.next_run_time),
            state,
        )
    print_table(table, "no task is live")
    return OK


async def show_task(queue: QueueBase, *, task_id: str, as_json: bool) -> int:
    """One task, whether live, a result or a dead letter."""
    result = await queue.get_task_status(task_id)
    if result is None:
        raise LookupError(f"no task {task_id} is known here")
    job = await queue.get_job(task_id)
    about = {**result.model_dump(mode="json"), **({"job": _job(job)} if job else {})}
    _show(about, as_json=as_json)
    return OK


async def enqueue_task(
    queue: QueueBase, *, task: TaskData, wait_s: float | None, as_json: bool
) -> int:
    """Enqueue, print the id, and wait for the end where that was asked for.

    The exit status says how it ended: 0 completed, 1 otherwise.
    """
    task_id = await queue.enqueue(task)
    if wait_s is None:
        print_json({"task_id": task_id}) if as_json else print(task_id)
        return OK
    result = await queue.wait(task_id, wait_s or None)
    if as_json:
        print_json(result)
    else:
        print(task_id, result.status, json.dumps(result.result) if result.result else "")
        if result.error:
            print(result.error)
    return OK if result.status is TaskStatus.COMPLETED else REFUSED


async def show_dead_letters(
    queue: QueueBase, *, queue_name: str | None, limit: int, as_json: bool
) -> int:
    """Newest first."""
    letters = await queue.get_dead_letter_tasks(queue_name, limit=limit)
    if as_json:
        print_json([_letter(task, result) for task, result in letters])
        return OK
    table = table_of("id", "type", "queue", "attempts", "died", "error")
    for task, result in letters:
        table.add_row(
            str(task.task_id),
            task.task_type,
            task.queue_name,
            str(result.retry_count + 1),
            moment_text(result.completed_at),
            (result.error or "").splitlines()[0] if result.error else "",
        )
    print_table(table, "no dead letters")
    return OK


async def show_dead_letter(queue: QueueBase, *, task_id: str, as_json: bool) -> int:
    """One of them, with its task and its last error."""
    letter = await queue.get_dead_letter_task(task_id)
    if letter is None:
        raise LookupError(f"no dead letter {task_id} is known here")
    _show(_letter(*letter), as_json=as_json)
    return OK


async def retry_dead_letters(
    queue: QueueBase, *, task_ids: Sequence[str], queue_name: str | None, as_json: bool
) -> int:
    """Those named; with none named, all of the queue or of all queues."""
    if not task_ids:
        count = await queue.retry_dead_letter_tasks(queue_name)
        print_json({"retried": count}) if as_json else print(f"{count} retried")
        return OK
    left = [each for each in task_ids if not await queue.retry_dead_letter_task(each)]
    count = len(task_ids) - len(left)
    if as_json:
        print_json({"retried": count, "not_retried": left})
    else:
        print(f"{count} retried")
        for task_id in left:
            print(f"{task_id}: no dead letter, or its unique key is taken")
    return REFUSED if left else OK


async def purge_dead_letters(
    queue: QueueBase, *, queue_name: str | None, older_than_s: float, as_json: bool
) -> int:
    count = await queue.purge_dead_letters(queue_name, older_than=older_than_s)
    print_json({"purged": count}) if as_json else print(f"{count} purged")
    return OK


def _show(about: dict[str, Any], *, as_json: bool) -> None:
    """As JSON, or a line for each thing that is known."""
    if as_json:
        print_json(about)
        return
    for key, value in to_jsonable_python(about).items():
        if isinstance(value, dict):
            _show(cast("dict[str, Any]", value), as_json=False)
        elif value is not None:
            print(f"{key}: {value if isinstance(value, str) else json.dumps(value)}")


def _job(job: Job) -> dict[str, Any]:
    return {
        "id": job.id,
        "next_run_time": job.next_run_time,
        "paused": job.paused,
        "task": job.task.model_dump(mode="json"),
    }


def _letter(task: TaskData, result: TaskResult) -> dict[str, Any]:
    return {"task": task.model_dump(mode="json"), "result": result.model_dump(mode="json")}


def moment_text(moment: Any) -> str:
    """For people."""
    return moment.isoformat(sep=" ", timespec="seconds") if moment else ""


def table_of(*columns: str) -> Table:
    """One without a frame."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in columns:
        # An id that is broken over two lines can be neither copied nor searched for.
        table.add_column(column, overflow="fold", no_wrap=column == "id")
    return table


def print_table(table: Table, nothing: str) -> None:
    """The table, or where it has no rows `nothing`."""
    if table.row_count:
        console = Console(highlight=False)
        if not console.is_terminal:
            console.width = PIPE_WIDTH
        console.print(table)
    else:
        print(nothing)
