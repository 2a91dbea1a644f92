"""The queue suite, in part: how a queue runs and ends, its handlers, and pulling by hand."""

from collections.abc import Awaitable, Callable

import anyio
import pytest

from oncue.actors import QueueNotRunning, RateLimitExceeded
from oncue.adapters.base import QueueBase
from oncue.adapters.metadata import QueueCapability
from oncue.runtime import ActorSystem, Clock, SupervisorSpec
from oncue.stores import TaskData, TaskStatus

from ._queue_suite_base import LIMIT_S, Gate, QueueSuiteBase, failed, needs, new_task, ok


class LifeTests(QueueSuiteBase):
    """How a queue runs and ends, its handlers, and pulling by hand."""

    # --- running ---------------------------------------------------------------------------

    async def test_it_is_described_by_its_metadata(self, queue: QueueBase) -> None:
        assert queue.name == self.metadata.name
        assert QueueCapability.BASIC in self.metadata.capabilities
        assert queue.scheduler_running is False, "nothing is fired before it runs"

    async def test_it_runs_in_a_block_and_again_but_never_twice_at_once(
        self, queue: QueueBase
    ) -> None:
        for _ in range(2):
            assert not queue.running
            async with queue as entered:
                assert entered is queue
                assert queue.running
                await self.ended(queue, new_task())
                with pytest.raises(RuntimeError):
                    async with queue:
                        pass
                await self.ended(queue, new_task())

    async def test_it_runs_in_a_task_group_until_that_is_cancelled(self, queue: QueueBase) -> None:
        async with anyio.create_task_group() as group:
            assert await group.start(queue.run) is queue
            await self.ended(queue, new_task())
            group.cancel_scope.cancel()
        assert not queue.running

    async def test_it_runs_under_somebodys_own_supervisor(
        self, queue: QueueBase, clock: Clock
    ) -> None:
        spec = SupervisorSpec("app", children=[queue.child_spec()])
        assert queue.name in str(spec.tree()), "its tree can be seen before it runs"
        async with ActorSystem(spec, clock=clock):
            await self.ended(queue, new_task())
        assert not queue.running

    async def test_outside_its_scope_every_call_says_how_to_run_it(self, queue: QueueBase) -> None:
        """Before it has run, and after."""
        await self._is_refused(queue)
        async with queue:
            pass
        await self._is_refused(queue)

    async def _is_refused(self, queue: QueueBase) -> None:
        one = new_task()
        calls: list[Callable[[], Awaitable[object]]] = [
            lambda: queue.enqueue(one),
            lambda: queue.enqueue_many([one]),
            lambda: queue.create_task("ok"),
            lambda: queue.dequeue(),
            lambda: queue.settle(one),
            lambda: queue.get_task_status(one.task_id),
            lambda: queue.wait(one.task_id),
            lambda: queue.cancel_task(one.task_id),
            lambda: queue.pause_job(one.task_id),
            lambda: queue.resume_job(one.task_id),
            lambda: queue.get_job(one.task_id),
            lambda: queue.get_jobs(),
            lambda: queue.get_queue_info(),
            lambda: queue.list_queues(),
            lambda: queue.pause_queue(),
            lambda: queue.resume_queue(),
            lambda: queue.purge_queue(),
            lambda: queue.get_dead_letter_tasks(),
            lambda: queue.retry_dead_letter_task(one.task_id),
            lambda: queue.retry_dead_letter_tasks(),
            lambda: queue.purge_dead_letters(),
            lambda: queue.clear_completed_tasks(),
        ]
        for call in calls:
            with pytest.raises(QueueNotRunning, match="async with queue"):
                await call()

    # --- ending ----------------------------------------------------------------------------

    async def test_leaving_lets_what_runs_end_and_starts_nothing_more(self, clock: Clock) -> None:
        """D2.6."""
        queue = self.make_queue(clock, max_workers=1)
        gate = Gate()
        queue.register_handler("gate", gate)
        first, second = new_task("gate"), new_task("gate")
        async with anyio.create_task_group() as group, queue:
            await queue.enqueue_many([first, second])
            await gate.wait_for(gate.begun)

            async def open_later() -> None:
                await self.pass_time(clock, 0.2)
                gate.open()

            group.start_soon(open_later)
        assert gate.begun == gate.ended == [str(first.task_id)]
        async with queue:
            assert (await queue.wait(first.task_id)).status is TaskStatus.COMPLETED
            assert (await queue.wait(second.task_id, timeout=LIMIT_S)).retry_count == 0

    async def test_what_outlasts_the_grace_is_cancelled_and_handed_back(self, clock: Clock) -> None:
        """D1.5, D2.6. And that is no attempt."""
        queue = self.make_queue(clock, shutdown_grace=0.1)
        gate = Gate()
        queue.register_handler("gate", gate)
        async with queue:
            task_id = await queue.enqueue(new_task("gate"))
            await gate.wait_for(gate.begun)
        assert (gate.cut, gate.ended) == ([task_id], [])
        queue.register_handler("gate", ok)
        async with queue:
            result = await queue.wait(task_id, timeout=LIMIT_S)
            assert (result.status, result.retry_count) == (TaskStatus.COMPLETED, 0)

    async def test_a_handler_may_enqueue_while_the_queue_drains(self, clock: Clock) -> None:
        queue = self.make_queue(clock)
        begun, children = anyio.Event(), list[str]()

        async def parent(task: TaskData) -> None:
            begun.set()
            await self.pass_time(clock, 0.2)
            children.append(await queue.create_task("ok"))

        queue.register_handler("parent", parent)
        async with queue:
            await queue.enqueue(new_task("parent"))
            await begun.wait()
        queue.register_handler("ok", ok)
        async with queue:
            assert (await queue.wait(children[0], timeout=LIMIT_S)).result == "done"

    @needs(QueueCapability.PERSISTENCE)
    async def test_what_it_holds_outlives_it(self, queue: QueueBase, clock: Clock) -> None:
        """Tasks, results, dead letters and pauses."""
        async with queue:
            done = await self.ended(queue, new_task())
            dead = await self.ended(queue, new_task("fails", max_retries=0))
            waits = await queue.enqueue(new_task("later", payload={"n": 1}))
            await queue.pause_queue("held")
        twin = self.make_twin(queue, clock)
        async with twin:
            assert await twin.get_task_status(done.task_id) == done
            [(_, letter)] = await twin.get_dead_letter_tasks()
            assert letter == dead
            assert (await twin.get_queue_info("held"))["paused"]
            job = await twin.get_job(waits)
            assert job is not None
            assert job.task.payload == {"n": 1}
            twin.register_handler("later", ok)
            assert (await twin.wait(waits, timeout=LIMIT_S)).result == "done"

    # --- handlers --------------------------------------------------------------------------

    async def test_handlers_come_and_go(self, queue: QueueBase) -> None:
        """Outside the scope too; what is unregistered is not claimed any more."""
        assert sorted(queue.list_handlers()) == ["fails", "ok"]
        assert queue.unregister_handler("fails")
        assert not queue.unregister_handler("fails")
        assert queue.get_handler("fails") is None
        assert queue.get_handler("ok") is not None
        async with queue:
            waits = await queue.enqueue(new_task("fails"))
            await self.ended(queue, new_task())
            status = await queue.get_task_status(waits)
            assert status is not None
            assert status.status is TaskStatus.PENDING
            queue.register_handler("fails", ok)
            assert (await queue.wait(waits, timeout=LIMIT_S)).result == "done"

    async def test_a_plain_function_is_a_handler_too(self, queue: QueueBase) -> None:
        def plain(task: TaskData) -> str:
            return f"plain {task.payload['n']}"

        queue.register_handler("plain", plain)
        async with queue:
            result = await self.ended(queue, new_task("plain", payload={"n": 1}))
            assert result.result == "plain 1"

    @needs(QueueCapability.WORKER_POOLS)
    async def test_no_more_handlers_run_at_once_than_there_are_workers(self, clock: Clock) -> None:
        """Over all queues; and as many as there are do."""
        queue = self.make_queue(clock, max_workers=2)
        gate = Gate()
        queue.register_handler("gate", gate)
        async with queue:
            ids = [await queue.enqueue(new_task("gate", queue_name="ab"[n % 2])) for n in range(4)]
            await gate.wait_for(gate.begun, 2)
            await self.pass_time(clock, 0.2)
            assert len(gate.begun) == 2
            gate.open()
            for task_id in ids:
                await queue.wait(task_id, timeout=LIMIT_S)

    @needs(QueueCapability.RATE_LIMITING)
    async def test_a_rate_allows_a_burst_and_then_no_more(self, clock: Clock) -> None:
        """What is refused is not stored; other queues have rates of their own."""
        queue = self.make_queue(clock, enable_rate_limiting=True, rate_limit_per_second=0.01)
        async with queue:
            await queue.enqueue(new_task("nobody's"))
            with pytest.raises(RateLimitExceeded, match="rate_limit_per_second"):
                await queue.enqueue(new_task("nobody's"))
            assert (await queue.get_queue_info())["job_count"] == 1
            await queue.enqueue(new_task("nobody's", queue_name="other"))

    # --- by hand ---------------------------------------------------------------------------

    async def test_a_pulled_task_is_yours_until_you_settle_it(self, queue: QueueBase) -> None:
        async with queue:
            task_id = await queue.enqueue(new_task("by hand", payload={"n": 1}))
            pulled = await queue.dequeue()
            assert pulled is not None
            assert (str(pulled.task_id), pulled.payload) == (task_id, {"n": 1})
            assert await queue.dequeue() is None
            assert await queue.settle(pulled, {"answer": 42})
            result = await queue.wait(task_id, timeout=LIMIT_S)
            assert (result.status, result.result) == (TaskStatus.COMPLETED, {"answer": 42})
            assert not await queue.settle(pulled, "again"), "it is not yours any more"

    @needs(QueueCapability.PRIORITY)
    async def test_the_highest_priority_is_pulled_first_and_a_queue_can_be_named(
        self, queue: QueueBase
    ) -> None:
        async with queue:
            await queue.enqueue(new_task("by hand", queue_name="a"))
            await queue.enqueue(new_task("by hand", queue_name="b"))
            urgent = await queue.enqueue(new_task("by hand", queue_name="b", priority=20))
            pulled = await queue.dequeue("b")
            assert pulled is not None
            assert str(pulled.task_id) == urgent
            assert await queue.dequeue("none such") is None

    async def test_what_is_not_settled_goes_back_after_its_timeout(
        self, queue: QueueBase, clock: Clock
    ) -> None:
        """A settlement that comes then is refused, and the pull was no attempt."""
        async with queue:
            await queue.enqueue(new_task("by hand", timeout=0.3))
            first = await queue.dequeue()
            assert first is not None
            with anyio.fail_after(LIMIT_S):
                while (second := await queue.dequeue()) is None:
                    await self.pass_time(clock, 0.05)
            assert (second.task_id, second.retry_count) == (first.task_id, 0)
            assert await queue.settle(second)
            assert not await queue.settle(first)

    @needs(QueueCapability.RETRY)
    async def test_a_failure_by_hand_is_retried_like_a_handlers(self, queue: QueueBase) -> None:
        async with queue:
            one = new_task("by hand", max_retries=1, retry_delay=0)
            await queue.enqueue(one)
            for expected in (TaskStatus.RETRYING, TaskStatus.DEAD_LETTER):
                pulled = await queue.dequeue()
                assert pulled is not None
                assert await queue.settle(pulled, failed(pulled, "no good"))
                status = await queue.get_task_status(one.task_id)
                assert status is not None
                assert (status.status, status.error) == (expected, "no good")

    async def test_what_is_in_hand_when_the_queue_stops_is_put_back(self, queue: QueueBase) -> None:
        async with queue:
            await queue.enqueue(new_task("by hand"))
            assert await queue.dequeue() is not None
        async with queue:
            again = await queue.dequeue()
            assert again is not None
            assert again.retry_count == 0
