"""The `oncue` command."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from oncue.cli import schedule_commands, store_commands

app = typer.Typer(
    name="oncue",
    help="An actor-model task runtime: supervised queues on asyncio and trio.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


class Backend(StrEnum):
    """The event loop to run on."""

    asyncio = "asyncio"
    trio = "trio"


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(version("oncue"))
        raise typer.Exit


@app.callback()
def oncue(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print it.")
    ] = False,
) -> None:
    """One command, several subcommands."""


@app.command()
def demo(
    directory: Annotated[
        Path | None,
        typer.Argument(
            metavar="[DIR]",
            help="Every regular file below it becomes a task. Default: Python's standard library.",
        ),
    ] = None,
    backend: Annotated[Backend, typer.Option(help="The event loop.")] = Backend.asyncio,
    workers: Annotated[int, typer.Option(min=1, help="Handlers that run at once.")] = 8,
    store: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Keep the tasks there, such as sqlite:///demo.db. A run that was killed goes on "
            "when it is started again. Default: in memory.",
        ),
    ] = None,
) -> None:
    """Hash, count and parse every file of a folder, through a supervised queue.

    Files that cannot be read or parsed are retried, and end as dead letters. Ctrl-C drains,
    and exits with 130.
    """
    # Imported here: `oncue --help` need not load a queue.
    from oncue.cli.demo import run_demo

    raise typer.Exit(run_demo(directory, backend=backend.value, workers=workers, store=store))


@app.command()
def worker(
    place: Annotated[
        str,
        typer.Argument(
            metavar="MODULE:QUEUE",
            help="A queue, or what returns one, in a module of the current directory or the path.",
        ),
    ],
    backend: Annotated[Backend, typer.Option(help="The event loop.")] = Backend.asyncio,
) -> None:
    """Run an application's queue until SIGTERM or SIGINT, then drain.

    Exits with 0 after SIGTERM, with 130 after SIGINT (Ctrl-C). Running tasks may end within the
    queue's shutdown_grace; a second signal changes nothing meanwhile.
    """
    from oncue.cli.worker import run_worker

    raise typer.Exit(run_worker(place, backend=backend.value))


@app.command()
def trace(
    task_id: Annotated[str, typer.Argument(metavar="ID", help="A task's or a trace's id.")],
    logs: Annotated[list[Path], typer.Argument(metavar="LOG...", help="Files of JSON lines.")],
    lines: Annotated[bool, typer.Option(help="The handlers' own log lines, too.")] = False,
) -> None:
    """Draw which task caused which, from the logs of a queue with tracing on."""
    from oncue.cli.trace import NoSuchTrace, run_trace

    try:
        typer.echo(run_trace(task_id, logs, lines=lines))
    except (NoSuchTrace, OSError) as error:
        typer.echo(f"oncue trace: {error}", err=True)
        raise typer.Exit(1) from None


store_commands.add_to(app)
app.add_typer(schedule_commands.schedules, name="schedules")


def main() -> None:
    """The entry point."""
    app()
