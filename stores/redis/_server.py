"""Calls to the server, and what the driver's errors mean.

Rules:
- This is the one seam where a driver's error becomes ours. The world's fault (no connection, no
  answer in time, no memory left, a replica, a server that loads or is no longer what it was) is
  StoreUnavailable; anything else is a bug and stays what it is.
- A script is sent by its name; a server that does not know it (new, emptied, failed over) is sent
  the text, once.
- When an answer does not come, all connections are given up, so that the next call connects anew.
  A cancelled call's answer is read and dropped by whoever reads the connection.
"""

import re
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from anyio import BrokenResourceError, ClosedResourceError
from coredis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    ClusterDownError,
    ConnectionError,
    MovedError,
    NoScriptError,
    ReadOnlyError,
    RedisClusterError,
    RedisError,
    ResponseError,
    TryAgainError,
)

from ..errors import StoreUnavailable
from ._connect import SILENCE_S_MAX, Address, make_client
from ._keeper import Keeper
from ._scripts import script

NAME: Final = "redis"
VERSION_MIN: Final = (6, 2)

Argument = str | bytes | int | float

_LOST: Final = (
    ConnectionError,
    TimeoutError,
    OSError,
    BrokenResourceError,
    ClosedResourceError,
)
_NOT_NOW: Final = (
    AuthenticationError,
    AuthorizationError,
    ClusterDownError,
    MovedError,
    ReadOnlyError,
    RedisClusterError,
    TryAgainError,
)
# What servers say for which the driver has no class, as it stands at the beginning or, where a
# script met it (until Redis 7), in the middle.
_SAID_NOT_NOW: Final = re.compile(
    r"\b(OOM|BUSY|MISCONF|NOREPLICAS|MASTERDOWN|LOADING|READONLY|CLUSTERDOWN|UNKILLABLE)\b"
)


class ServerTooOld(RuntimeError):
    """The server is older than what is needed. `found` is its version."""

    def __init__(self, found: str) -> None:
        needed = ".".join(map(str, VERSION_MIN))
        super().__init__(f"the Redis server has version {found}, and {needed} or later is needed")
        self.found = found


class Server:
    """One server, or one cluster, and the keys of one store there."""

    def __init__(self, address: Address, options: Mapping[str, Any], keys: Sequence[str]) -> None:
        self.address = address
        self._options = options
        self._keys = keys
        self._client = make_client(address, options)  # or it is told at once that it cannot be
        self._keeper: Keeper | None = None

    async def open(self) -> None:
        """Raises StoreUnavailable, ServerTooOld."""
        await self._enter()
        try:
            await self._check_version()
        except BaseException:
            await self.close()
            raise

    async def _enter(self) -> None:
        self._client = make_client(self.address, self._options)
        self._keeper = Keeper(self._client)
        with self._mapped("open"):
            await self._keeper.enter()

    async def close(self) -> None:
        """Let go of all connections."""
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            await keeper.leave()

    async def _check_version(self) -> None:
        found = str((await self.info("server")).get("redis_version", "0"))
        if tuple(int(part) for part in re.findall(r"\d+", found)[:2]) < VERSION_MIN:
            raise ServerTooOld(found)

    async def call(self, name: str, doing: str, arguments: Sequence[Argument]) -> Any:
        """What the script answers. `doing` is what an error says."""
        await self._stand()
        wanted = script(name)
        with self._mapped(doing):
            try:
                return await self._client.evalsha(wanted.sha1, self._keys, arguments)
            except NoScriptError:
                return await self._client.eval(wanted.text, self._keys, arguments)

    @property
    def silence_s(self) -> float:
        """How long an answer is waited for."""
        return self._client.connection_pool.connection_kwargs.get("stream_timeout") or SILENCE_S_MAX

    async def last_entry(self, key: str) -> str:
        """The last entry of a stream."""
        await self._stand()
        with self._mapped("next_hint"):
            found = await self._client.xrevrange(key, count=1)
        return _text(found[0].identifier) if found else "0-0"

    async def next_entry(self, key: str, behind: str, wait_ms: int) -> tuple[str, Any] | None:
        """The next entry of a stream, waited for on a connection of its own; None: none came."""
        await self._stand()
        with self._mapped("next_hint"):
            found = await self._client.xread({key: behind}, count=1, block=wait_ms)
        for entries in (found or {}).values():
            for entry in entries:
                return _text(entry.identifier), entry.field_values
        return None

    async def info(self, section: str) -> Mapping[str, Any]:
        """What the server says of itself."""
        await self._stand()
        with self._mapped(f"info {section}"):
            return await self._client.info(section)

    async def setting(self, name: str) -> str | None:
        """A setting of the server's; None where it does not tell."""
        await self._stand()
        with self._mapped(f"config get {name}"):
            try:
                found = await self._client.config_get([name])
            except ResponseError:
                return None  # where others run the server, it is often not to be asked
        for value in found.values():
            return _text(value)
        return None

    async def _stand(self) -> None:
        """The client's own tasks have died of something: begin with a new one."""
        if self._keeper is not None and not self._keeper.stays:
            await self._enter()

    @contextmanager
    def _mapped(self, doing: str) -> Generator[None]:
        try:
            yield
        except (RedisError, *_LOST) as error:
            if isinstance(error, TimeoutError):
                self._client.connection_pool.disconnect()
            if not _is_the_worlds(error):
                raise
            raise StoreUnavailable(NAME, doing) from error


def _is_the_worlds(error: Exception) -> bool:
    if isinstance(error, (*_LOST, *_NOT_NOW)):
        return True
    return isinstance(error, ResponseError) and _SAID_NOT_NOW.search(str(error)) is not None


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode()
