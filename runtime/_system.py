"""A running tree, owned by `async with` or by a task group, and nothing else.

    async with ActorSystem(spec) as system:
        ...

    async with create_task_group() as tg:
        system = await tg.start(ActorSystem(spec).run)

Leaving the block, an exception in it, or cancellation of the task that owns it all stop the
tree in order. The tree lives in a shielded scope so that a cancellation around it becomes
that ordered stop, and not a shot at everything at once.
"""

from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from typing import Any, TypeVar, overload

from anyio import (
    TASK_STATUS_IGNORED,
    AsyncContextManagerMixin,
    CancelScope,
    Event,
    create_task_group,
    get_cancelled_exc_class,
)
from anyio.abc import TaskGroup, TaskStatus

from ._cell import Cell, State
from ._clock import Clock, Entropy, SeededEntropy, SystemClock
from ._core import Core
from ._dead_letters import DeadLetter, DeadLetters, Reason
from ._directory import find, start_child, stop_child
from ._events import Observer, log_event
from ._life import enter_group
from ._ref import Ref, cell_of
from ._signals import Exited, Signal
from ._spec import ChildSpec, SupervisorSpec
from ._stop import stop_one
from ._supervisor import supervisor_body
from ._tree import Node

M = TypeVar("M")


class ActorSystem(AsyncContextManagerMixin):
    """The tree of `spec`, with its clock, its dead letters and its observers.

    `shutdown_s` bounds the whole stop: past it everything left is cancelled at once (None:
    the children's own bounds are enough). `tracing` makes messages carry trace ids.
    `observe` is called with each runtime event; without it, they are logged.

    It may run again after it ended, never twice at once. If the root supervisor gives up,
    the block is cancelled and `EscalatedFailure` leaves it.
    """

    def __init__(
        self,
        spec: SupervisorSpec,
        *,
        shutdown_s: float | None = 60.0,
        clock: Clock | None = None,
        entropy: Entropy | None = None,
        tracing: bool = False,
        observe: Observer = log_event,
    ) -> None:
        self._spec = spec
        self._shutdown_s = shutdown_s
        self._clock = clock or SystemClock()
        self._entropy = entropy or SeededEntropy()
        self._tracing = tracing
        self._observe = observe
        self._dead_letters = DeadLetters()
        self._root: Cell | None = None
        self._up = Event()
        self._ended = Event()
        self._exit: Exited | None = None

    @asynccontextmanager
    async def __asynccontextmanager__(self) -> AsyncGenerator["ActorSystem", None]:
        if self._root is not None:
            raise RuntimeError(f"system {self._spec.name!r} is running already")
        core = Core(
            clock=self._clock,
            entropy=self._entropy,
            tracing=self._tracing,
            observer=self._observe,
            dead_letters=self._dead_letters,
        )
        self._root = root = Cell(self._spec, None, core)
        self._up, self._ended, self._exit = Event(), Event(), None
        error: BaseException | None = None
        try:
            async with create_task_group() as group:
                group.start_soon(core.alarms.run, name=f"{self._spec.name} alarms")
                try:
                    await self._start(root, group)
                    yield self
                except get_cancelled_exc_class():
                    raise
                except BaseException as raised:
                    error = raised  # kept out of the group, which would wrap it
                finally:
                    with CancelScope(shield=True):
                        await self._stop(root)
                    core.alarms.stop()
        finally:
            root.close()
            self._root = None
        failure = self._failure()
        if failure is not None and failure is not error:
            raise failure from error
        if error is not None:
            raise error

    async def run(self, *, task_status: TaskStatus["ActorSystem"] = TASK_STATUS_IGNORED) -> None:
        """Run until `stop`, or until cancelled, which stops the tree in order first."""
        async with self:
            task_status.started(self)
            await self._ended.wait()

    async def stop(self) -> None:
        """Stop the tree in order, and wait until it has. `run` then returns."""
        if self._root is not None:
            await self._stop(self._root)

    @property
    def running(self) -> bool:
        return self._root is not None and self._root.state is State.RUNNING

    # -- the tree -----------------------------------------------------------------------

    def tree(self) -> Node:
        """A snapshot: paths, states, depths, ages, restarts. Printable; before it runs, too."""
        return self._spec.tree() if self._root is None else self._root.snapshot()

    def lookup(self, path: str) -> Ref[Any]:
        """The ref of the actor at `path` (`root/.../name`).

        Raises `NoSuchActor`, which names the nearest path there is.
        """
        return Ref(find(self._running_root(), path))

    @overload
    async def start_child(self, spec: ChildSpec[M], *, under: str | None = None) -> Ref[M]: ...
    @overload
    async def start_child(self, spec: SupervisorSpec, *, under: str | None = None) -> Ref[Any]: ...
    async def start_child(
        self, spec: ChildSpec[Any] | SupervisorSpec, *, under: str | None = None
    ) -> Ref[Any]:
        """Start one more child under the supervisor at path `under` (default: the root).

        Returns once its on_start has. Raises what on_start raised (the child is then
        forgotten), `ValueError` when the name is taken, `ActorStopped` when the supervisor
        ends meanwhile. A cancelled call leaves the child starting. A child started so is
        forgotten when it ends for good, or when its supervisor restarts.
        """
        root = self._running_root()
        return await start_child(root if under is None else find(root, under), spec)

    async def stop_child(self, ref: Ref[Any]) -> None:
        """Stop an actor or a supervisor for good, within its `shutdown_s`; returns when it ended.

        Its queued asks get `ActorStopped`, its queued tells become dead letters.
        """
        await stop_child(cell_of(ref))

    def kill(self, ref: Ref[Any]) -> None:
        """Cancel what the actor is doing. Its supervisor treats that as a crash.

        A supervisor's children are cancelled with it, all at once. Raises `ValueError` for the
        root, which nobody could restart.
        """
        cell = cell_of(ref)
        if cell.parent is None:
            raise ValueError(f"{cell.path!r} is the root: stop the system instead")
        cell.kill()

    # -- undelivered --------------------------------------------------------------------

    def dead_letters(self) -> Iterator[DeadLetter]:
        """The last undelivered messages, oldest first, with their reasons (1024 are kept)."""
        return iter(self._dead_letters)

    def dead_letter_counts(self) -> dict[Reason, int]:
        """How many there have been, by reason, since this object was made."""
        return dict(self._dead_letters.counts)

    # -----------------------------------------------------------------------------------

    def _running_root(self) -> Cell:
        if self._root is None:
            raise RuntimeError(
                f"system {self._spec.name!r} is not running; use `async with system:` or "
                "`await tg.start(system.run)`"
            )
        return self._root

    async def _start(self, root: Cell, group: TaskGroup) -> None:
        def hear(signal: Signal) -> None:
            if isinstance(signal, Exited):
                self._exit = signal
                self._up.set()
                self._ended.set()
                if signal.error is not None:
                    group.cancel_scope.cancel()
            else:
                self._up.set()

        root.begin(CancelScope(shield=True))
        enter_group(group, root, supervisor_body(root), hear)
        await self._up.wait()
        failure = self._failure()
        if failure is not None:
            raise failure

    async def _stop(self, root: Cell) -> None:
        root.final = True
        await stop_one(root, self._shutdown_s)
        await self._ended.wait()

    def _failure(self) -> Exception | None:
        return self._exit.error if self._exit is not None else None

    def __repr__(self) -> str:
        state = "not running" if self._root is None else self._root.state.value
        return f"<ActorSystem {self._spec.name} {state}>"
