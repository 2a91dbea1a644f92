"""The queue suite, in part: failures, retries, dead letters and their new lives."""

from typing import Any
from uuid import uuid4

import anyio
import pytest
from pydantic import BaseModel

from oncue.actors import TaskHandler
from oncue.adapters.base import QueueBase
from oncue.adapters.metadata import QueueCapability
from oncue.runtime import Clock
from oncue.stores import TaskData, TaskResult, TaskStatus

from ._queue_suite_base import LIMIT_S, Gate, QueueSuiteBase, failed, fails, needs, new_task, ok


class Mail(BaseModel):
    """A typed payload."""

    to: str


class Hooked(TaskHandler):
    """Notes what its hooks are told; on_failure forbids the retry."""

    def __init__(self) -> None:
        self.told: list[object] = []

    async def handle(self, task: TaskData) -> int:
        if task.payload.get("bad"):
            raise ValueError("bad")
        return 7

    async def on_success(self, task: TaskData, result: TaskResult) -> None:
        self.told.append(result.result)

    async def on_failure(self, task: TaskData, error: Exception) -> bool:
        self.told.append(str(error))
        return False


class FailureTests(QueueSuiteBase):
    """Failures, retries, dead letters and their new lives."""

    # --- failures --------------------------------------------------------------------------

    async def test_raising_returning_failed_and_a_timeout_are_failures(
        self, queue: QueueBase
    ) -> None:
        """The error is kept; what timed out is cancelled."""
        gate = Gate()

        async def says_so(task: TaskData) -> TaskResult:
            return failed(task, "says so")

        queue.register_handler("says so", says_so)
        queue.register_handler("gate", gate)
        async with queue:
            for task_type, error in (
                ("fails", "ValueError: attempt 1"),
                ("says so", "says so"),
                ("gate", "timeout of 0.1 s"),
            ):
                result = await self.ended(queue, new_task(task_type, max_retries=0, timeout=0.1))
                assert result.status is TaskStatus.DEAD_LETTER
                assert error in (result.error or "")
            await gate.wait_for(gate.cut)

    async def test_a_payload_that_does_not_fit_is_a_dead_letter_at_once(
        self, queue: QueueBase
    ) -> None:
        async def send(mail: Mail) -> str:
            return f"to {mail.to}"

        queue.register_handler("send", send)
        async with queue:
            good = await self.ended(queue, new_task("send", payload={"to": "ada"}))
            assert good.result == "to ada"
            bad = await self.ended(queue, new_task("send", max_retries=9))
            assert (bad.status, bad.retry_count) == (TaskStatus.DEAD_LETTER, 0)
            assert "to: Field required" in (bad.error or "")

    async def test_hooks_are_told_and_on_failure_may_forbid_the_retry(
        self, queue: QueueBase
    ) -> None:
        handler = Hooked()
        queue.register_handler("hooked", handler)
        async with queue:
            assert (await self.ended(queue, new_task("hooked"))).result == 7
            bad = await self.ended(queue, new_task("hooked", payload={"bad": 1}, max_retries=9))
            assert (bad.status, bad.retry_count) == (TaskStatus.DEAD_LETTER, 0)
        assert handler.told == [7, "bad"]

    # --- retries ---------------------------------------------------------------------------

    @needs(QueueCapability.RETRY)
    @pytest.mark.parametrize("retries", [0, 2])
    async def test_a_failing_task_is_retried_so_often_and_then_ends_once(
        self, queue: QueueBase, clock: Clock, retries: int
    ) -> None:
        """D2.3."""
        attempts: list[int] = []

        async def counted(task: TaskData) -> None:
            attempts.append(task.retry_count)
            raise ValueError("no")

        queue.register_handler("counted", counted)
        async with queue:
            one = new_task("counted", max_retries=retries, retry_delay=0.02)
            result = await self.ended(queue, one)
            assert (result.status, result.retry_count) == (TaskStatus.DEAD_LETTER, retries)
            await self.pass_time(clock, 0.3)
            assert len(await queue.get_dead_letter_tasks()) == 1
        assert attempts == list(range(retries + 1))

    @needs(QueueCapability.RETRY)
    async def test_a_retry_waits_longer_each_time_and_may_succeed(
        self, queue: QueueBase, clock: Clock
    ) -> None:
        """`retry_delay` times 2 to the power of the attempt, give or take a little."""
        begun: list[float] = []

        async def third_time_lucky(task: TaskData) -> str:
            begun.append(clock.monotonic())
            if task.retry_count < 2:
                raise ValueError(f"attempt {task.retry_count + 1}")
            return "at last"

        queue.register_handler("lucky", third_time_lucky)
        async with queue:
            result = await self.ended(queue, new_task("lucky", retry_delay=0.1))
            assert (result.status, result.retry_count) == (TaskStatus.COMPLETED, 2)
            assert (result.result, result.error) == ("at last", None)
        assert begun[1] - begun[0] > 0.08
        assert begun[2] - begun[1] > 0.16

    @needs(QueueCapability.RETRY)
    async def test_while_it_waits_for_its_retry_it_says_so(self, queue: QueueBase) -> None:
        gate = Gate()

        async def signals(task: TaskData) -> None:
            await gate(task)
            raise ValueError("no")

        queue.register_handler("signals", signals)
        gate.open()
        async with queue:
            task_id = await queue.enqueue(new_task("signals", retry_delay=100))
            with anyio.fail_after(LIMIT_S):
                while True:
                    status = await queue.get_task_status(task_id)
                    assert status is not None
                    if status.status is TaskStatus.RETRYING:
                        break
                    await anyio.sleep(0.01)
            assert (status.error, status.retry_count) == ("ValueError: no", 1)
            assert status.next_retry_at is not None
            assert (await queue.get_queue_info())["delayed_tasks"] == 1

    # --- dead letters ----------------------------------------------------------------------

    async def _die(self, queue: QueueBase, count: int = 1, **fields: Any) -> list[str]:
        """Tasks that have died, the oldest first."""
        ids: list[str] = []
        for _ in range(count):
            result = await self.ended(queue, new_task("fails", max_retries=0, **fields))
            ids.append(str(result.task_id))
        return ids

    @needs(QueueCapability.DEAD_LETTER)
    async def test_dead_letters_are_listed_newest_first_with_task_and_error(
        self, queue: QueueBase
    ) -> None:
        async with queue:
            ids = await self._die(queue, 2, payload={"n": 1})
            [other] = await self._die(queue, queue_name="other")
            found = await queue.get_dead_letter_tasks()
            assert [str(task.task_id) for task, _ in found] == [other, *reversed(ids)]
            [(task, result)] = await queue.get_dead_letter_tasks("default", limit=1)
            assert (str(task.task_id), task.payload, task.task_type) == (ids[1], {"n": 1}, "fails")
            assert (result.status, result.error) == (
                TaskStatus.DEAD_LETTER,
                "ValueError: attempt 1",
            )
            assert (await queue.get_queue_info())["dead_letter_tasks"] == 2
            assert await queue.get_job(ids[1]) is None, "it has ended"
            found_alone = await queue.get_dead_letter_task(ids[1])
            assert found_alone == (task, result)
            assert await queue.get_dead_letter_task(uuid4()) is None

    @needs(QueueCapability.DEAD_LETTER)
    async def test_a_retried_dead_letter_keeps_its_id_and_counts_anew(
        self, queue: QueueBase
    ) -> None:
        """A wait that comes then is for the new life."""
        gate = Gate()
        async with queue:
            task_id = str(
                (await self.ended(queue, new_task("fails", max_retries=1, retry_delay=0))).task_id
            )
            queue.register_handler("fails", gate)
            assert await queue.retry_dead_letter_task(task_id)
            assert not await queue.retry_dead_letter_task(task_id), "it is none any more"
            await gate.wait_for(gate.begun)
            gate.open()
            result = await queue.wait(task_id, timeout=LIMIT_S)
            assert (result.result, result.retry_count) == ("through the gate", 0)
            assert await queue.get_dead_letter_tasks() == []

    @needs(QueueCapability.DEAD_LETTER)
    async def test_a_new_life_is_refused_where_its_unique_key_is_taken(
        self, queue: QueueBase
    ) -> None:
        async with queue:
            [task_id] = await self._die(queue, unique_key="k")
            live = await queue.enqueue(new_task("later", unique_key="k"))
            assert not await queue.retry_dead_letter_task(task_id)
            assert await queue.retry_dead_letter_tasks() == 0
            assert await queue.cancel_task(live)
            assert await queue.retry_dead_letter_task(task_id)

    @needs(QueueCapability.DEAD_LETTER)
    async def test_dead_letters_are_retried_in_bulk_by_queue(self, queue: QueueBase) -> None:
        async with queue:
            ids = await self._die(queue, 3)
            await self._die(queue, queue_name="other")
            queue.register_handler("fails", ok)
            assert await queue.retry_dead_letter_tasks("default") == 3
            for task_id in ids:
                assert (await queue.wait(task_id, timeout=LIMIT_S)).result == "done"
            assert len(await queue.get_dead_letter_tasks()) == 1
            queue.register_handler("fails", fails)

    @needs(QueueCapability.DEAD_LETTER)
    async def test_dead_letters_are_purged_by_queue_and_by_age(self, queue: QueueBase) -> None:
        async with queue:
            await self._die(queue, 2)
            await self._die(queue, queue_name="other")
            assert await queue.purge_dead_letters(older_than=3600) == 0
            assert await queue.purge_dead_letters("other") == 1
            assert await queue.purge_dead_letters() == 2
            assert await queue.get_dead_letter_tasks() == []

    async def test_completed_tasks_are_forgotten_on_demand(self, queue: QueueBase) -> None:
        """What lives or is dead stays."""
        async with queue:
            done = await self.ended(queue, new_task())
            [dead] = await self._die(queue)
            live = await queue.enqueue(new_task("later"))
            assert await queue.clear_completed_tasks(older_than=3600) == 0
            assert await queue.clear_completed_tasks() == 1
            assert await queue.get_task_status(done.task_id) is None
            for task_id in (dead, live):
                assert await queue.get_task_status(task_id) is not None
