"""Who caused which task, in the log lines and in the tree that is drawn from them."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from structlog.contextvars import get_contextvars
from structlog.testing import capture_logs

from oncue.adapters.memory import MemoryQueue, MemorySettings
from oncue.cli.trace import NoSuchTrace, run_trace
from oncue.runtime import SystemClock
from oncue.stores import TaskData
from oncue.testing import VirtualClock
from tests.flow.kit import fails, make_queue, settled, task


async def test_a_line_in_a_handler_carries_its_task(clock: VirtualClock) -> None:
    """task_id, queue, attempt, worker and trace_id are bound, in a thread too."""
    seen: list[dict[str, Any]] = []

    async def here(task: TaskData) -> None:
        seen.append(get_contextvars())

    def in_thread(task: TaskData) -> None:
        seen.append(get_contextvars())

    async with make_queue(clock) as queue:
        queue.register_handler("here", here)
        queue.register_handler("thread", in_thread)
        for kind in ("here", "thread"):
            task_id = await queue.enqueue(task(kind, queue_name="mail"))
            await queue.wait(task_id)
            bound = seen.pop()
            assert bound["task_id"] == bound["trace_id"] == task_id
            assert (bound["queue"], bound["attempt"], bound["cause_id"]) == ("mail", 1, None)
            assert bound["worker"].rpartition("/")[2].isdigit()
    assert "task_id" not in get_contextvars(), "nothing leaks out of the worker"


async def test_a_task_enqueued_by_a_handler_has_that_one_as_its_cause(clock: VirtualClock) -> None:
    """All of them share the trace of the first; every attempt of one is the same task."""
    seen: dict[str, dict[str, Any]] = {}

    async with make_queue(clock) as queue:

        async def parent(task: TaskData) -> None:
            seen["parent"] = get_contextvars()
            await queue.create_task("child")

        async def child(task: TaskData) -> None:
            seen["child"] = get_contextvars()
            await queue.enqueue_many([TaskData(task_type="grandchild")])

        async def grandchild(task: TaskData) -> None:
            seen["grandchild"] = get_contextvars()

        for handler in (parent, child, grandchild):
            queue.register_handler(handler.__name__, handler)
        root = await queue.create_task("parent")
        await settled(queue)
    assert {bound["trace_id"] for bound in seen.values()} == {root}
    assert seen["child"]["cause_id"] == root
    assert seen["grandchild"]["cause_id"] == seen["child"]["task_id"]


async def test_with_tracing_each_step_is_one_line(clock: VirtualClock) -> None:
    with capture_logs() as logs:
        async with make_queue(clock, tracing=True) as queue:
            queue.register_handler("fails", fails)
            await queue.wait(await queue.enqueue(task("fails", max_retries=1)))
    steps = [(line["event"], line.get("attempt")) for line in logs if "task_id" in line]
    assert steps == [
        ("task_enqueued", None),
        ("task_started", 1),
        ("task_failed", 1),
        ("task_started", 2),
        ("task_dead", 2),
    ]


async def test_without_tracing_only_failures_are_logged(clock: VirtualClock) -> None:
    with capture_logs() as logs:
        async with make_queue(clock) as queue:
            queue.register_handler("fails", fails)
            await queue.wait(await queue.enqueue(task("fails", max_retries=1)))
    assert [(line["event"], line["log_level"]) for line in logs] == [
        ("task_failed", "warning"),
        ("task_dead", "error"),
    ]


def _log_from_process(task: TaskData) -> dict[str, Any]:
    return get_contextvars()


@pytest.mark.real_time
async def test_a_worker_process_has_the_context_too() -> None:
    from oncue.actors import FunctionHandler

    queue = MemoryQueue(MemorySettings(), clock=SystemClock())
    queue.register_handler("p", FunctionHandler("p", _log_from_process, "process"))
    async with queue:
        task_id = await queue.enqueue(task("p"))
        result = await queue.wait(task_id, timeout=30)
    assert result.result["task_id"] == task_id, result


PROGRAM = """
import sys, anyio, structlog
from oncue import TaskData, open_queue
from oncue.runtime import Actor, ActorSystem, ChildSpec, SupervisorSpec

class Crashes(Actor[str]):
    async def receive(self, message):
        self.context.log.info("about to crash")
        raise ValueError(message)

async def fails(task: TaskData) -> None:
    raise ValueError("no good")

async def main():
    queue = open_queue("memory", tracing=True)
    queue.register_handler("fails", fails)
    async with queue:
        await queue.wait(await queue.create_task("fails", max_retries=0))
    async with ActorSystem(SupervisorSpec("s", children=[ChildSpec("a", Crashes)])) as system:
        await system.lookup("s/a").tell("crash")
        await anyio.sleep(0.1)
    print("output")

if sys.argv[1] == "configured":
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stdout))
anyio.run(main)
"""


@pytest.mark.parametrize("how", ["bare", "configured"])
def test_a_program_that_has_not_set_up_its_log_keeps_its_output_to_itself(how: str) -> None:
    """What OnCue says then goes to stderr, and else where the program wants it."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, how], capture_output=True, text=True, check=True
    )
    said, other = done.stderr, done.stdout
    if how == "configured":
        said, other = other, said
        assert "output" in said
    assert other == ("output\n" if how == "bare" else "")
    for event in ("task_enqueued", "task_started", "task_dead", "about to crash", "actor_crashed"):
        assert event in said


def line(**fields: Any) -> str:
    return json.dumps(fields) + "\n"


def test_the_tree_is_drawn_from_several_logs_in_any_order(tmp_path: Path) -> None:
    """Lines that are no JSON, or name no task, are passed over."""
    one, two = tmp_path / "one.log", tmp_path / "two.log"
    root = {"task_id": "root-000001", "trace_id": "root-000001", "task_type": "parent"}
    kid = {"task_id": "kid-000001", "trace_id": "root-000001", "task_type": "child"}
    one.write_text(
        "not json\n"
        + line(event="task_completed", attempt=1, took_s=0.002, cause_id="root-000001", **kid)
        + line(event="hello", **kid)
        + line(event="no task here")
    )
    two.write_text(
        line(event="task_enqueued", cause_id=None, **root)
        + line(event="task_dead", attempt=2, error="ValueError: x", cause_id=None, **root)
        + line(event="task_failed", attempt=1, error="ValueError: w", cause_id=None, **root)
        + line(event="task_enqueued", cause_id="root-000001", **kid)
    )
    assert run_trace("kid-000001", [one, two], lines=True) == (
        "trace root-000001\n"
        "└── parent root-000001, dead letter, attempt 2, ValueError: x\n"
        "    └── child kid-000001, completed, attempt 1, 2.0 ms\n"
        "        · hello"
    )
    assert run_trace("kid-00", [one, two], lines=False).startswith("trace root-000001")
    with pytest.raises(NoSuchTrace, match="no task or trace 'nobody' in 2 logged tasks"):
        run_trace("nobody", [one, two], lines=False)
