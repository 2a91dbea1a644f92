"""What a supervisor hears on its system lane: of its children, and from who wants others."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, TypeAlias

from ._envelope import Envelope
from ._spec import AnySpec

if TYPE_CHECKING:
    from ._cell import Cell


class Cause(Enum):
    """How an incarnation ended, told from its cancel scope, never from an exception's type."""

    NORMAL = "normal"
    CRASHED = "crashed"
    KILLED = "killed"
    """Its scope cut it short: by `kill`, or by a stop that took too long."""
    CANCELLED = "cancelled"
    """A scope around it did: its supervisor was killed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """The incarnation's on_start has returned."""

    cell: Cell
    generation: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Exited:
    """The incarnation is over, on_stop included. `started`: its on_start had returned."""

    cell: Cell
    generation: int
    cause: Cause
    error: Exception | None
    started: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class StartChild:
    """Add a child; the envelope is answered with its cell once it is up, or with the error."""

    spec: AnySpec
    envelope: Envelope


@dataclass(frozen=True, slots=True, kw_only=True)
class StopChild:
    """Stop a child for good; answered when it has ended."""

    cell: Cell
    envelope: Envelope


Signal: TypeAlias = Started | Exited | StartChild | StopChild
