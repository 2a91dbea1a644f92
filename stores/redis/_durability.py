"""What an acknowledged task outlives: what the server's own settings give, as they are now."""

from typing import Final

from ..base import Durability
from ._server import Server

_FSYNC: Final = {
    "always": None,
    "everysec": "a crash of the server's machine loses up to a second of acknowledged tasks "
    "(appendfsync everysec)",
    "no": "a crash of the server's machine loses what its system had not written yet, often half a "
    "minute (appendfsync no)",
}
_NO_LOG: Final = (
    "the server keeps no log (appendonly no): a crash or a restart loses all that was acknowledged "
    "since its last snapshot"
)
_EVICTS: Final = "the server removes tasks when its memory is full (maxmemory-policy {})"


async def durability(server: Server) -> Durability:
    """Ask the server. Raises StoreUnavailable."""
    persistence = await server.info("persistence")
    has_log = persistence.get("aof_enabled") == "1"
    fsync = await server.setting("appendfsync") if has_log else None
    policy = await server.setting("maxmemory-policy")
    warnings: list[str] = []
    if not has_log:
        warnings.append(_NO_LOG)
    elif (told := _FSYNC.get(fsync or "")) is not None:
        warnings.append(told)
    # Only results have a time to live, so that `volatile-` policies cannot reach a task.
    if policy is not None and policy.startswith("allkeys"):
        warnings.append(_EVICTS.format(policy))
    said = "appendonly " + ("yes" if has_log else "no")
    if has_log:
        said += f", appendfsync {fsync or 'not told'}"
    return Durability(summary=said, warnings=tuple(warnings))
