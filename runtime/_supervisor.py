"""A supervisor's life: start the children in order, restart what falls, stop in reverse.

Everything it does, it does in its own task, from signals on its system lane; so no two
decisions overlap. It waits nowhere else, except for children to end when it has stopped
them. The children's incarnations run in its one task group, which closes before a failure
goes up: an escalation is as deep as there are supervisors, with no wrapper groups.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from math import inf
from typing import assert_never

from anyio import CancelScope, create_task_group, move_on_after
from anyio.abc import TaskGroup

from ._budget import Budget, affected, wants_restart
from ._cell import Cell, State
from ._envelope import Envelope
from ._errors import ActorStopped, EscalatedFailure, is_unrecoverable
from ._events import Crashed, Escalated, Restarted
from ._life import Body, Report, actor_body, enter_group, note_started
from ._signals import Exited, Signal, StartChild, Started, StopChild
from ._spec import Restart, Strategy, SupervisorSpec
from ._starts import Starts
from ._stop import stop_one


def supervisor_body(root: Cell) -> Body:
    """The body of every supervisor of the tree below `root`, and of `root` itself."""

    async def body(cell: Cell, report: Report) -> None:
        supervisor = Supervisor(cell, root)
        failure: Exception | None = None
        try:
            async with create_task_group() as group:
                try:
                    failure = await supervisor.run(group, report)
                finally:
                    with CancelScope(shield=True):
                        await supervisor.stop()
        finally:
            supervisor.reap_late()
        if failure is not None:
            raise failure

    return body


class Supervisor:
    """One incarnation of a supervisor. The children's cells outlive it, in its own cell."""

    def __init__(self, cell: Cell, root: Cell) -> None:
        assert isinstance(cell.spec, SupervisorSpec)
        assert cell.branch is not None
        self._cell = cell
        self._spec = cell.spec
        self._specs = {id(spec) for spec in cell.spec.children}
        self._branch = cell.branch
        self._now = cell.core.clock.monotonic
        self._budget = Budget(self._spec.intensity, self._spec.period_s)
        self._starts = Starts(self._now)
        self._overdue: set[Cell] = set()  # to start again once their old life has ended
        self._starting: Cell | None = None  # in order means one at a time
        self._first: set[Cell] = set()  # the spec's children that have not been up yet
        self._requests: dict[Cell, Envelope] = {}  # who waits for these to be up
        self._stopping: dict[Cell, list[Envelope]] = {}  # who waits for these, unstopped, to end
        self._actor_body = actor_body(root)
        self._supervisor_body = supervisor_body(root)
        self._hear = cell.branch.post
        self._group: TaskGroup

    async def run(self, group: TaskGroup, report: Report) -> Exception | None:
        """Until asked to stop (None), or until it must give up (the failure)."""
        self._group = group
        self._branch.open = True
        self._adopt()
        up = False
        while not self._cell.stop_requested:
            if not up and not self._first:
                up = True
                note_started(self._cell, report)
            if self._branch.lane:
                failure = await self._obey(self._branch.lane.popleft())
                if failure is not None:
                    return failure
            elif (child := self._next_to_start()) is not None:
                self._spawn(child)
            else:
                with move_on_after(inf if self._in_turn() else self._starts.wait_s()):
                    await self._branch.wait()
        return None

    async def stop(self) -> None:
        """Refuse what is still asked, then stop all children, the last started first."""
        self._branch.open = False
        # First, since a child that waits for an answer could not end.
        for envelope in self._waiting():
            envelope.fail(ActorStopped(self._cell.path))
        everyone = list(self._branch.children.values())
        for_good = self._cell.final or self._cell.parent is None
        for child in everyone:
            child.final = child.final or for_good or not self._in_spec(child)
        await self._stop(everyone)
        for child in everyone:
            if child.final:
                self._end(child)

    def reap_late(self) -> None:
        """The group has closed: those whose stop was given up have ended too."""
        children = list(self._branch.children.values())
        self._reap_all(set(children), restarting=False)
        self._branch.lane.clear()
        for child in children:
            if child.final:
                self._end(child)

    def _waiting(self) -> Iterator[Envelope]:
        """Whoever waits for an answer of this supervisor."""
        yield from self._requests.values()
        for envelopes in self._stopping.values():
            yield from envelopes
        for signal in self._branch.lane:
            if isinstance(signal, (StartChild, StopChild)):
                yield signal.envelope

    # -- starting -----------------------------------------------------------------------

    def _adopt(self) -> None:
        """Start the children of the spec, in the cells of an earlier incarnation if there are."""
        before = dict(self._branch.children)
        self._branch.children.clear()
        for spec in self._spec.children:
            child = before.get(spec.name)
            if child is None or child.final:  # for good, but a new supervisor starts them all
                child = Cell(spec, self._cell, self._cell.core)
            self._first.add(child)
            self._add(spec.name, child)

    def _add(self, name: str, child: Cell) -> None:
        """The child comes last in start order, and is to be started now."""
        self._branch.children[name] = child
        self._starts.add(child)

    def _in_turn(self) -> bool:
        """A child is starting, and the next one waits for it."""
        return self._starting is not None and self._spec.strategy is not Strategy.DYNAMIC

    def _next_to_start(self) -> Cell | None:
        return None if self._in_turn() else self._starts.pop()

    def _spawn(self, child: Cell) -> None:
        child.begin(CancelScope())
        self._starting = child
        body = self._actor_body if child.branch is None else self._supervisor_body
        enter_group(self._group, child, body, self._hear)

    # -- signals ------------------------------------------------------------------------

    async def _obey(self, signal: Signal) -> Exception | None:
        match signal:
            case Started():
                self._on_started(signal)
            case Exited():
                return await self._on_exited(signal)
            case StartChild():
                self._on_start_child(signal)
            case StopChild(cell=child, envelope=envelope):
                await self._stop_child(child, envelope)
            case _:
                assert_never(signal)
        return None

    def _on_started(self, signal: Started) -> None:
        child = signal.cell
        if child is self._starting:
            self._starting = None
        self._first.discard(child)
        request = self._requests.pop(child, None)
        if request is not None:
            request.reply(child)
        if signal.generation > 1:
            child.core.emit(Restarted(path=child.path, generation=signal.generation))

    async def _stop_child(self, child: Cell, envelope: Envelope) -> None:
        if not child.final:
            child.final = True
            await self._stop([child])
            self._end(child)
        if child.alive:
            self._stopping.setdefault(child, []).append(envelope)
        else:
            envelope.reply()

    def _on_start_child(self, signal: StartChild) -> None:
        name = signal.spec.name
        taken = self._branch.children.get(name)
        if taken is not None and taken.state is not State.STOPPED:
            taken_error = ValueError(f"supervisor {self._cell.path!r} has a child named {name!r}")
            signal.envelope.fail(taken_error)
            return
        # One that ended for good makes room; the new one comes last in start order.
        self._branch.children.pop(name, None)
        child = Cell(signal.spec, self._cell, self._cell.core)
        self._requests[child] = signal.envelope
        self._add(name, child)

    async def _on_exited(self, exited: Exited) -> Exception | None:
        child = exited.cell
        if exited.generation != child.generation:
            return None
        if child.final:  # its stop had been given up
            self._reap(exited)
            self._end(child)
        elif child in self._overdue:  # likewise
            self._overdue.discard(child)
            self._reap(exited, restarting=True)
            self._starts.put(child, self._now())
        elif child in self._requests:
            request = self._requests.pop(child)
            self._lose(exited)
            request.fail(exited.error or ActorStopped(child.path))
        elif child in self._first and not exited.started:
            self._reap(exited)
            return self._failure(f"{child.path!r} did not start", exited)
        elif not wants_restart(child.spec.restart, exited.cause):
            self._lose(exited)
        elif is_unrecoverable(exited.error):
            self._reap(exited)
            return self._failure("no restart can mend this", exited)
        elif not self._budget.spend(self._now()):
            self._reap(exited)
            return self._give_up(exited)
        else:
            self._reap(exited, restarting=True)
            await self._restart(child, lived=exited.started)
        return None

    async def _restart(self, fallen: Cell, *, lived: bool) -> None:
        order = [c for c in self._branch.children.values() if not c.final]
        group = affected(self._spec.strategy, order, fallen)
        others = [child for child in group if child is not fallen]
        for child in others:
            child.final = child.spec.restart is Restart.TEMPORARY
        await self._stop(others, restarting=True)
        due = self._now() + self._backoff_s(fallen, lived=lived)
        for child in group:
            if child.final:
                self._end(child)
            elif child.alive:
                self._overdue.add(child)  # unstopped: no two lives at once
            else:
                self._starts.put(child, due)

    def _backoff_s(self, child: Cell, *, lived: bool) -> float:
        backoff = child.spec.backoff
        if backoff is None:
            return 0.0
        if lived and self._now() - child.up_since >= backoff.max_s:
            child.failures_in_row = 0
        child.failures_in_row += 1
        return backoff.delay_s(child.failures_in_row, child.core.entropy.random())

    # -- ends ---------------------------------------------------------------------------

    def _reap(self, exited: Exited, *, restarting: bool = False) -> None:
        """Tell the world of an end, once."""
        child = exited.cell
        if child is self._starting:
            self._starting = None
        if exited.error is not None:
            child.core.emit(
                Crashed(
                    path=child.path,
                    generation=exited.generation,
                    error=exited.error,
                    restarting=restarting and not child.final,
                )
            )
        child.tell_watchers(exited.error)

    def _lose(self, exited: Exited) -> None:
        """It ended by itself, and for good."""
        exited.cell.final = True
        self._reap(exited)
        self._end(exited.cell)

    def _end(self, child: Cell) -> None:
        """For good. Children of the spec stay to be seen in the tree; others are forgotten."""
        child.close()
        self._first.discard(child)
        self._overdue.discard(child)
        self._starts.drop(child)
        request = self._requests.pop(child, None)
        if request is not None:
            request.fail(ActorStopped(child.path))
        if child.alive:
            return  # unstopped: it is seen, and keeps its name, until it has ended
        for envelope in self._stopping.pop(child, ()):
            envelope.reply()
        if not self._in_spec(child):
            self._branch.children.pop(child.spec.name, None)

    def _in_spec(self, child: Cell) -> bool:
        return id(child.spec) in self._specs

    def _give_up(self, exited: Exited) -> EscalatedFailure:
        spec = self._spec
        event = Escalated(path=self._cell.path, restarts=spec.intensity, period_s=spec.period_s)
        self._cell.core.emit(event)
        return self._failure(f"more than {spec.intensity} restarts in {spec.period_s} s", exited)

    def _failure(self, why: str, exited: Exited) -> EscalatedFailure:
        error = exited.error
        if error is None:
            error = ActorStopped(exited.cell.path)
            error.add_note(f"{exited.cause.value}, generation {exited.generation}")
        path = self._cell.path
        return EscalatedFailure(f"supervisor {path!r} gave up: {why}", [error], path=path)

    async def _stop(self, children: Sequence[Cell], *, restarting: bool = False) -> None:
        """End the living among `children`, given in start order, and account for it."""
        living = [
            child
            for child in reversed(children)
            if child.alive and child.state is not State.UNSTOPPED
        ]
        if self._spec.strategy is Strategy.DYNAMIC and len(living) > 1:
            async with create_task_group() as group:
                for child in living:
                    group.start_soon(stop_one, child, child.spec.shutdown_s)
        else:
            for child in living:
                await stop_one(child, child.spec.shutdown_s)
        self._reap_all(set(children), restarting=restarting)

    def _reap_all(self, ended: set[Cell], *, restarting: bool) -> None:
        """Take what the lane says of the `ended` off it: none of it asks for a decision."""
        rest: list[Signal] = []
        for signal in self._branch.lane:
            if isinstance(signal, Exited) and signal.cell in ended:
                self._reap(signal, restarting=restarting)
            elif not (isinstance(signal, Started) and signal.cell in ended):
                rest.append(signal)
        self._branch.lane = deque(rest)
