"""Any history of calls: the queue answers as the model does, and stands as it does, after each.

Enqueue, the same again, unique keys, delays, handlers that return, fail and time out, cancel,
pause and resume of tasks and queues, purge, dead letters, handlers that come and go, runs that
end and begin again, actors that are killed, and time.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any
from uuid import UUID

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from oncue import DuplicateTask, TaskData
from oncue.adapters.memory import MemoryQueue, MemorySettings
from oncue.runtime import ActorSystem
from oncue.testing import Backend, VirtualClock, run
from tests.actors.kit import hung, kill
from tests.flow.kit import fails, ok
from tests.flow.model import DELAYS_S, RETRY_S, TIMEOUT_S, Life, Model

TASKS_MAX = 30
KEYS = (None, None, "k", "l")

Step = tuple[str, Any]

NEW = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(["ok", "fail", "hang", "late"]),
        "queue": st.sampled_from("ab"),
        "max_retries": st.integers(0, 2),
        "delay_s": st.sampled_from(DELAYS_S),
        "key": st.sampled_from(KEYS),
    }
)
STEPS: st.SearchStrategy[Step] = st.one_of(
    st.tuples(st.just("enqueue"), NEW),
    st.tuples(
        st.sampled_from(["enqueue_again", "cancel", "pause", "resume", "requeue"]),
        st.integers(0, TASKS_MAX - 1),
    ),
    st.tuples(
        st.sampled_from(["pause_queue", "resume_queue", "purge", "purge_dead", "requeue_all"]),
        st.sampled_from("ab"),
    ),
    st.tuples(st.sampled_from(["clear", "register", "unregister", "run_again"]), st.none()),
    st.tuples(st.just("kill"), st.sampled_from(["store", "waiters", "dead-letters", "work/pool"])),
    st.tuples(st.just("advance"), st.sampled_from([1, 5, 30])),
)


class NoJitter:
    """An `Entropy` by which nothing is spread."""

    def __init__(self) -> None:
        self._number = 0

    def uuid(self) -> UUID:
        self._number += 1
        return UUID(int=self._number)

    def random(self) -> float:
        return 0.5


class History:
    """One queue and its model, and the tasks that both know."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.model = Model()
        self.tasks: list[TaskData] = []
        configured = MemorySettings(
            max_workers=TASKS_MAX + 1, shutdown_grace=0, retry_exponential_base=1
        )
        self.queue = MemoryQueue(configured, clock=clock, entropy=NoJitter())
        self.queue.register_handler("ok", ok)
        self.queue.register_handler("fail", fails)
        self.queue.register_handler("hang", hang)

    async def run(self, steps: Sequence[Step]) -> None:
        """Each step, a second of time, and a look; `run_again` ends the scope in between."""
        left: Iterator[Step] = iter(steps)
        begun_s = 0.0
        while True:
            async with hung(self.queue, self.clock, intensity=100) as system:
                begun_s = self.model.now_s - self.clock.monotonic()
                for name, about in left:
                    if name == "run_again":
                        break
                    await self.step(system, name, about)
                    self.model.settle()
                    seconds = about if name == "advance" else 2 if name == "kill" else 1
                    self.model.advance(seconds)
                    await anyio.sleep_until(self.model.now_s - begun_s)
                    await self.look()
                else:
                    return
            self.model.hand_back()

    async def step(self, system: ActorSystem, name: str, about: Any) -> None:
        """The same call to both; the same answer from both."""
        model = self.model
        if name == "enqueue":
            if len(self.tasks) < TASKS_MAX:
                await self.enqueue(self.new(about))
        elif name in {"enqueue_again", "cancel", "pause", "resume", "requeue"}:
            if not self.tasks:
                return
            number: int = about % len(self.tasks)
            if name == "enqueue_again":
                await self.enqueue(number)
                return
            call, expected = self.calls(name)
            assert await call(self.tasks[number].task_id) == expected(model.tasks[number])
        elif name == "kill":
            kill(system, f"memory/{about}")
            if about == "work/pool":
                model.hand_back()
        else:
            await self.whole(name, about)

    def calls(self, name: str) -> tuple[Callable[[UUID], Any], Callable[[Life], bool]]:
        queue, model = self.queue, self.model
        return {
            "cancel": (queue.cancel_task, model.cancel),
            "pause": (queue.pause_job, model.pause),
            "resume": (queue.resume_job, model.resume),
            "requeue": (queue.retry_dead_letter_task, model.requeue),
        }[name]

    async def whole(self, name: str, about: Any) -> None:
        """Steps about a queue, or about all."""
        queue, model = self.queue, self.model
        match name:
            case "pause_queue":
                await queue.pause_queue(about)
                model.paused.add(about)
            case "resume_queue":
                await queue.resume_queue(about)
                model.paused.discard(about)
            case "purge":
                assert await queue.purge_queue(about) == model.purge(about)
            case "purge_dead":
                assert await queue.purge_dead_letters(about) == model.purge_dead(about)
            case "requeue_all":
                assert await queue.retry_dead_letter_tasks(about) == model.requeue_all(about)
            case "clear":
                assert await queue.clear_completed_tasks() == model.clear()
            case "register":
                queue.register_handler("late", ok)
                model.handled.add("late")
            case "unregister":
                assert queue.unregister_handler("late") == ("late" in model.handled)
                model.handled.discard("late")
            case _:
                assert name == "advance"

    def new(self, about: dict[str, Any]) -> int:
        life = Life(number=len(self.tasks), **about)
        self.model.tasks.append(life)
        self.tasks.append(
            TaskData(
                task_type=life.kind,
                queue_name=life.queue,
                max_retries=life.max_retries,
                retry_delay=RETRY_S,
                timeout=TIMEOUT_S,
                delay=life.delay_s,
                unique_key=life.key,
            )
        )
        return life.number

    async def enqueue(self, number: int) -> None:
        expected = self.model.enqueue(self.model.tasks[number])
        try:
            await self.queue.enqueue(self.tasks[number])
        except DuplicateTask:
            assert expected == "duplicate"
        else:
            assert expected == "accepted"

    async def look(self) -> None:
        """Every task and both queues stand as the model says."""
        for one, life in zip(self.tasks, self.model.tasks, strict=True):
            found = await self.queue.get_task_status(one.task_id)
            stands = ("unknown", 0) if found is None else (found.status.value, found.retry_count)
            assert stands == (life.status, life.retry_count), life
        for name in "ab":
            info = await self.queue.get_queue_info(name)
            expected = self.model.info(name)
            assert {key: info[key] for key in expected} == expected, name


async def hang(task: TaskData) -> None:
    await anyio.sleep_forever()


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_any_history_goes_as_the_model_says(backend: Backend) -> None:
    @settings(
        max_examples=100,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(st.lists(STEPS, max_size=40))
    def any_history(steps: Sequence[Step]) -> None:
        clock = VirtualClock()
        run(History(clock).run, steps, backend=backend, clock=clock)

    any_history()
