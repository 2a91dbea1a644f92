"""Calls to the server, and what the driver's errors mean.

Rules:
- This is the one seam where a driver's error becomes ours. The world's fault (no connection, no
  answer in time, no memory left, a replica, a server that loads or is no longer what it was) is
  StoreUnavailable; anything else is a bug and stays what it is.
- A script is sent by its name; a server that does not know it (new, emptied, failed over) is sent
  the text, once.
- A call is sent once and never again by itself: to claim twice is to lose what was claimed first.
- When an answer does not come, the connection is given up, and the next call connects anew. A
  cancelled call's answer is read and dropped by whoever reads the connection.
"""

import logging
import re
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

import anyio
from anyio import BrokenResourceError, ClosedResourceError
from anyio.lowlevel import checkpoint_if_cancelled
from coredis.connection import TCPLocation
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
from ._connect import Address, Connection, Plug, discard
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

_SAID_ELSEWHERE: Final = re.compile(r"\b(MASTERDOWN|LOADING|READONLY|CLUSTERDOWN)\b")


class ServerTooOld(RuntimeError):
    """The server is older than what is needed. `found` is its version."""

    def __init__(self, found: str) -> None:
        needed = ".".join(map(str, VERSION_MIN))
        super().__init__(f"the Redis server has version {found}, and {needed} or later is needed")
        self.found = found


class Line:
    """One connection, made when it is wanted and made anew when it was lost."""

    def __init__(self, plug: Plug, keeper: Keeper) -> None:
        self._plug = plug
        self._keeper = keeper
        self._lock = anyio.Lock()
        self._connection: Connection | None = None
        self._location = plug.home

    async def ask(self, command: bytes, *arguments: Argument, waits: bool = False) -> Any:
        """What the server answers, raised when it is an error.

        With `waits` the connection does not outlive a cancelled call: its answer may be long in
        coming. Where a cluster says that another node has the keys, that one is asked.
        """
        try:
            return await self._ask(command, arguments, waits)
        except MovedError as moved:
            self._location = TCPLocation(moved.host, moved.port)
            self._hang_up()
            return await self._ask(command, arguments, waits)

    async def _ask(self, command: bytes, arguments: Sequence[Argument], waits: bool) -> Any:
        connection = self._connection
        if connection is None or not connection.usable:
            connection = await self._connect()
        try:
            return await connection.create_request(
                command, *arguments, decode=False, disconnect_on_cancellation=waits
            )
        except (RedisError, *_LOST) as error:
            if self._connection is connection and is_no_longer_there(error):
                self._hang_up()
                self._location = self._plug.home  # whoever is asked there knows who has the keys
            raise

    async def _connect(self) -> Connection:
        async with self._lock:
            if self._connection is not None and self._connection.usable:
                return self._connection
            if not self._keeper.stays:
                raise ConnectionError("the store was closed meanwhile")
            connection = self._plug.make(self._location)
            try:
                await self._keeper.start(connection.run)
            except BaseException:
                self._location = self._plug.home
                discard(connection)
                await checkpoint_if_cancelled()  # trio: a cancelled attempt comes as a failed one
                raise
            self._connection = connection
            return connection

    def _hang_up(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.invalidate()


class Server:
    """One server, or one cluster, and the keys of one store there."""

    def __init__(self, address: Address, options: Mapping[str, Any], keys: Sequence[str]) -> None:
        self.address = address
        self._plug = Plug(address, options)
        self._keys = keys
        self._keeper: Keeper | None = None
        self._calls: Line
        self._waits: Line

    async def open(self) -> None:
        """Raises StoreUnavailable, ServerTooOld."""
        quiet = logging.getLogger("coredis")
        if quiet.level == logging.NOTSET:  # each attempt to connect would be a traceback
            quiet.setLevel(logging.CRITICAL)
        self._keeper = Keeper()
        await self._keeper.enter()
        # Whoever waits at the server has a connection to himself.
        self._calls, self._waits = (Line(self._plug, self._keeper) for _ in range(2))
        try:
            found = (await self.info("server")).get("redis_version", "0")
            if tuple(int(part) for part in re.findall(r"\d+", found)[:2]) < VERSION_MIN:
                raise ServerTooOld(found)
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Let go of all connections."""
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            await keeper.leave()

    async def call(self, name: str, doing: str, arguments: Sequence[Argument]) -> Any:
        """What the script answers. `doing` is what an error says."""
        wanted = script(name)
        everything = (len(self._keys), *self._keys, *arguments)
        with _mapped(doing):
            try:
                return await self._calls.ask(b"EVALSHA", wanted.sha1, *everything)
            except NoScriptError:
                return await self._calls.ask(b"EVAL", wanted.text, *everything)

    async def last_entry(self, key: str) -> str:
        """The id of the last entry of a stream."""
        with _mapped("next_hint"):
            found = await self._calls.ask(b"XREVRANGE", key, b"+", b"-", b"COUNT", 1)
        return found[0][0].decode() if found else "0-0"

    async def next_entry(
        self, key: str, behind: str, wait_s_max: float
    ) -> tuple[str, dict[bytes, bytes]] | None:
        """The next entry of a stream, waited for; None: there was none for a while."""
        wait_ms = round(1000 * min(wait_s_max, self._plug.silence_s / 2))
        words = (b"COUNT", 1, b"BLOCK", wait_ms, b"STREAMS", key, behind)
        with _mapped("next_hint"):
            found = await self._waits.ask(b"XREAD", *words, waits=True)
        if not found:
            return None
        [[name, fields]] = found[key.encode()]
        return name.decode(), dict(zip(fields[::2], fields[1::2], strict=True))

    async def info(self, section: str) -> Mapping[str, str]:
        """What the server says of itself."""
        with _mapped(f"info {section}"):
            found = await self._calls.ask(b"INFO", section)
        lines = found.decode().splitlines()
        return dict(line.split(":", 1) for line in lines if ":" in line)

    async def setting(self, name: str) -> str | None:
        """A setting of the server's; None where it does not tell."""
        with _mapped(f"config get {name}"):
            try:
                found = await self._calls.ask(b"CONFIG", b"GET", name)
            except ResponseError:
                return None  # where others run the server, it is often not to be asked
        for value in found.values():
            return bytes(value).decode()
        return None


@contextmanager
def _mapped(doing: str) -> Generator[None]:
    try:
        yield
    except (RedisError, *_LOST) as error:
        if not is_the_worlds(error):
            raise
        raise StoreUnavailable(NAME, doing) from error


def is_no_longer_there(error: Exception) -> bool:
    """Whether the connection has ended, or leads to where nobody may write any more: after a
    failover its address may be somebody else's."""
    if isinstance(error, (*_LOST, ReadOnlyError, ClusterDownError)):
        return True
    return isinstance(error, ResponseError) and _SAID_ELSEWHERE.search(str(error)) is not None


def is_the_worlds(error: Exception) -> bool:
    if isinstance(error, (*_LOST, *_NOT_NOW)):
        return True
    return isinstance(error, ResponseError) and _SAID_NOT_NOW.search(str(error)) is not None
