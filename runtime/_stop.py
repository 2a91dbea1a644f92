"""The stop of one living cell: ask, then cancel, then report."""

from anyio import move_on_after

from ._cell import Cell, State
from ._events import Unstopped
from ._stack import format_stack

KILL_GRACE_S = 1.0
"""How long, beyond its on_stop, a cancelled child may take before it is called unstopped."""


async def stop_one(cell: Cell, shutdown_s: float | None) -> None:
    """`shutdown_s` bounds the handler in hand, and once more what is cancelled after it.

    Returns when the child has ended, or when neither ended it: Python cannot abandon a task,
    so the task group around it will wait for it, but its siblings' stops need not.
    """
    if not cell.alive:
        return  # it ended by itself while a sibling's stop was waited for
    cell.request_stop()
    with move_on_after(shutdown_s):
        await cell.wait_ended()
        return
    cell.kill()
    # on_stop is shielded from the cancellation, and has shutdown_s of its own.
    with move_on_after((shutdown_s or 0.0) + KILL_GRACE_S):
        await cell.wait_ended()
        return
    cell.state = State.UNSTOPPED
    if cell.final:
        cell.close()
    cell.core.emit(Unstopped(path=cell.path, stack=format_stack(cell.coro)))
