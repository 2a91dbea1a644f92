"""What every part of the queue suite stands on: queues, their clock, and small handlers."""

from collections.abc import Callable
from typing import Any, ClassVar, Final, TypeVar

import anyio
import pytest

from oncue.adapters.base import QueueBase
from oncue.adapters.metadata import QueueCapability, QueueMetadata
from oncue.runtime import Clock
from oncue.stores import TaskData, TaskResult, TaskStatus

F = TypeVar("F", bound=Callable[..., Any])

LIMIT_S: Final = 30.0
"""How long anything may take that has no time of its own."""


def needs(*capabilities: QueueCapability) -> Callable[[F], F]:
    """The test is skipped for adapters that lack one of these."""

    def decorate(test: F) -> F:
        setattr(test, "needs", capabilities)  # noqa: B010
        return test

    return decorate


def new_task(task_type: str = "ok", **fields: Any) -> TaskData:
    return TaskData(task_type=task_type, **fields)


async def ok(task: TaskData) -> str:
    return "done"


async def fails(task: TaskData) -> None:
    raise ValueError(f"attempt {task.retry_count + 1}")


def failed(task: TaskData, error: str) -> TaskResult:
    """How a handler, or whoever settles by hand, says that it failed."""
    return TaskResult(task_id=task.task_id, status=TaskStatus.FAILED, error=error)


class Gate:
    """A handler whose tasks end when it is opened. It notes who began and who was cut off."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.ended: list[str] = []
        self.cut: list[str] = []
        self._opened = anyio.Event()
        self._changed = anyio.Event()

    async def __call__(self, task: TaskData) -> str:
        task_id = str(task.task_id)
        self._note(self.begun, task_id)
        try:
            await self._opened.wait()
        except anyio.get_cancelled_exc_class():
            self._note(self.cut, task_id)
            raise
        self._note(self.ended, task_id)
        return "through the gate"

    def open(self) -> None:
        """Let them all end, and those that come."""
        self._opened.set()

    async def wait_for(self, what: list[str], count: int = 1) -> None:
        """Until so many have begun, or were cut off."""
        with anyio.fail_after(LIMIT_S):
            while len(what) < count:
                self._changed = anyio.Event()
                await self._changed.wait()

    def _note(self, what: list[str], task_id: str) -> None:
        what.append(task_id)
        self._changed.set()


@pytest.mark.anyio
class QueueSuiteBase:
    """Subclass it, set `metadata`, define `make_queue`, and let pytest collect the subclass."""

    metadata: ClassVar[QueueMetadata]
    """The adapter's own; its capabilities say which tests apply."""

    def make_queue(self, clock: Clock, **settings: Any) -> QueueBase:
        """A queue that is not running yet, on a store that holds nothing."""
        raise NotImplementedError

    def make_twin(self, queue: QueueBase, clock: Clock) -> QueueBase:
        """Another queue on the same store, for adapters that keep what they hold."""
        raise NotImplementedError

    async def pass_time(self, clock: Clock, seconds: float) -> None:
        """Let so much time pass for the queue."""
        await anyio.sleep(seconds)

    @pytest.fixture(autouse=True)
    def applies(self, request: pytest.FixtureRequest) -> None:
        """Skip what the adapter does not claim to do."""
        wanted: tuple[QueueCapability, ...] = getattr(request.function, "needs", ())
        lacking = set(wanted) - self.metadata.capabilities
        if lacking:
            pytest.skip(f"the {self.metadata.name} adapter has no {', '.join(sorted(lacking))}")

    @pytest.fixture
    def queue(self, clock: Clock) -> QueueBase:
        """Not running yet, with handlers for `ok` and `fails`."""
        queue = self.make_queue(clock)
        queue.register_handler("ok", ok)
        queue.register_handler("fails", fails)
        return queue

    async def ended(self, queue: QueueBase, task: TaskData) -> TaskResult:
        """Enqueue it, and wait for its end."""
        return await queue.wait(await queue.enqueue(task), timeout=LIMIT_S)

    async def eventually(self, clock: Clock, condition: Callable[[], bool]) -> None:
        """Figures and events follow what they tell of."""
        with anyio.fail_after(LIMIT_S):
            while not condition():
                await self.pass_time(clock, 0.05)
