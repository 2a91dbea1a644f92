"""The commands on schedules, as they are typed."""

from typing import Annotated

import typer

from oncue.cli.store_commands import Json, Limit, QueueName, Store, run

JobId = Annotated[str, typer.Argument(metavar="ID", help="The job's id.")]

schedules = typer.Typer(
    help="Jobs that run again and again: list, next, pause, resume, run.", no_args_is_help=True
)


@schedules.command("list")
def list_schedules(
    queue_name: QueueName = None, limit: Limit = 100, store: Store = None, as_json: Json = False
) -> None:
    """List them, in the order added."""
    from oncue.cli.schedules import show_schedules

    run(
        "schedules list",
        store,
        lambda queue: show_schedules(queue, queue_name=queue_name, limit=limit, as_json=as_json),
    )


@schedules.command("next")
def next_runs(
    job_id: JobId,
    count: Annotated[int, typer.Option(min=1, max=1000, help="How many.")] = 10,
    store: Store = None,
    as_json: Json = False,
) -> None:
    """Show when a job runs next, in UTC."""
    from oncue.cli.schedules import show_next

    run(
        "schedules next",
        store,
        lambda queue: show_next(queue, job_id=job_id, count=count, as_json=as_json),
    )


@schedules.command("pause")
def pause(job_id: JobId, store: Store = None, as_json: Json = False) -> None:
    """Plan no more runs of a job. What is enqueued runs."""
    from oncue.cli.schedules import pause_job

    run("schedules pause", store, lambda queue: pause_job(queue, job_id=job_id, as_json=as_json))


@schedules.command("resume")
def resume(job_id: JobId, store: Store = None, as_json: Json = False) -> None:
    """Go on with a paused job; what would have run meanwhile is not made up for."""
    from oncue.cli.schedules import resume_job

    run("schedules resume", store, lambda queue: resume_job(queue, job_id=job_id, as_json=as_json))


@schedules.command("run")
def run_now(job_id: JobId, store: Store = None, as_json: Json = False) -> None:
    """Enqueue a run of a job now, beside its schedule."""
    from oncue.cli.schedules import run_job

    run("schedules run", store, lambda queue: run_job(queue, job_id=job_id, as_json=as_json))
