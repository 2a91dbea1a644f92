"""The Lua scripts: one for each call of the store, each composed of what it needs.

A script is atomic: the server runs it alone, and its log holds all of what it wrote or nothing.
"""

from functools import cache
from hashlib import sha1
from importlib.resources import files
from typing import Final

_PARTS: Final[dict[str, tuple[str, ...]]] = {
    "open": ("always",),
    "add": ("batch", "tasks"),
    "exchange": ("always", "batch", "tasks", "aside", "nodes", "survey"),
    "edit": ("always", "batch", "tasks", "aside", "walk"),
    "park": ("always", "batch", "tasks", "aside", "nodes", "schedules"),
    "find": ("batch", "tasks", "walk"),
    "count": ("batch", "tasks"),
    "purge": ("always", "batch", "tasks", "aside"),
    "join": ("always", "batch", "tasks", "aside", "nodes"),
    "leave": ("always", "batch", "tasks", "aside", "nodes"),
    "heartbeat": ("always", "batch", "tasks", "aside", "nodes"),
    "reconcile": ("always", "batch", "tasks", "aside", "nodes"),
    "rescue": ("always", "batch", "tasks", "aside", "nodes"),
    "list_nodes": ("batch", "tasks", "aside", "nodes"),
    "list_queues": (),
    "plan": ("schedules",),
    "due": ("schedules", "walk"),
    "fire": ("batch", "tasks", "schedules"),
    "list_schedules": ("schedules",),
}
"""What each stands on, besides the prelude."""


class Script:
    """A script's text, and the name that a server knows it by once it has seen it."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.text = text
        self.sha1 = sha1(text.encode(), usedforsecurity=False).hexdigest()

    def __repr__(self) -> str:
        return f"<Script {self.name} {self.sha1}>"


@cache
def script(name: str) -> Script:
    """The script of that name, whole."""
    folder = files(__name__.rpartition(".")[0]) / "lua"
    parts = ("prelude", *_PARTS[name], name)
    return Script(name, "\n".join((folder / f"{part}.lua").read_text("utf-8") for part in parts))
