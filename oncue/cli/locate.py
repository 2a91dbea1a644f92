"""`module:attribute` on a command line, made into the queue that it names."""

import inspect
import os
import pkgutil
import sys
from collections.abc import Iterable
from importlib import import_module
from types import ModuleType

from oncue.adapters.base import QueueBase
from oncue.settings.errors import nearest


class NoSuchQueue(LookupError):
    """There is no queue at that place; the sentence says which part of it is wrong."""


def locate_queue(place: str) -> QueueBase:
    """Import `module`, from the current directory too, and return the queue at `attribute`.

    The attribute is a queue, or something that returns one when it is called without
    arguments; it may be dotted. Raises `NoSuchQueue`, and whatever the module itself raises.
    """
    module_name, _, attribute = place.partition(":")
    if not module_name or not attribute or place.startswith("."):
        raise NoSuchQueue(f"{place!r} names no queue; write module:attribute, such as shop:queue")
    found: object = _import(module_name)
    for part in attribute.split("."):
        if not hasattr(found, part):
            public = [name for name in dir(found) if not name.startswith("_")]
            raise NoSuchQueue(_nothing("no attribute", part, public, module_name))
        found = getattr(found, part)
    return _as_queue(found, place)


def _import(name: str) -> ModuleType:
    here = os.getcwd()
    if here not in sys.path:  # `python -m` has it there; the installed command has not
        sys.path.insert(0, here)
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if not f"{name}.".startswith(f"{missing}."):
            raise  # the module is there, and lacks another
    parent, _, last = missing.rpartition(".")
    folders: Iterable[str] = getattr(sys.modules.get(parent), "__path__", []) if parent else [here]
    names = [found.name for found in pkgutil.iter_modules(folders)]
    raise NoSuchQueue(_nothing("no module", last, names, parent or here))


def _nothing(what: str, name: str, valid: Iterable[str], where: str) -> str:
    near = nearest(name, valid)
    return f"{what} {name!r} in {where}" + (f"; the nearest is {near}" if near else "")


def _as_queue(found: object, place: str) -> QueueBase:
    if isinstance(found, QueueBase):
        return found
    if not callable(found):
        raise NoSuchQueue(f"{place} is no queue, but {type(found).__name__}")
    try:
        inspect.signature(found).bind()
    except TypeError as error:
        raise NoSuchQueue(f"{place} cannot be called without arguments: {error}") from None
    made: object = found()
    if inspect.iscoroutine(made):
        made.close()
    if not isinstance(made, QueueBase):
        raise NoSuchQueue(f"{place}() returned no queue, but {type(made).__name__}")
    return made
