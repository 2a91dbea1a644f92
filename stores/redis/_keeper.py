"""Somebody who stays: holds a task group open between a store's `open` and `close`.

A driver's connections are read by tasks of their own, and those live in an `async with` block. A
store's `open` and `close` may be called by different tasks, so neither can be inside that block; a
task of the event loop's own is. This is the one place that knows which loop it is: anyio starts no
task without a group.
"""

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import Context
from typing import Any

import anyio
from anyio.abc import TaskGroup, TaskStatus
from anyio.lowlevel import current_token


class Keeper:
    """Stays inside a task group until it is told to leave."""

    def __init__(self) -> None:
        self._group: TaskGroup | None = None
        self._inside = anyio.Event()
        self._left = anyio.Event()
        self._task: object = None

    async def enter(self) -> None:
        """Return once others can `start`."""
        self._task = _spawn(self._stay)
        with anyio.CancelScope(shield=True):  # at once; and it must not stay for nobody
            await self._inside.wait()

    @property
    def stays(self) -> bool:
        """Whether others can still `start`."""
        return self._group is not None and not self._group.cancel_scope.cancel_called

    async def start(self, main: Callable[..., Coroutine[Any, Any, None]]) -> None:
        """Run `main` beside the others, and return once it says that it has started.

        Raises what `main` raises before that. Afterwards nobody hears of it, and the others stay.
        """
        assert self._group is not None
        started = False

        async def run(*, task_status: TaskStatus[None]) -> None:
            try:
                await main(task_status=task_status)
            except Exception:
                if not started:
                    raise

        await self._group.start(run)
        started = True

    async def leave(self) -> None:
        """Cancel all of them, and return once they have ended."""
        assert self._group is not None
        self._group.cancel_scope.cancel()
        with anyio.CancelScope(shield=True):  # they end at once
            await self._left.wait()

    async def _stay(self) -> None:
        try:
            async with anyio.create_task_group() as self._group:
                self._inside.set()
                await anyio.sleep_forever()
        finally:
            self._left.set()


def _spawn(main: Callable[[], Coroutine[Any, Any, None]]) -> object:
    """Run `main` in a task of the loop's own. The answer is to be kept: asyncio forgets tasks."""
    loop = current_token().native_token
    if isinstance(loop, asyncio.AbstractEventLoop):
        return loop.create_task(main(), context=Context())
    from trio.lowlevel import spawn_system_task

    return spawn_system_task(main, context=Context())
