"""Finding actors by path, and asking supervisors for changes.

A path is `root/.../name`. These calls go to a supervisor's system lane, so they overtake
messages and never interrupt a handler.
"""

from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any, TypeVar, overload

from anyio import Event

from ._cell import Cell, State
from ._envelope import Envelope
from ._errors import ActorStopped, NoSuchActor
from ._ref import Ref
from ._signals import Signal, StartChild, StopChild
from ._spec import ChildSpec, Strategy, SupervisorSpec

M = TypeVar("M")


def find(root: Cell, path: str) -> Cell:
    """The cell at `path`. Raises `NoSuchActor`, which names the nearest path."""
    head, _, rest = path.partition("/")
    cell: Cell | None = root if head == root.spec.name else None
    while cell is not None and rest:
        head, _, rest = rest.partition("/")
        cell = cell.branch.children.get(head) if cell.branch is not None else None
    if cell is None:
        near = get_close_matches(path, [node.path for node in root.snapshot().walk()], n=1)
        raise NoSuchActor(path, near[0] if near else None)
    return cell


def lineage(cell: Cell) -> Iterator[Cell]:
    """The cell and all above it, up to the root."""
    above: Cell | None = cell
    while above is not None:
        yield above
        above = above.parent


def check_startable(supervisor: Cell, asker: Cell) -> None:
    """Raises RuntimeError when `supervisor` will start nothing before `asker` goes on."""
    for cell in lineage(asker):
        if (
            cell.parent is supervisor
            and cell.state is State.STARTING
            and isinstance(supervisor.spec, SupervisorSpec)
            and supervisor.spec.strategy is not Strategy.DYNAMIC
        ):
            raise RuntimeError(
                f"{supervisor.path!r} waits for {cell.path!r} to start before it starts another "
                "child: start it from a handler, or under a dynamic supervisor"
            )


@overload
async def start_child(supervisor: Cell, spec: ChildSpec[M]) -> Ref[M]: ...
@overload
async def start_child(supervisor: Cell, spec: SupervisorSpec) -> Ref[Any]: ...
async def start_child(supervisor: Cell, spec: ChildSpec[Any] | SupervisorSpec) -> Ref[Any]:
    """Start a child after those there are; returns once its on_start has.

    Raises `ValueError` when the name is taken, what on_start raised when it failed (the
    child is then forgotten), and `ActorStopped` when the supervisor ends meanwhile. A
    cancelled call leaves the child starting. What is no spec is a `TypeError`.
    """
    if not isinstance(spec, ChildSpec | SupervisorSpec):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"{spec!r} is no spec: start_child takes a ChildSpec or a SupervisorSpec")
    event = Event()
    envelope = Envelope(spec.name, event)
    await _request(supervisor, StartChild(spec=spec, envelope=envelope), event)
    return Ref(envelope.outcome(supervisor.path, 0))


async def stop_child(cell: Cell) -> None:
    """Stop a child for good: it does not restart, and what it had queued is bounced.

    Returns when it has ended. Raises `ValueError` for the root, which stops with its system.
    """
    if cell.parent is None:
        raise ValueError(f"{cell.path!r} is the root: stop the system instead")
    if cell.state is State.STOPPED:
        return
    event = Event()
    envelope = Envelope(cell.path, event)
    await _request(cell.parent, StopChild(cell=cell, envelope=envelope), event)
    envelope.outcome(cell.path, 0)


async def _request(supervisor: Cell, signal: Signal, answered: Event) -> None:
    if supervisor.branch is None:
        raise TypeError(f"{supervisor.path!r} is an actor: only a supervisor has children")
    if not supervisor.branch.open:
        raise ActorStopped(supervisor.path)
    supervisor.branch.post(signal)
    await answered.wait()
