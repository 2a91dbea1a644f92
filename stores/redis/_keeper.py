"""Somebody who stays: holds a client's connections open between a store's `open` and `close`.

A client's connections are read by tasks of its own, and those live in an `async with` block. A
store's `open` and `close` may be called by different tasks, so neither can be inside that block; a
task of the event loop's own is. This is the one place that knows which loop it is: anyio starts no
task without a group.
"""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from contextvars import Context
from typing import Any

import anyio
from anyio.lowlevel import current_token


class Keeper:
    """Stays inside `block` until it is told to leave."""

    def __init__(self, block: AbstractAsyncContextManager[object]) -> None:
        self._block = block
        self._inside = anyio.Event()
        self._leave = anyio.Event()
        self._left = anyio.Event()
        self._error: Exception | None = None
        self._task: object = None

    @property
    def stays(self) -> bool:
        """Whether it is still inside."""
        return self._inside.is_set() and not self._left.is_set()

    async def enter(self) -> None:
        """Raises what entering the block raises."""
        self._task = _spawn(self._stay)
        try:
            await self._inside.wait()
        except BaseException:
            self._leave.set()
            raise
        if self._error is not None:
            raise self._error

    async def leave(self) -> None:
        """Return once it has left; also when cancelled it leaves."""
        self._leave.set()
        await self._left.wait()

    async def _stay(self) -> None:
        try:
            async with self._block:
                self._inside.set()
                await self._leave.wait()
        except Exception as error:
            self._error = error  # `enter` raises it; later, the calls of whom it held it for do
        finally:
            self._inside.set()
            self._left.set()


def _spawn(main: Callable[[], Coroutine[Any, Any, None]]) -> object:
    """Run `main` in a task of the loop's own. The answer is to be kept: asyncio forgets tasks."""
    loop = current_token().native_token
    if isinstance(loop, asyncio.AbstractEventLoop):
        return loop.create_task(main(), context=Context())
    from trio.lowlevel import spawn_system_task

    return spawn_system_task(main, context=Context())
