"""Hints from other processes: the newest entries of a stream, which all of them read.

Rules:
- A hint is never needed: whoever misses some looks by itself in a while.
- At the beginning and after each lost connection everything is to be looked at.
- One's own hints are dropped: this process was told from within.
"""

from typing import Final

from ..errors import StoreUnavailable
from ._server import Server

_WAIT_S_MAX: Final = 10.0
"""How long the server is to wait for one, so that a connection that has died is found out."""


class Listener:
    """Reads on from where it last was; `sender` is oneself."""

    def __init__(self, server: Server, key: str, sender: str) -> None:
        self._server = server
        self._key = key
        self._sender = sender.encode()
        self._behind: str | None = None

    async def next_hint(self) -> str | None:
        """The name of a queue to be looked at, None for all of them. Raises StoreUnavailable."""
        if self._behind is None:
            self._behind = await self._server.last_entry(self._key)
            return None
        while True:
            try:
                entry = await self._server.next_entry(self._key, self._behind, _WAIT_S_MAX)
            except StoreUnavailable:
                self._behind = None
                raise
            if entry is not None:
                self._behind, fields = entry
                if fields.get(b"from") != self._sender:
                    return fields.get(b"queue", b"").decode() or None
