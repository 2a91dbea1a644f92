"""Hints from other processes on SQLite: its write-ahead log changes when somebody writes.

Rules:
- As with `_hints`: a hint is never needed, and may be missed.
- What this process wrote is no news: the log is looked at as each of its transactions begins, when
  nobody else can write, and as it has ended.
"""

import os
from typing import TypeAlias

import anyio

Stamp: TypeAlias = tuple[int, int] | None


class Watch:
    """Looks at the file every `look_s` seconds: a call of some microseconds, in no thread."""

    def __init__(self, path: str, look_s: float) -> None:
        self._log = f"{path}-wal"
        self._look_s = look_s
        self._known: Stamp = self._stamp()
        self._news: bool = False

    def begun(self) -> None:
        """A transaction of ours has the file to itself."""
        self._news = self._news or self._stamp() != self._known

    def ended(self) -> None:
        """It has ended, and what it wrote is known."""
        self._known = self._stamp()

    async def next_hint(self) -> None:
        """Wait until another process has written: anything may be ready."""
        while True:
            stamp = self._stamp()
            if self._news or stamp != self._known:
                self._known, self._news = stamp, False
                return
            await anyio.sleep(self._look_s)

    def _stamp(self) -> Stamp:
        try:
            log = os.stat(self._log)
        except OSError:
            return None
        return log.st_mtime_ns, log.st_size

    def close(self) -> None:
        """There is nothing to hang up."""
