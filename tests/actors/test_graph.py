"""The graph as a whole: how it looks, where it can hang, and which way its asks point."""

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import anyio
import pytest

from oncue import TaskData, TaskStatus, open_queue
from oncue.runtime import ActorSystem, EscalatedFailure, SupervisorSpec
from oncue.testing import VirtualClock
from tests.actors.kit import hung, kill
from tests.flow.kit import make_queue, ok, task

ROOT = Path(__file__).parents[2]


def test_the_tree_can_be_printed_before_it_runs(clock: VirtualClock) -> None:
    lines = str(make_queue(clock, max_workers=2).child_spec().tree()).splitlines()
    assert [line.strip("├└│─ ").split()[0] for line in lines] == [
        *("memory", "store", "listeners", "events", "waiters", "dead-letters"),
        *("work", "queues", "pool", "workers", "0", "1", "puller", "door"),
    ]


def test_the_durable_graph_is_the_same_with_a_scheduler_and_a_membership(
    clock: VirtualClock,
) -> None:
    durable = open_queue("apscheduler", max_workers=2)
    lines, memory = (
        [node.path.partition("/")[2] for node in queue.child_spec().tree().walk()]
        for queue in (durable, make_queue(clock, max_workers=2))
    )
    more = ("scheduler", "work/membership")
    assert [line for line in lines if line not in more] == memory
    assert lines[-2:] == ["door", "scheduler"], "what it fires while the door drains would not run"
    assert lines.index("work/membership") == lines.index("work") + 1, "first: it takes all down"


# -- asks point one way -------------------------------------------------------------------

ACTORS = {
    "StoreActor": "store",
    "EventFan": "events",
    "Waiters": "waiters",
    "DeadLetterKeeper": "dead_letters",
    "Pool": "pool",
    "Worker": "worker",
    "QueueActor": "queue",
    "Puller": "puller",
    "Door": "door",
    "Listener": "listener",
    "Membership": "membership",
    "Ears": "ears",
    "Scheduler": "scheduler",
    "QueueAsks": "facade",
    "QueueClient": "facade",
    "QueueBase": "facade",
    "JobsQueue": "facade",
    "ScheduledQueue": "facade",
}


def waits(source: str) -> Iterator[tuple[str, str]]:
    """Who waits for whom: each `await <...>.X.ask(...)` or `.tell(...)` in a class.

    A tell waits too, for room. `tell_nowait` and `hint` do not.
    """
    for kind in ast.walk(ast.parse(source)):
        if not isinstance(kind, ast.ClassDef) or kind.name not in ACTORS:
            continue
        for call in ast.walk(kind):
            if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute):
                continue
            if call.func.attr in {"ask", "tell"}:
                yield ACTORS[kind.name], _target(call.func.value)
            elif call.func.attr == "_ask_of":  # the facade's ask: the actor is an argument
                yield ACTORS[kind.name], _target(call.args[0])


def _target(ref: ast.expr) -> str:
    name = (
        ref.attr if isinstance(ref, ast.Attribute) else ref.id if isinstance(ref, ast.Name) else ""
    )
    return name.lstrip("_")


def cycle_in(edges: set[tuple[str, str]]) -> list[str]:
    sorter = TopologicalSorter[str]()
    for asker, asked in edges:
        sorter.add(asker, asked)
    try:
        sorter.prepare()
    except CycleError as error:
        cycle: list[str] = error.args[1]
        return cycle
    return []


def test_asks_point_one_way() -> None:
    """Nobody waits, over any number of others, for one that waits for it."""
    files = [*ROOT.glob("actors/*.py"), *ROOT.glob("oncue/adapters/*.py")]
    edges = {edge for file in files for edge in waits(file.read_text())}
    edges.discard(("facade", "actor"))  # the ask inside `_ask_of`
    known = set(ACTORS.values())
    assert {asked for _, asked in edges} <= known, "this test must know whom they ask"
    assert {("queue", "store"), ("pool", "store"), ("facade", "queue"), ("worker", "pool")} <= edges
    # A handler, which runs in a worker, may call the facade.
    assert cycle_in(edges | {("worker", "facade")}) == []


def test_a_cycle_of_asks_would_be_seen() -> None:
    source = "class StoreActor:\n  async def receive(self, m):\n    await self._pool.ask(m)\n"
    back = set(waits(source))
    assert back == {("store", "pool")}
    assert set(cycle_in(back | {("pool", "store")})) == {"pool", "store"}


# -- the ways to run it -------------------------------------------------------------------


async def test_it_hangs_under_somebody_elses_supervisor_and_drains_there(
    clock: VirtualClock,
) -> None:
    queue = make_queue(clock)
    ended: list[float] = []

    async def slow(task: TaskData) -> None:
        await anyio.sleep(10)
        ended.append(clock.monotonic())

    queue.register_handler("slow", slow)
    async with hung(queue, clock):
        task_id = await queue.enqueue(task("slow"))
        await anyio.sleep(1)
    assert ended == [pytest.approx(10, abs=0.1)]
    async with queue:
        assert (await queue.wait(task_id)).status is TaskStatus.COMPLETED


async def test_it_runs_in_a_task_group_and_drains_when_that_is_cancelled(
    clock: VirtualClock,
) -> None:
    queue = make_queue(clock, shutdown_grace=5)
    ended: list[float] = []

    async def slow(task: TaskData) -> None:
        await anyio.sleep(task.payload["takes"])
        ended.append(task.payload["takes"])

    queue.register_handler("slow", slow)
    async with anyio.create_task_group() as group:
        assert await group.start(queue.run) is queue
        await queue.enqueue_many([task("slow", payload={"takes": takes}) for takes in (3, 300)])
        await anyio.sleep(1)
        group.cancel_scope.cancel()
    assert ended == [3]
    assert clock.monotonic() == pytest.approx(6, abs=0.1)


async def test_an_error_in_the_block_drains_and_comes_out_as_it_is(clock: VirtualClock) -> None:
    queue = make_queue(clock)
    with pytest.raises(KeyError, match="mine"):
        async with queue:
            raise KeyError("mine")
    assert not queue.running


async def test_it_runs_again_with_what_it_held(clock: VirtualClock) -> None:
    """Tasks, results, pauses and handlers are the object's, not the run's."""
    queue = make_queue(clock)
    queue.register_handler("ok", ok)
    async with queue:
        done = await queue.enqueue(task())
        await queue.wait(done)
        await queue.pause_queue()
        waiting = await queue.enqueue(task())
        delayed = await queue.enqueue(task(delay=100, queue_name="other"))
    async with queue:
        assert (await queue.get_queue_info())["paused"]
        await queue.resume_queue()
        for task_id in (done, waiting, delayed):
            assert (await queue.wait(task_id)).result == "done"


async def test_it_never_runs_twice_at_once(clock: VirtualClock) -> None:
    """The first goes on unharmed."""
    queue = make_queue(clock)
    queue.register_handler("ok", ok)
    async with queue:
        with pytest.raises(RuntimeError, match="already"):
            async with queue:
                pass
        with pytest.raises(EscalatedFailure) as caught:
            async with hung(queue, clock):
                pass
        assert caught.group_contains(RuntimeError, match="memory queue is running already")
        assert (await queue.wait(await queue.enqueue(task()))).result == "done"


async def test_two_queues_in_one_process_know_nothing_of_each_other(clock: VirtualClock) -> None:
    one, two = make_queue(clock), make_queue(clock)
    one.register_handler("ok", ok)
    async with one, two:
        first, second = await one.enqueue(task()), await two.enqueue(task())
        assert (await one.wait(first)).result == "done"
        assert await two.get_task_status(first) is None
        assert (await two.get_queue_info())["pending_tasks"] == 1
        assert await two.cancel_task(second)


async def test_two_queues_hang_side_by_side(clock: VirtualClock) -> None:
    """Each under a supervisor of its own: they have one name."""
    queues = [make_queue(clock), make_queue(clock)]
    spec = SupervisorSpec(
        "app",
        children=[
            SupervisorSpec(name, children=[queue.child_spec()])
            for name, queue in zip("ab", queues, strict=True)
        ],
    )
    async with ActorSystem(spec, clock=clock):
        for queue in queues:
            queue.register_handler("ok", ok)
            assert (await queue.wait(await queue.enqueue(task()))).result == "done"


async def test_a_graph_killed_whole_starts_again_with_what_it_held(clock: VirtualClock) -> None:
    queue = make_queue(clock)
    queue.register_handler("ok", ok)
    async with hung(queue, clock) as system:
        task_id = await queue.enqueue(task(delay=50))
        kill(system, "app/memory")
        await anyio.sleep(40)
        assert (await queue.wait(task_id)).result == "done"


async def test_a_graph_past_its_budget_falls_and_the_block_hears_of_it(
    clock: VirtualClock,
) -> None:
    """What it held is still in the queue, for the next run."""
    queue = make_queue(clock)
    task_id = ""
    with pytest.raises(EscalatedFailure):
        async with hung(queue, clock, intensity=0) as system:
            task_id = await queue.enqueue(task())
            for _ in range(10):
                kill(system, "memory/waiters")
                await anyio.sleep(0.1)
            await anyio.sleep(60)
    queue.register_handler("ok", ok)
    async with queue:
        assert (await queue.wait(task_id)).result == "done"
