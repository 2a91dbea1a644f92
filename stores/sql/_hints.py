"""Hints from other processes: PostgreSQL's LISTEN, waited for on the socket by either backend.

Rules:
- A hint is never needed: whoever misses some looks by itself in a while. Nothing here raises but
  cancellation.
- After each (re)connection everything is to be looked at, as hints were missed.
- One's own hints are dropped: this process was told from within.
"""

from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Final

import anyio

from ._engine import Database

_BACKOFF_S_MIN: Final = 0.5
_BACKOFF_S_MAX: Final = 30.0


class Listener:
    """A connection that listens. `hop` runs a function in a thread."""

    def __init__(
        self, database: Database, hop: Callable[[Callable[[], Any]], Awaitable[Any]]
    ) -> None:
        self._database = database
        self._hop = hop
        # Besides the driver's own: its socket's, in use by nobody any more.
        self._errors: tuple[type[Exception], ...] = (*database.errors, OSError, ValueError)
        self._connection: Any = None
        self._hints: deque[str | None] = deque()
        self._backoff_s = _BACKOFF_S_MIN

    async def next_hint(self) -> str | None:
        """The name of a queue to be looked at, None for all of them."""
        while not self._hints:
            try:
                if self._connection is None:
                    self._connection = await self._hop(self._connect)
                    self._hints.append(None)
                else:
                    await anyio.wait_readable(self._connection.fileno())
                    self._read()
                self._backoff_s = _BACKOFF_S_MIN
            except self._errors:
                self.close()
                await anyio.sleep(self._backoff_s)
                self._backoff_s = min(2 * self._backoff_s, _BACKOFF_S_MAX)
        return self._hints.popleft()

    def _connect(self) -> Any:
        connection = self._database.engine.raw_connection()
        connection.detach()  # from the pool
        driver: Any = connection.dbapi_connection
        driver.execute(f'LISTEN "{self._database.dialect.prefix}"')
        return driver

    def _read(self) -> None:
        for each in self._connection.notifies(timeout=0):
            sender, _, queue_name = each.payload.partition(" ")
            hint = queue_name or None
            if sender != self._database.sender and hint not in self._hints:
                self._hints.append(hint)

    def close(self) -> None:
        """Hang up."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
