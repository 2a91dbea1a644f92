"""The pool: who runs what, when, and that nothing is lost with it."""

from collections.abc import Callable
from typing import Any

import anyio
import pytest

from oncue import TaskData, TaskPriority, TaskStatus
from oncue.actors.pool import Pool
from oncue.runtime import ActorSystem
from oncue.stores import Exchanged, encode_task
from oncue.testing import VirtualClock
from tests.actors.kit import HookedQueue, crash, hung, kill
from tests.flow.kit import make_queue, ok, settled, task


class Recorder:
    """A handler that notes who begins when, and takes as long as the payload says."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.begun: list[tuple[Any, float]] = []
        self.ended: list[Any] = []
        self.running = 0
        self.running_max = 0

    async def __call__(self, task: TaskData) -> None:
        name = task.payload.get("name")
        self.begun.append((name, self.clock.monotonic()))
        self.running += 1
        self.running_max = max(self.running_max, self.running)
        try:
            await anyio.sleep(task.payload.get("takes", 0))
            self.ended.append(name)
        finally:
            self.running -= 1

    @property
    def names(self) -> list[Any]:
        return [name for name, _ in self.begun]


def named(name: Any, takes: float = 0, **fields: Any) -> TaskData:
    return task("noted", payload={"name": name, "takes": takes}, **fields)


async def test_no_more_handlers_run_at_once_than_there_are_workers(clock: VirtualClock) -> None:
    """Over all queues; and as many as there are do."""
    queue = make_queue(clock, max_workers=3)
    noted = Recorder(clock)
    queue.register_handler("noted", noted)
    async with queue:
        await queue.enqueue_many([named(n, 1, queue_name="ab"[n % 2]) for n in range(10)])
        await settled(queue)
    assert noted.running_max == 3
    assert clock.monotonic() == pytest.approx(4, abs=0.1)


async def test_higher_priority_runs_first_and_equal_priority_in_order(clock: VirtualClock) -> None:
    queue = make_queue(clock, max_workers=1)
    noted = Recorder(clock)
    order = [
        named("low", priority=TaskPriority.LOW),
        named("normal 1"),
        named("critical", priority=TaskPriority.CRITICAL),
        named("normal 2"),
        named("high", priority=TaskPriority.HIGH),
    ]
    async with queue:
        await queue.enqueue_many(order)
        queue.register_handler("noted", noted)
        await settled(queue)
    assert noted.names == ["critical", "high", "normal 1", "normal 2", "low"]


async def test_a_full_queue_does_not_starve_another(clock: VirtualClock) -> None:
    """Queues take turns."""
    queue = make_queue(clock, max_workers=1)
    noted = Recorder(clock)
    queue.register_handler("noted", noted)
    async with queue:
        await queue.enqueue_many([named("a", 1, queue_name="a") for _ in range(20)])
        await queue.enqueue_many([named("b", 1, queue_name="b") for _ in range(5)])
        await settled(queue)
    assert noted.names[:10].count("b") >= 4


async def test_a_pool_uses_no_more_leases_than_it_claims_tasks(clock: VirtualClock) -> None:
    """It asks for as many as it has room for, at each look; an incarnation's numbers must last."""
    queue = HookedQueue(clock, max_workers=100)
    leases: list[int] = []

    async def after(call: str, answer: Any) -> None:
        if call == "exchange":
            leases.extend(task.lease for task in answer.claimed)

    queue.store.after = after
    queue.register_handler("noted", Recorder(clock))
    async with queue:
        for n in range(20):
            await queue.wait(await queue.enqueue(named(n, 1)), 60)
    assert leases == list(range(leases[0], leases[0] + 20))


async def test_a_delayed_task_runs_when_it_is_due(clock: VirtualClock) -> None:
    """Not before, and not a poll later."""
    queue = make_queue(clock, poll_interval=10)
    noted = Recorder(clock)
    queue.register_handler("noted", noted)
    async with queue:
        await queue.enqueue_many([named(n, delay=n) for n in (25.5, 3.25, 0.125)])
        await queue.enqueue(named(0))
        await settled(queue)
    assert noted.names == [0, 0.125, 3.25, 25.5]
    assert [at_s for _, at_s in noted.begun] == pytest.approx(noted.names, abs=0.001)


@pytest.mark.parametrize("delay", [0, 0.5])
async def test_a_retry_runs_when_it_is_due(clock: VirtualClock, delay: float) -> None:
    """Not before, and not a poll later."""
    queue = make_queue(clock, poll_interval=10, retry_exponential_base=1)
    begun: list[float] = []

    async def notes(task: TaskData) -> None:
        begun.append(clock.monotonic())
        raise ValueError("no")

    queue.register_handler("notes", notes)
    async with queue:
        await queue.wait(await queue.enqueue(task("notes", max_retries=3, retry_delay=delay)))
    # Give or take ten percent each.
    assert begun == pytest.approx([n * delay for n in range(4)], rel=0.1, abs=0.01)


async def test_what_ended_is_recorded_at_once_while_all_workers_are_busy(
    clock: VirtualClock,
) -> None:
    """A settlement never waits for a claim."""
    queue = make_queue(clock, max_workers=2, poll_interval=100)
    queue.register_handler("noted", Recorder(clock))
    async with queue:
        quick, _ = await queue.enqueue_many([named("quick", 1), named("slow", 50)])
        await anyio.sleep(0.5)
        await queue.pause_queue()
        await queue.wait(quick)
        assert clock.monotonic() == pytest.approx(1, abs=0.01)


async def test_a_lost_hint_costs_no_more_than_the_poll(clock: VirtualClock) -> None:
    """The pool looks around by itself."""
    queue = HookedQueue(clock, poll_interval=2)
    queue.register_handler("ok", ok)
    async with queue:
        await anyio.sleep(0.5)
        one = task()
        await queue.store.add([encode_task(one)])  # past the queue's actor
        await queue.wait(one.task_id)
    assert clock.monotonic() <= 2.01


async def test_a_type_without_a_handler_waits_and_blocks_nobody(clock: VirtualClock) -> None:
    queue = make_queue(clock)
    queue.register_handler("ok", ok)
    async with queue:
        strange, known = await queue.enqueue_many([task("strange", priority=20), task()])
        assert (await queue.wait(known)).status is TaskStatus.COMPLETED
        status = await queue.get_task_status(strange)
        assert status is not None
        assert (status.status, status.started_at) == (TaskStatus.PENDING, None)
        queue.register_handler("strange", ok)
        assert (await queue.wait(strange)).status is TaskStatus.COMPLETED


async def test_only_the_queues_of_the_settings_are_worked(clock: VirtualClock) -> None:
    queue = make_queue(clock, queues=frozenset({"mine"}))
    queue.register_handler("ok", ok)
    async with queue:
        await queue.enqueue(task(queue_name="theirs"))
        mine = await queue.enqueue(task(queue_name="mine"))
        assert (await queue.wait(mine)).status is TaskStatus.COMPLETED
        await anyio.sleep(10)
        assert (await queue.get_queue_info("theirs"))["pending_tasks"] == 1


async def test_a_paused_queue_starts_nothing_and_what_runs_runs_on(clock: VirtualClock) -> None:
    queue = make_queue(clock, max_workers=1)
    noted = Recorder(clock)
    queue.register_handler("noted", noted)
    async with queue:
        first, second = await queue.enqueue_many([named("first", 5), named("second")])
        await anyio.sleep(1)
        await queue.pause_queue()
        assert (await queue.get_queue_info())["paused"]
        assert (await queue.wait(first)).status is TaskStatus.COMPLETED
        await anyio.sleep(100)
        assert noted.names == ["first"]
        await queue.resume_queue()
        assert (await queue.wait(second, 0.5)).status is TaskStatus.COMPLETED


async def test_a_paused_task_is_passed_over_until_it_is_resumed(clock: VirtualClock) -> None:
    queue = make_queue(clock)
    noted = Recorder(clock)
    async with queue:
        first, second = await queue.enqueue_many([named("first"), named("second")])
        assert await queue.pause_job(first)
        assert not await queue.pause_job(first)
        queue.register_handler("noted", noted)
        await queue.wait(second)
        await anyio.sleep(100)
        assert noted.names == ["second"]
        assert await queue.resume_job(first)
        assert not await queue.resume_job(first)
        assert (await queue.wait(first, 0.5)).status is TaskStatus.COMPLETED


async def test_a_cancelled_task_that_waits_never_runs(clock: VirtualClock) -> None:
    """Also when a worker has it in hand behind a slow one."""
    queue = make_queue(clock, max_workers=1)
    noted = Recorder(clock)
    queue.register_handler("noted", noted)
    async with queue:
        await queue.enqueue_many([named(n) for n in range(500)])  # short ones: hands are large
        await settled(queue)
        slow, waits = await queue.enqueue_many([named("slow", 5), named("waits")])
        await clock.wait_all_tasks_blocked()
        assert await queue.cancel_task(waits)
        assert (await queue.wait(waits)).status is TaskStatus.CANCELLED
        assert (await queue.wait(slow)).status is TaskStatus.COMPLETED
        assert not await queue.cancel_task(waits)
        await anyio.sleep(5)
    assert "waits" not in noted.names


async def test_a_cancelled_task_that_runs_is_cut_off_and_its_worker_lives(
    clock: VirtualClock,
) -> None:
    queue = make_queue(clock, max_workers=1)
    noted = Recorder(clock)
    queue.register_handler("noted", noted)
    async with hung(queue, clock) as system:
        task_id = await queue.enqueue(named("slow", 50))
        await anyio.sleep(1)
        assert await queue.cancel_task(task_id)
        assert (await queue.wait(task_id)).status is TaskStatus.CANCELLED
        await clock.wait_all_tasks_blocked()
        assert (noted.running, noted.ended) == (0, [])
        await queue.wait(await queue.enqueue(named("next")))
        assert noted.ended == ["next"]
        assert sum(node.restarts for node in system.tree().walk()) == 0


async def test_what_waits_behind_a_slow_handler_is_given_to_others(clock: VirtualClock) -> None:
    """Short handlers are handed out by the handful; one that turns out slow keeps nobody."""
    queue = make_queue(clock, max_workers=2)
    noted = Recorder(clock)
    queue.register_handler("noted", noted)
    async with queue:
        await queue.enqueue_many([named(n) for n in range(500)])
        await settled(queue)
        before = clock.monotonic()
        await queue.enqueue(named("slow", 30))
        ids = await queue.enqueue_many([named("quick") for _ in range(10)])
        for task_id in ids:
            await queue.wait(task_id)
        assert clock.monotonic() - before < 0.1


async def test_slow_ones_in_one_hand_soon_run_side_by_side(clock: VirtualClock) -> None:
    """After the first recall they are handed out one by one."""
    queue = make_queue(clock, max_workers=10)
    noted = Recorder(clock)
    queue.register_handler("noted", noted)
    async with queue:
        await queue.enqueue_many([named(n) for n in range(1000)])
        await settled(queue)
        before = clock.monotonic()
        await queue.enqueue_many([named("slow", 30) for _ in range(10)])
        await anyio.sleep(1)
        assert noted.running == 10
        assert noted.begun[-1][1] - before < 0.05


@pytest.mark.parametrize("die", [kill, crash])
async def test_a_pool_that_dies_hands_back_what_ran(
    clock: VirtualClock, die: Callable[[ActorSystem, str], None]
) -> None:
    """It is cancelled, runs again, and that is no attempt."""
    queue = make_queue(clock, max_workers=4)
    noted = Recorder(clock)
    queue.register_handler("noted", noted)
    async with hung(queue, clock) as system:
        ids = await queue.enqueue_many([named(n, 3, max_retries=0) for n in range(8)])
        await anyio.sleep(1)
        die(system, "work/pool")
        results = [await queue.wait(task_id, 60) for task_id in ids]
    assert {(result.status, result.retry_count) for result in results} == {
        (TaskStatus.COMPLETED, 0)
    }
    assert noted.running_max == 4
    assert sorted(noted.ended) == list(range(8))


async def test_a_pool_that_dies_between_claim_and_start_loses_nothing(clock: VirtualClock) -> None:
    queue = HookedQueue(clock)
    queue.register_handler("ok", ok)
    killed: list[int] = []
    async with hung(queue, clock) as system:

        async def die(call: str, answer: Any) -> None:
            if isinstance(answer, Exchanged) and answer.claimed and not killed:
                killed.append(len(answer.claimed))
                kill(system, "work/pool")

        queue.store.after = die
        task_id = await queue.enqueue(task(max_retries=0))
        assert (await queue.wait(task_id, 60)).status is TaskStatus.COMPLETED
        assert killed == [1]


async def test_the_late_settlement_of_a_former_owner_is_refused(clock: VirtualClock) -> None:
    """The same id, in its next life and in other hands: the lease tells them apart."""
    queue = make_queue(clock)
    noted = Recorder(clock)
    async with queue:
        one = named("one", 5)
        await queue.enqueue(one)
        mine = await queue.dequeue()
        assert mine is not None
        assert await queue.cancel_task(one.task_id)
        assert await queue.clear_completed_tasks() == 1
        queue.register_handler("noted", noted)
        await queue.enqueue(one)
        await anyio.sleep(1)
        assert noted.running == 1
        assert not await queue.settle(mine, "mine, all the same")
        assert (await queue.wait(one.task_id, 60)).result is None
        assert len(noted.ended) == 1


async def test_purging_removes_what_waits_and_leaves_what_runs(clock: VirtualClock) -> None:
    queue = make_queue(clock, max_workers=1)
    noted = Recorder(clock)
    queue.register_handler("noted", noted)
    async with queue:
        running, *_ = await queue.enqueue_many([named(n, 2) for n in range(3)])
        await queue.enqueue(named("delayed", delay=100))
        await queue.enqueue(named("elsewhere", queue_name="other"))
        await anyio.sleep(1)
        assert await queue.purge_queue() == 3
        assert (await queue.wait(running)).status is TaskStatus.COMPLETED
        await anyio.sleep(200)
    assert noted.ended == [0, "elsewhere"]


async def test_names_of_queues_that_hold_nothing_for_it_are_not_kept(
    clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither without handlers, nor while every worker is busy."""
    pools: list[Pool] = []

    class Seen(Pool):
        def __init__(self, **parts: Any) -> None:
            super().__init__(**parts)
            pools.append(self)

    monkeypatch.setattr("oncue.actors.graph.Pool", Seen)

    def kept() -> int:
        return len(getattr(pools[0], "_hints"))  # noqa: B009

    async with make_queue(clock, max_workers=1, shutdown_grace=0) as queue:

        async def come_and_go() -> None:
            for number in range(100):
                name = f"made up {number}"
                await queue.create_task("ok", queue_name=name)
                await clock.wait_all_tasks_blocked()
                assert await queue.purge_queue(name) == 1
            await anyio.sleep(5)

        await come_and_go()
        assert kept() == 0
        noted = Recorder(clock)
        queue.register_handler("noted", noted)
        await queue.enqueue(named("long", 1000))
        await come_and_go()
        assert kept() <= 1
        late = await queue.create_task("ok", queue_name="late")
        queue.register_handler("ok", ok)
        await anyio.sleep(1000)
        assert (await queue.wait(late)).status is TaskStatus.COMPLETED
