"""The worker: one attempt at a time, and nothing done twice over its deaths."""

import asyncio
from contextvars import ContextVar
from typing import Any

import anyio
import pytest
from structlog.contextvars import bind_contextvars, get_contextvars

from oncue import TaskData, TaskHandler, TaskStatus
from oncue.runtime import ActorSystem, Event, Unstopped
from oncue.stores import Exchanged
from oncue.testing import VirtualClock
from tests.actors.kit import HookedQueue, hung, kill
from tests.flow.kit import make_queue, ok, task


async def test_what_a_killed_worker_had_not_begun_runs_once_in_its_next_life(
    clock: VirtualClock,
) -> None:
    """Killed as it is being dealt a task: the attempt is dealt anew and counts as the first."""
    queue = HookedQueue(clock, max_workers=1)
    running: list[int] = [0, 0, 0]  # now, at most, in all

    async def slow(task: TaskData) -> None:
        running[0] += 1
        running[1] = max(running[:2])
        running[2] += 1
        await anyio.sleep(10)
        running[0] -= 1

    queue.register_handler("slow", slow)
    async with hung(queue, clock) as system:
        kills: list[str] = []

        async def kill_at_claim(call: str, answer: Any) -> None:
            if isinstance(answer, Exchanged) and answer.claimed and not kills:
                kills.append(call)
                kill(system, "workers/0")

        queue.store.after = kill_at_claim
        result = await queue.wait(await queue.enqueue(task("slow")))
        assert (result.status, result.retry_count) == (TaskStatus.COMPLETED, 0)
        assert running == [0, 1, 1]


async def test_a_worker_killed_in_a_handler_has_failed_the_attempt(clock: VirtualClock) -> None:
    """So that a task that kills workers comes to an end."""
    queue = make_queue(clock, max_workers=1)

    async def slow(task: TaskData) -> None:
        if not task.retry_count:
            await anyio.sleep(10)

    queue.register_handler("slow", slow)
    async with hung(queue, clock) as system:
        task_id = await queue.enqueue(task("slow"))
        await anyio.sleep(1)
        kill(system, "workers/0")
        await anyio.sleep(0.1)
        status = await queue.get_task_status(task_id)
        assert status is not None
        assert (status.status, status.error) == (TaskStatus.RETRYING, "its worker died")
        assert (await queue.wait(task_id)).status is TaskStatus.COMPLETED


async def test_a_handler_that_cancels_itself_fails_and_harms_nobody(
    clock: VirtualClock, anyio_backend_name: str
) -> None:
    """As by awaiting an asyncio task that was cancelled: its worker lives on."""
    if anyio_backend_name != "asyncio":
        pytest.skip("trio's Cancelled cannot be raised without a cancellation")
    queue = make_queue(clock, max_workers=2)

    async def confused(task: TaskData) -> None:
        raise asyncio.CancelledError

    queue.register_handler("confused", confused)
    async with hung(queue, clock) as system:
        ids = await queue.enqueue_many([task("confused", max_retries=0) for _ in range(50)])
        results = [await queue.wait(task_id) for task_id in ids]
        assert {result.status for result in results} == {TaskStatus.DEAD_LETTER}
        assert all("cancelled itself" in (result.error or "") for result in results)
        assert [node.path for node in system.tree().walk() if node.restarts] == []


class OnlyLooks(TaskHandler):
    """Its on_failure returns nothing."""

    async def handle(self, task: TaskData) -> None:
        if not task.retry_count:
            raise ValueError("once")

    async def on_failure(self, task: TaskData, error: Exception) -> Any:
        pass


async def test_a_hook_that_returns_nothing_does_not_forbid_the_retry(clock: VirtualClock) -> None:
    """Only False does."""
    queue = make_queue(clock)
    queue.register_handler("looks", OnlyLooks())
    async with queue:
        assert (await queue.wait(await queue.enqueue(task("looks")))).retry_count == 1


class Unprintable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


async def test_an_error_that_cannot_be_printed_is_an_error(clock: VirtualClock) -> None:
    queue = make_queue(clock)

    async def raises(task: TaskData) -> None:
        raise Unprintable

    queue.register_handler("raises", raises)
    async with queue:
        result = await queue.wait(await queue.enqueue(task("raises", max_retries=0)))
        assert result.error == "Unprintable, which cannot be written as text"


class HangingHook(TaskHandler):
    """Its on_failure never returns by itself."""

    def __init__(self) -> None:
        self.asked = 0

    async def handle(self, task: TaskData) -> None:
        if task.payload.get("late"):
            await anyio.sleep_forever()
        raise ValueError("no")

    async def on_failure(self, task: TaskData, error: Exception) -> bool:
        self.asked += 1
        await anyio.sleep_forever()
        return True


@pytest.mark.parametrize("late", [False, True])
async def test_a_hook_that_hangs_ends_with_the_timeout(clock: VirtualClock, late: bool) -> None:
    """It is asked once; an attempt that failed is then judged as if it had said True."""
    queue = make_queue(clock, max_workers=1)
    handler = HangingHook()
    queue.register_handler("hangs", handler)
    queue.register_handler("ok", ok)
    async with queue:
        hangs = task("hangs", timeout=5, max_retries=0, payload={"late": late})
        dead, after = await queue.enqueue_many([hangs, task()])
        assert (await queue.wait(after, 20)).status is TaskStatus.COMPLETED
        assert (await queue.wait(dead)).status is TaskStatus.DEAD_LETTER
        assert handler.asked == 1


async def test_a_hook_is_asked_once_by_a_handler_that_fails_in_its_cleanup(
    clock: VirtualClock,
) -> None:
    """A handler that answers its cancellation with an error of its own has timed out."""
    queue = make_queue(clock, max_workers=1)
    errors: list[Exception] = []

    class Untidy(TaskHandler):
        async def handle(self, task: TaskData) -> None:
            try:
                await anyio.sleep_forever()
            finally:
                raise ValueError("in cleanup")

        async def on_failure(self, task: TaskData, error: Exception) -> bool:
            errors.append(error)
            await anyio.sleep(1)
            return False

    queue.register_handler("untidy", Untidy())
    async with queue:
        result = await queue.wait(await queue.enqueue(task("untidy", timeout=5)))
        assert result.status is TaskStatus.DEAD_LETTER
        assert result.error == "TimeoutError: 'untidy' took longer than its timeout of 5.0 s"
        assert [type(error) for error in errors] == [TimeoutError]


async def test_a_handler_that_owns_a_task_group_and_fails_in_cleanup_has_timed_out(
    clock: VirtualClock,
) -> None:
    """On trio that is a BaseExceptionGroup with the cancellation in it."""
    queue = make_queue(clock, max_workers=1)

    async def child() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            raise ValueError("in cleanup")

    async def group(task: TaskData) -> None:
        async with anyio.create_task_group() as tg:
            tg.start_soon(child)

    queue.register_handler("group", group)
    queue.register_handler("ok", ok)
    async with queue:
        timed_out = await queue.enqueue(task("group", timeout=5, max_retries=0))
        after = await queue.enqueue(task())
        assert "timeout" in ((await queue.wait(timed_out)).error or "")
        assert (await queue.wait(after)).status is TaskStatus.COMPLETED


async def test_a_result_returned_in_spite_of_the_cancellation_counts(clock: VirtualClock) -> None:
    """A handler may finish what it is in the middle of; the work is done, and is not repeated."""
    queue = make_queue(clock)

    async def stubborn(task: TaskData) -> str:
        try:
            await anyio.sleep_forever()
        except anyio.get_cancelled_exc_class():
            pass  # the worker's scope takes the cancellation anyway
        return "just in time"

    queue.register_handler("stubborn", stubborn)
    async with queue:
        result = await queue.wait(await queue.enqueue(task("stubborn", timeout=5)))
        assert (result.status, result.result) == (TaskStatus.COMPLETED, "just in time")


async def test_a_task_whose_handler_was_unregistered_meanwhile_waits(clock: VirtualClock) -> None:
    """It had been claimed already: it is handed back, and that is no attempt."""
    queue = HookedQueue(clock)
    queue.register_handler("ok", ok)

    async def unregister(call: str, answer: Any) -> None:
        if isinstance(answer, Exchanged) and answer.claimed:
            queue.unregister_handler("ok")

    queue.store.after = unregister
    async with queue:
        task_id = await queue.enqueue(task())
        await anyio.sleep(10)
        status = await queue.get_task_status(task_id)
        assert status is not None
        assert (status.status, status.retry_count) == (TaskStatus.PENDING, 0)
        queue.store.after = type(queue.store).after
        queue.register_handler("ok", ok)
        assert (await queue.wait(task_id)).status is TaskStatus.COMPLETED


# -- context variables ----------------------------------------------------------------------


class Unequal:
    """Cannot be compared, as an array of numpy."""

    def __eq__(self, other: object) -> bool:
        raise ValueError("ambiguous")


BEFORE = ContextVar("BEFORE", default="the default")
UNSET: ContextVar[object] = ContextVar("UNSET")
KEPT: ContextVar[object] = ContextVar("KEPT")


class SetsVariables(TaskHandler):
    """Notes what it finds, and sets it, in `handle` or in a hook."""

    def __init__(self) -> None:
        self.found: list[object] = []

    def look(self) -> None:
        self.found.append((BEFORE.get(), UNSET.get(None), type(KEPT.get())))

    async def handle(self, task: TaskData) -> None:
        self.look()
        match task.payload.get("how"):
            case "sets":
                BEFORE.set(str(task.task_id))
                UNSET.set(1)
            case "sets what cannot be compared":
                KEPT.set(Unequal())
            case "sets, and waits":
                UNSET.set(1)
                await anyio.sleep(0.001)
                assert UNSET.get() == 1, "it is there for as long as the handler runs"
            case "sets, and times out":
                UNSET.set(1)
                await anyio.sleep_forever()
            case "sets in a hook":
                raise ValueError("asks the hook")
            case _:
                pass

    async def on_failure(self, task: TaskData, error: Exception) -> bool:
        UNSET.set("in the hook")
        return False


@pytest.mark.parametrize(
    "how",
    [
        "sets",
        "sets what cannot be compared",
        "sets, and waits",
        "sets, and times out",
        "sets in a hook",
        "nothing",
    ],
)
async def test_what_a_handler_sets_in_a_context_variable_the_next_does_not_see(
    clock: VirtualClock, how: str
) -> None:
    """One after the other in one worker, several of them handed to it at once."""
    BEFORE.set("as the program set it")
    KEPT.set(Unequal())
    handler = SetsVariables()
    queue = make_queue(clock, max_workers=1)
    queue.register_handler("sets", handler)
    async with queue:
        about = {"payload": {"how": how}, "max_retries": 0, "timeout": 0.5}
        ids = await queue.enqueue_many([task("sets", **about) for _ in range(40)])
        for task_id in ids:
            await queue.wait(task_id)
    assert handler.found == [("as the program set it", None, Unequal)] * 40


async def test_what_a_handler_binds_to_the_log_is_not_in_the_next_ones_lines(
    clock: VirtualClock,
) -> None:
    queue = make_queue(clock, max_workers=1)
    bound: list[dict[str, Any]] = []

    async def binds(task: TaskData) -> None:
        bound.append(get_contextvars())
        bind_contextvars(user=task.payload["user"])

    queue.register_handler("binds", binds)
    async with queue:
        for user in ("ada", "bob"):
            await queue.wait(await queue.enqueue(task("binds", payload={"user": user})))
    assert [context.get("user") for context in bound] == [None, None]
    assert bound[0]["task_id"] != bound[1]["task_id"]


async def test_a_handler_that_cannot_be_stopped_is_shown_where_it_stands(
    clock: VirtualClock,
) -> None:
    queue = make_queue(clock, max_workers=1, shutdown_grace=1)
    events: list[Event] = []

    async def stubborn_handler(task: TaskData) -> None:
        with anyio.CancelScope(shield=True):
            await anyio.sleep(10_000)

    queue.register_handler("stubborn", stubborn_handler)
    async with ActorSystem(queue.child_spec(), clock=clock, observe=events.append):
        await queue.enqueue(task("stubborn"))
        await anyio.sleep(1)
    unstopped = {event.path: event.stack for event in events if isinstance(event, Unstopped)}
    assert "in stubborn_handler" in unstopped["memory/work/workers/0"]
