"""The commands on a store, as they are typed. What they need is imported when one is used."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from oncue.adapters.base import QueueBase

Store = Annotated[
    str | None,
    typer.Option(
        "--store",
        metavar="URL",
        envvar="ONCUE_STORE",
        help="The store, such as sqlite:///tasks.db. Default: what settings/ names.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]
QueueName = Annotated[str | None, typer.Option("--queue", help="This queue only.")]
Limit = Annotated[int, typer.Option(min=1, help="How many at most.")]

dead_letters = typer.Typer(
    help="Tasks that failed for good: list, show, retry, purge.", no_args_is_help=True
)


def add_to(app: typer.Typer) -> None:
    """Let `oncue` know these commands."""
    for command in (migrate, queues, tasks, enqueue):
        app.command()(command)
    app.add_typer(dead_letters, name="dead-letters")


def migrate(store: Store = None, as_json: Json = False) -> None:
    """Make the store's tables, or bring them up to this version's."""
    from oncue.cli.store import migrate as do_migrate

    run("migrate", store, lambda queue: do_migrate(queue, as_json=as_json), may_create=True)


def queues(store: Store = None, as_json: Json = False) -> None:
    """List the queues that hold something or are paused, with their figures."""
    from oncue.cli.store import show_queues

    run("queues", store, lambda queue: show_queues(queue, as_json=as_json))


def tasks(
    task_id: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="One task: live, ended or dead.")
    ] = None,
    queue_name: QueueName = None,
    limit: Limit = 100,
    store: Store = None,
    as_json: Json = False,
) -> None:
    """List the tasks that are not over, or show one."""
    from oncue.cli.store import show_task, show_tasks

    if task_id is not None:
        wanted = task_id
        run("tasks", store, lambda queue: show_task(queue, task_id=wanted, as_json=as_json))
    run(
        "tasks",
        store,
        lambda queue: show_tasks(queue, queue_name=queue_name, limit=limit, as_json=as_json),
    )


def enqueue(
    task_type: Annotated[str, typer.Argument(metavar="TYPE", help="Picks the handler.")],
    payload: Annotated[
        str, typer.Argument(metavar="[PAYLOAD]", help="A JSON object; - reads standard input.")
    ] = "{}",
    queue_name: Annotated[str, typer.Option("--queue")] = "default",
    priority: Annotated[str, typer.Option(help="low, normal, high or critical.")] = "normal",
    delay: Annotated[float, typer.Option(help="Seconds to wait before it runs.")] = 0.0,
    at: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M:%S"],
            help="When it runs; without a zone, UTC.",
        ),
    ] = None,
    max_retries: Annotated[int, typer.Option(help="Attempts after the first.")] = 3,
    timeout: Annotated[float, typer.Option(help="Seconds an attempt may take; 0: no limit.")] = 300,
    unique_key: Annotated[
        str | None, typer.Option(help="At most one live task of the queue with it.")
    ] = None,
    task_id: Annotated[
        str | None, typer.Option(help="A UUID; the same again changes nothing.")
    ] = None,
    wait: Annotated[
        float | None, typer.Option(help="Wait so many seconds for its end (0: for ever).")
    ] = None,
    store: Store = None,
    as_json: Json = False,
) -> None:
    """Add a task, and print its id once the store has it."""
    from oncue.cli.store import enqueue_task
    from oncue.cli.task import BadTask, make_task

    fields: dict[str, Any] = {
        "task_type": task_type,
        "queue_name": queue_name,
        "delay": delay,
        "scheduled_at": at,
        "max_retries": max_retries,
        "timeout": timeout or None,
        "unique_key": unique_key,
        **({"task_id": task_id} if task_id else {}),
    }
    try:
        task = make_task(payload, priority, fields)
    except BadTask as error:
        typer.echo(f"oncue enqueue: {error}", err=True)
        raise typer.Exit(2) from None
    run(
        "enqueue",
        store,
        lambda queue: enqueue_task(queue, task=task, wait_s=wait, as_json=as_json),
        may_create=True,
    )


@dead_letters.command("list")
def list_dead_letters(
    queue_name: QueueName = None, limit: Limit = 100, store: Store = None, as_json: Json = False
) -> None:
    """List them, newest first."""
    from oncue.cli.store import show_dead_letters

    run(
        "dead-letters list",
        store,
        lambda queue: show_dead_letters(queue, queue_name=queue_name, limit=limit, as_json=as_json),
    )


@dead_letters.command("show")
def show_one_dead_letter(
    task_id: Annotated[str, typer.Argument(metavar="ID")],
    store: Store = None,
    as_json: Json = False,
) -> None:
    """Show one, with its last error."""
    from oncue.cli.store import show_dead_letter

    run(
        "dead-letters show",
        store,
        lambda queue: show_dead_letter(queue, task_id=task_id, as_json=as_json),
    )


@dead_letters.command("retry")
def retry(
    task_ids: Annotated[list[str] | None, typer.Argument(metavar="[ID]...")] = None,
    all_of_them: Annotated[bool, typer.Option("--all", help="All, or all of --queue.")] = False,
    queue_name: QueueName = None,
    store: Store = None,
    as_json: Json = False,
) -> None:
    """Give dead letters a new life: those named, or --all."""
    from oncue.cli.store import retry_dead_letters

    if bool(task_ids) == all_of_them:
        typer.echo("oncue dead-letters retry: name some, or give --all", err=True)
        raise typer.Exit(2)
    run(
        "dead-letters retry",
        store,
        lambda queue: retry_dead_letters(
            queue, task_ids=task_ids or [], queue_name=queue_name, as_json=as_json
        ),
    )


@dead_letters.command("purge")
def purge(
    older_than: Annotated[
        float | None, typer.Option(help="Dead for at least so many seconds.")
    ] = None,
    all_of_them: Annotated[bool, typer.Option("--all", help="All, or all of --queue.")] = False,
    queue_name: QueueName = None,
    store: Store = None,
    as_json: Json = False,
) -> None:
    """Remove dead letters for good: those --older-than some seconds, or --all."""
    from oncue.cli.store import purge_dead_letters

    if (older_than is not None) == all_of_them:
        typer.echo("oncue dead-letters purge: say --older-than SECONDS, or give --all", err=True)
        raise typer.Exit(2)
    run(
        "dead-letters purge",
        store,
        lambda queue: purge_dead_letters(
            queue, queue_name=queue_name, older_than_s=older_than or 0.0, as_json=as_json
        ),
    )


def run(
    command: str,
    store: str | None,
    work: "Callable[[QueueBase], Awaitable[int]]",
    *,
    may_create: bool = False,
) -> None:
    """Do `work` with a client, and exit with its status."""
    from oncue.cli.client import run_with_client

    raise typer.Exit(run_with_client(command, store, work, may_create=may_create))
