"""One attempt: what counts as success, what as failure, and what the hooks hear."""

from typing import Any

import anyio
import pytest

from oncue import TaskData, TaskHandler, TaskResult, TaskStatus
from oncue.actors.execute import describe
from oncue.testing import VirtualClock
from tests.flow.kit import fails, make_queue, task


class Told(TaskHandler):
    """Returns what it is told to, and notes what its hooks hear."""

    def __init__(self, value: Any, *, retry: bool = True, raises: bool = False) -> None:
        self.value = value
        self.retry = retry
        self.raises = raises
        self.heard: list[Any] = []

    async def handle(self, task: TaskData) -> Any:
        if isinstance(self.value, Exception):
            raise self.value
        return self.value

    async def on_success(self, task: TaskData, result: TaskResult) -> None:
        self.heard.append(result.result)
        if self.raises:
            raise RuntimeError("the hook has a bug")

    async def on_failure(self, task: TaskData, error: Exception) -> bool:
        self.heard.append(str(error))
        if self.raises:
            raise RuntimeError("the hook has a bug")
        return self.retry


async def run(clock: VirtualClock, handler: TaskHandler, **fields: Any) -> TaskResult:
    queue = make_queue(clock)
    queue.register_handler("told", handler)
    async with queue:
        return await queue.wait(await queue.enqueue(task("told", **fields)))


def failed(error: str | None) -> TaskResult:
    return TaskResult(task_id=task().task_id, status=TaskStatus.FAILED, error=error)


async def test_a_plain_value_completes_the_task_with_it(clock: VirtualClock) -> None:
    handler = Told({"a": [1, None]})
    result = await run(clock, handler)
    assert (result.status, result.result) == (TaskStatus.COMPLETED, {"a": [1, None]})
    assert handler.heard == [{"a": [1, None]}]


async def test_a_task_result_completes_it_with_its_result(clock: VirtualClock) -> None:
    value = TaskResult(task_id=task().task_id, status=TaskStatus.COMPLETED, result=7)
    assert (await run(clock, Told(value))).result == 7


@pytest.mark.parametrize(
    ("value", "error"),
    [
        (failed("out of ink"), "HandlerFailed: out of ink"),
        (failed(None), "HandlerFailed: the handler returned FAILED"),
        (ValueError("no ink"), "ValueError: no ink"),
    ],
)
async def test_raising_and_a_failed_result_are_failures(
    clock: VirtualClock, value: Any, error: str
) -> None:
    """Retried as often as the task allows; the hook hears of each."""
    handler = Told(value)
    result = await run(clock, handler, max_retries=2)
    assert (result.status, result.error) == (TaskStatus.DEAD_LETTER, error)
    assert len(handler.heard) == 3


async def test_a_hook_may_forbid_the_retry(clock: VirtualClock) -> None:
    handler = Told(ValueError("no"), retry=False)
    result = await run(clock, handler, max_retries=9)
    assert (result.status, result.retry_count) == (TaskStatus.DEAD_LETTER, 0)
    assert handler.heard == ["no"]


@pytest.mark.parametrize("value", [3, ValueError("no")])
async def test_a_hook_that_raises_changes_nothing(clock: VirtualClock, value: Any) -> None:
    handler = Told(value, raises=True)
    result = await run(clock, handler, max_retries=1)
    expected = TaskStatus.DEAD_LETTER if isinstance(value, Exception) else TaskStatus.COMPLETED
    assert result.status is expected
    assert len(handler.heard) == (2 if isinstance(value, Exception) else 1)


@pytest.mark.parametrize("value", [object(), float("nan"), {1, object()}])
async def test_a_result_that_is_no_json_is_a_dead_letter_at_once(
    clock: VirtualClock, value: Any
) -> None:
    """The handler has run: running it again would not help."""
    handler = Told(value)
    result = await run(clock, handler, max_retries=9)
    assert (result.status, result.retry_count) == (TaskStatus.DEAD_LETTER, 0)
    assert "result cannot be written as JSON" in (result.error or "")
    assert handler.heard == []


async def test_an_attempt_that_takes_longer_than_its_timeout_has_failed(
    clock: VirtualClock,
) -> None:
    class Slow(Told):
        async def handle(self, task: TaskData) -> None:
            await anyio.sleep(60)

    handler = Slow(None)
    result = await run(clock, handler, timeout=2, max_retries=1, retry_delay=1)
    assert result.status is TaskStatus.DEAD_LETTER
    assert result.execution_time == pytest.approx(2)
    assert handler.heard == ["'told' took longer than its timeout of 2.0 s"] * 2


async def test_a_task_without_a_timeout_may_take_for_ever(clock: VirtualClock) -> None:
    class Slow(Told):
        async def handle(self, task: TaskData) -> str:
            await anyio.sleep(1000)
            return "done"

    assert (await run(clock, Slow(None), timeout=None)).result == "done"


async def test_a_result_says_when_how_long_and_by_whom(clock: VirtualClock) -> None:
    before = clock.now()
    queue = make_queue(clock)
    queue.register_handler("fails", fails)
    async with queue:
        task_id = await queue.enqueue(task("fails", max_retries=1, retry_delay=100))
        while (status := await queue.get_task_status(task_id)) is None or not status.error:
            await queue.get_queue_info()
        assert (status.status, status.retry_count) == (TaskStatus.RETRYING, 1)
        assert status.next_retry_at is not None
        assert 90 <= (status.next_retry_at - before).total_seconds() <= 110
        result = await queue.wait(task_id)
    assert result.started_at == result.completed_at == clock.now()
    assert result.next_retry_at is None
    assert result.worker_id is not None


def test_an_error_says_its_type_and_what_a_group_holds() -> None:
    group = ExceptionGroup("two", [ValueError("a"), ExceptionGroup("one", [KeyError("b")])])
    assert describe(group) == (
        "ExceptionGroup: two (2 sub-exceptions) [ValueError: a; "
        "ExceptionGroup: one (1 sub-exception) [KeyError: 'b']]"
    )
