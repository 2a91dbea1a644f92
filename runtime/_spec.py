"""The tree as data: what to start, in which order, and what to do when it falls.

A `SupervisorSpec` is validated when it is made and can be printed before it runs:

    print(SupervisorSpec("app", children=[ChildSpec("a", Worker)]).tree())
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

from ._tree import Node

if TYPE_CHECKING:  # a spec only promises what its factory makes; it never touches an actor
    from ._actor import Actor

M_contra = TypeVar("M_contra", contravariant=True)


class Restart(Enum):
    """Which ends of a child call for a new incarnation (Erlang/OTP's restart types)."""

    PERMANENT = "permanent"
    """Always, after a normal end too."""
    TRANSIENT = "transient"
    """After a crash or a kill only."""
    TEMPORARY = "temporary"
    """Never."""


class Strategy(Enum):
    """Which siblings share the fate of a child that must restart."""

    ONE_FOR_ONE = "one_for_one"
    """None."""
    ONE_FOR_ALL = "one_for_all"
    """All of them."""
    REST_FOR_ONE = "rest_for_one"
    """Those started after it."""
    DYNAMIC = "dynamic"
    """None; made for many children started at run time: they start and stop in parallel."""


class Overflow(Enum):
    """What a full mailbox does to `tell`. `tell_nowait` never waits, under none of them."""

    BLOCK = "block"
    """The sender waits for room."""
    FAIL = "fail"
    """The sender gets `MailboxFull`, which carries the message."""
    DROP_OLD = "drop_old"
    """The oldest queued message becomes a dead letter; the new one is accepted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """How long to wait before the n-th restart in a row.

    `first_s * factor ** (n - 1)`, at most `max_s`, spread by `jitter` (0.2: up to 20 percent
    either way). The row ends when an incarnation has lived for `max_s`.
    """

    first_s: float = 0.1
    factor: float = 2.0
    max_s: float = 30.0
    jitter: float = 0.2

    def __post_init__(self) -> None:
        if self.first_s <= 0 or self.max_s < self.first_s:
            raise ValueError(f"back-off needs 0 < first_s <= max_s, not {self!r}")
        if self.factor < 1 or not 0 <= self.jitter < 1:
            raise ValueError(f"back-off needs factor >= 1 and 0 <= jitter < 1, not {self!r}")

    def delay_s(self, attempt: int, random: float) -> float:
        """Seconds before restart number `attempt` (from 1); `random` is in [0, 1)."""
        # The exponent is bounded so that a long row cannot overflow a float.
        plain = min(self.first_s * self.factor ** min(attempt - 1, 64), self.max_s)
        return plain * (1 + self.jitter * (2 * random - 1))


# No slots: a generic, frozen and slotted dataclass cannot be made as `ChildSpec[M](...)` on
# Python 3.11.
@dataclass(frozen=True)
class ChildSpec(Generic[M_contra]):
    """One actor: how to make it, and how it lives.

    `factory` is called anew for each incarnation, inside the actor's own task. `shutdown_s`
    bounds the handler in hand at a stop, and on_stop after it, each (None: no bound).
    `start_s` bounds on_start. `capacity` is in messages, at least 1.
    """

    name: str
    factory: "Callable[[], Actor[M_contra]]"
    restart: Restart = Restart.PERMANENT
    shutdown_s: float | None = 5.0
    capacity: int = 1024
    overflow: Overflow = Overflow.BLOCK
    backoff: Backoff | None = None
    start_s: float | None = 30.0

    def __post_init__(self) -> None:
        check_name(self.name)
        if self.capacity < 1:
            raise ValueError(
                f"child {self.name!r}: capacity must be at least 1, not {self.capacity}"
            )
        check_seconds(self.name, "shutdown_s", self.shutdown_s)
        check_seconds(self.name, "start_s", self.start_s)


@dataclass(frozen=True, slots=True)
class SupervisorSpec:
    """A supervisor and, in start order, its children.

    More than `intensity` restarts within `period_s` seconds and it gives up: it stops its
    children and fails, for its own supervisor to judge by `restart`. Children stop in
    reverse start order, each within its own `shutdown_s`; the supervisor's own is None by
    default, since its children are bounded already.
    """

    name: str
    strategy: Strategy = Strategy.ONE_FOR_ONE
    intensity: int = 3
    period_s: float = 5.0
    children: Sequence["ChildSpec[Any] | SupervisorSpec"] = ()
    restart: Restart = Restart.PERMANENT
    shutdown_s: float | None = None
    backoff: Backoff | None = None

    def __post_init__(self) -> None:
        check_name(self.name)
        if self.intensity < 0 or self.period_s <= 0:
            raise ValueError(
                f"supervisor {self.name!r}: intensity must not be negative and period_s must be "
                f"positive, not {self.intensity} in {self.period_s}"
            )
        check_seconds(self.name, "shutdown_s", self.shutdown_s)
        seen: set[str] = set()
        for child in self.children:
            if child.name in seen:
                raise ValueError(f"supervisor {self.name!r} has two children named {child.name!r}")
            seen.add(child.name)

    def tree(self, prefix: str = "") -> Node:
        """The tree as it will start, in the shape that `ActorSystem.tree()` has."""
        path = f"{prefix}{self.name}"
        children = [
            child.tree(f"{path}/")
            if isinstance(child, SupervisorSpec)
            else Node(path=f"{path}/{child.name}", kind="actor", capacity=child.capacity)
            for child in self.children
        ]
        return Node(path=path, kind=self.strategy.value, children=tuple(children))


AnySpec: TypeAlias = ChildSpec[Any] | SupervisorSpec


def check_name(name: str) -> None:
    if not name or "/" in name:
        raise ValueError(f"an actor's name is not empty and has no '/' in it, unlike {name!r}")


def check_seconds(name: str, field: str, value: float | None) -> None:
    if value is not None and not value >= 0:
        raise ValueError(f"child {name!r}: {field} must be None or not negative, not {value}")
