"""The Redis store, for Redis 6.2+ and Valkey. Needs `oncue[redis]`."""

from importlib.util import find_spec

if find_spec("coredis") is None:
    raise ModuleNotFoundError(
        "the Redis store needs coredis; pip install 'oncue[redis]'", name="coredis"
    )

from ._connect import Address
from ._server import ServerTooOld
from ._store import KEYS_VERSION, KeysTooNew, RedisStore

__all__ = ["KEYS_VERSION", "Address", "KeysTooNew", "RedisStore", "ServerTooOld"]
