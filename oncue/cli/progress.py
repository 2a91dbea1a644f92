"""The demo's progress: a live bar on a terminal, plain lines where there is none."""

import anyio
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from oncue.adapters.base import QueueBase

LIVE_S = 0.1
PLAIN_S = 2.0


async def show_progress(console: Console, queue: QueueBase, enqueued: list[str]) -> None:
    """Show how many of the `enqueued` tasks have ended, until cancelled."""
    if not console.is_terminal:
        while True:
            await anyio.sleep(PLAIN_S)
            ended, total, waiting = await _figures(queue, enqueued)
            console.print(f"{ended} of {total} files, {waiting} to be retried")
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        auto_refresh=False,
    )
    with bar:
        job = bar.add_task("files", total=None)
        while True:
            ended, total, waiting = await _figures(queue, enqueued)
            bar.update(
                job, completed=ended, total=total, description=f"files ({waiting} to be retried)"
            )
            bar.refresh()
            await anyio.sleep(LIVE_S)


async def _figures(queue: QueueBase, enqueued: list[str]) -> tuple[int, int, int]:
    info = await queue.get_queue_info("files")
    # A run that goes on has more in its queue at first than it has listed again.
    ended = max(0, len(enqueued) - info["job_count"])
    return ended, len(enqueued), info["delayed_tasks"]
