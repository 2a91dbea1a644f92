"""wait_until_idle returns when nothing is queued and nothing in hand, and in no time if it can."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import anyio
import pytest

from oncue.runtime import (
    Actor,
    ActorSystem,
    Backoff,
    ChildSpec,
    Envelope,
    Ref,
    Request,
    SupervisorSpec,
)
from oncue.testing import Backend, Probe, StillBusy, VirtualClock, run, wait_until_idle


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    seconds: float = 0.0


class Ask(Request[int]):
    pass


class Worker(Actor[Work]):
    def __init__(self, done: list[Work], to: Ref[Work] | None = None) -> None:
        self.done = done
        self.to = to

    async def receive(self, message: Work) -> None:
        if message.seconds < 0:
            raise ValueError("crash")
        if message.seconds:
            await anyio.sleep(message.seconds)
        if self.to is not None:
            self.to.tell_nowait(message)
        self.done.append(message)


def system_of(*children: ChildSpec[Any]) -> ActorSystem:
    return ActorSystem(SupervisorSpec("app", intensity=100, children=children))


async def test_all_that_was_sent_has_been_handled_and_no_time_has_passed(
    clock: VirtualClock,
) -> None:
    done: list[Work] = []
    async with system_of(ChildSpec("w", lambda: Worker(done))) as system:
        for _ in range(1000):
            await system.lookup("app/w").tell(Work())
        await wait_until_idle(system)
        assert len(done) == 1000
        assert clock.monotonic() == 0


async def test_what_handling_has_sent_on_is_waited_for(clock: VirtualClock) -> None:
    done: list[Work] = []
    async with system_of() as system:
        last: Ref[Work] | None = None

        def factory(to: Ref[Work] | None) -> Callable[[], Worker]:
            return lambda: Worker(done, to)

        for n in range(20):
            last = await system.start_child(ChildSpec(str(n), factory(last)))
        assert last is not None
        await last.tell(Work())
        await wait_until_idle(system)
        assert len(done) == 20
        assert clock.monotonic() == 0


async def test_time_passes_while_an_actor_sleeps_and_little_more(clock: VirtualClock) -> None:
    done: list[Work] = []
    async with system_of(ChildSpec("w", lambda: Worker(done))) as system:
        await system.lookup("app/w").tell(Work(seconds=30))
        await wait_until_idle(system)
        assert len(done) == 1
        assert 30 <= clock.monotonic() <= 30.1


async def test_a_timer_that_is_due_later_does_not_count(clock: VirtualClock) -> None:
    class Ticker(Actor[Work]):
        async def on_start(self) -> None:
            self.context.timers.every("tick", 10, Work())

        async def receive(self, message: Work) -> None: ...

    async with system_of(ChildSpec("t", Ticker)) as system:
        await wait_until_idle(system)
        assert clock.monotonic() == 0


async def test_a_restart_is_waited_for_its_back_off_included(clock: VirtualClock) -> None:
    done: list[Work] = []
    backoff = Backoff(first_s=20, max_s=20, jitter=0)
    async with system_of(ChildSpec("w", lambda: Worker(done), backoff=backoff)) as system:
        worker = system.lookup("app/w")
        await worker.tell(Work(seconds=-1))
        await wait_until_idle(system)
        assert worker.is_up
        assert 20 <= clock.monotonic() <= 20.1


async def test_an_ask_that_is_kept_for_later_is_in_hand() -> None:
    probe = Probe[Ask]()
    async with system_of(probe.child_spec()) as system, anyio.create_task_group() as group:
        group.start_soon(probe.ref.ask, Ask())
        await probe.expect(Ask)
        with pytest.raises(StillBusy, match="app/probe running, 0 queued, 1 in hand"):
            await wait_until_idle(system, within_s=1)
        probe.reply(1)
        await wait_until_idle(system)


async def test_a_batch_that_is_answered_may_be_worked_on_still(clock: VirtualClock) -> None:
    class Batch(Actor[Ask]):
        async def receive_batch(self, batch: list[Envelope]) -> None:
            for envelope in batch:
                envelope.reply(1)
            await anyio.sleep(5)

    async with system_of(ChildSpec("b", Batch)) as system:
        await system.lookup("app/b").ask(Ask())
        await wait_until_idle(system)
        assert 5 <= clock.monotonic() <= 5.1


async def test_past_its_bound_it_says_who_is_busy(clock: VirtualClock) -> None:
    done: list[Work] = []
    async with system_of(ChildSpec("w", lambda: Worker(done))) as system:
        await system.lookup("app/w").tell(Work(seconds=120))
        await system.lookup("app/w").tell(Work())
        with pytest.raises(StillBusy, match=r"still busy after 60\.0 s: app/w") as failure:
            await wait_until_idle(system)
        assert failure.value.busy == ["app/w running, 1 queued, 1 in hand, 0 handled, now Work"]
        assert clock.monotonic() == 60


async def test_actors_that_feed_each_other_for_ever_are_found_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("oncue.testing._idle.STILL_LOOKS_MAX", 1000)

    class Echo(Actor[Work]):
        async def receive(self, message: Work) -> None:
            self.ref.tell_nowait(message)

    async with system_of(ChildSpec("e", Echo)) as system:
        system.lookup("app/e").tell_nowait(Work())
        with pytest.raises(StillBusy, match="1000 trips through the event loop in no time"):
            await wait_until_idle(system)


async def test_a_system_that_does_not_run_is_refused() -> None:
    with pytest.raises(RuntimeError, match="only a system that runs"):
        await wait_until_idle(system_of())


class Figures:
    """Answers as a queue does, one answer a look."""

    def __init__(self, *looks: tuple[int, int, bool]) -> None:
        self.looks = list(looks)

    async def list_queues(self) -> list[str]:
        return ["default"]

    async def get_queue_info(self, queue_name: str = "default") -> dict[str, Any]:
        due, running, paused = self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]
        return {
            "name": queue_name,
            "pending_tasks": due,
            "processing_tasks": running,
            "paused": paused,
        }


async def test_a_queue_is_idle_when_no_task_is_due_or_running() -> None:
    queue = Figures((2, 0, False), (0, 1, False), (0, 0, False))
    await wait_until_idle(queue)
    assert queue.looks == [(0, 0, False)]


async def test_what_waits_in_a_paused_queue_does_not_count_what_runs_does() -> None:
    await wait_until_idle(Figures((2, 0, True)))
    with pytest.raises(StillBusy, match="queue 'default': 2 due, 1 running"):
        await wait_until_idle(Figures((2, 1, True)), within_s=1)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_the_memory_queue_is_such_a_queue(backend: Backend) -> None:
    from oncue import TaskData
    from oncue.adapters.memory import MemoryQueue

    clock = VirtualClock()
    ran: list[str] = []

    async def work(task: TaskData) -> None:
        await anyio.sleep(1)
        ran.append(task.task_type)

    async def main() -> None:
        queue = MemoryQueue(clock=clock)
        queue.register_handler("work", work)
        async with queue:
            for _ in range(25):
                await queue.create_task("work")
            await queue.create_task("work", delay=3600)
            await wait_until_idle(queue)
            assert len(ran) == 25
            assert clock.monotonic() < 60

    run(main, backend=backend, clock=clock)
