"""The Nth statement fails, the Nth commit fails, the Nth commit's answer is lost: N = 1, 2, ...

Until a whole run meets no fault. In each, whatever was acknowledged is completed once as far as the
store is concerned, and nobody restarts: trouble with the store is a state, not a crash.
"""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from itertools import count
from pathlib import Path

import anyio
import pytest
from anyio import to_thread

from oncue import StoreUnavailable, TaskData, TaskStatus
from oncue.adapters.apscheduler import APSchedulerQueue, APSchedulerSettings
from oncue.runtime import ActorSystem, SupervisorSpec
from oncue.testing import VirtualClock
from tests.faults.cluster import until
from tests.faults.conftest import SharedStore
from tests.faults.places import At, Faults, persistently, planted
from tests.servers import Postgres, Valkey, own_postgres, own_valkey

TASKS = 6
POLL_S = 0.2


class Run:
    """One queue, six tasks, one of which fails once; and what its handlers saw."""

    def __init__(self, queue: APSchedulerQueue) -> None:
        self.queue = queue
        self.ran: list[str] = []
        queue.register_handler("work", self.work)

    async def work(self, task: TaskData) -> int:
        self.ran.append(str(task.task_id))
        await anyio.sleep(task.payload.get("takes", 0))
        if task.payload.get("fails") and task.retry_count == 0:
            raise ValueError("the first time")
        return task.retry_count

    async def through(self, faults: Faults, monkeypatch: pytest.MonkeyPatch) -> None:
        """All of it, with the fault planted once the queue is up."""
        spec = SupervisorSpec("app", children=[self.queue.child_spec()])
        tasks = [
            TaskData(
                task_type="work",
                queue_name=f"q{number % 2}",
                payload={"fails": number == 0},
                retry_delay=0.01,
                unique_key=f"key {number}",
            )
            for number in range(TASKS)
        ]
        async with ActorSystem(spec) as system:
            with planted(faults, monkeypatch):
                first = await persistently(lambda: self.queue.enqueue(tasks[0]))
                ids = [first, *await persistently(lambda: self.queue.enqueue_many(tasks[1:]))]
                results = [await persistently(partial(self.queue.wait, each, 60)) for each in ids]
                hand = TaskData(task_type="by hand")
                await persistently(lambda: self.queue.enqueue(hand))
                while await persistently(self.queue.dequeue) is None:  # noqa: ASYNC110
                    await anyio.sleep(1)  # what an answer was lost for comes back in a while
                await persistently(lambda: self.queue.settle(hand.task_id, 1))
                ended = await persistently(partial(self.queue.wait, hand.task_id, 60))
                assert ended.result == 1
            assert [result.status for result in results] == [TaskStatus.COMPLETED] * TASKS
            assert [result.retry_count for result in results] == [1, 0, 0, 0, 0, 0]
            assert [node.path for node in system.tree().walk() if node.restarts] == []


async def strike_each(
    at: At, make: Callable[[int], APSchedulerQueue], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One run for the first, the second, ... place, until a whole run meets no fault."""
    for number in count(1):
        faults = Faults(at, number)
        try:
            await Run(make(number)).through(faults, monkeypatch)
        except BaseException as error:
            error.add_note(f"{at.value}: number {number}")
            raise
        if not faults.struck:
            assert number > 8, "it was planted where nothing happens"
            return


@pytest.mark.parametrize("at", list(At), ids=lambda at: at.name.lower())
@pytest.mark.slow
@pytest.mark.watchdog(120)
async def test_one_fault_of_the_store_wherever_it_strikes_loses_nothing(
    clock: VirtualClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: At
) -> None:
    """D1.1, D1.7."""

    def make(number: int) -> APSchedulerQueue:
        settings = APSchedulerSettings(
            job_store_type="sqlalchemy",
            job_store_url=f"sqlite:///{tmp_path}/{number}.db",
            sqlite_synchronous="NORMAL",
        )
        return APSchedulerQueue(settings, clock=clock)

    await strike_each(at, make, monkeypatch)


@pytest.mark.parametrize("at", [At.COMMIT, At.ANSWER], ids=lambda at: at.name.lower())
@pytest.mark.parametrize("shared_store", ["postgresql", "mysql", "redis"], indirect=True)
@pytest.mark.slow
@pytest.mark.real_time
@pytest.mark.watchdog(120)
async def test_one_lost_commit_of_a_server_wherever_it_strikes_loses_nothing(
    shared_store: SharedStore, monkeypatch: pytest.MonkeyPatch, at: At
) -> None:
    await strike_each(at, lambda _: shared_store.queue(poll_interval=POLL_S), monkeypatch)


@pytest.mark.parametrize("at", list(At), ids=lambda at: at.name.lower())
@pytest.mark.parametrize("shared_store", ["mongodb"], indirect=True)
@pytest.mark.slow
@pytest.mark.real_time
@pytest.mark.watchdog(300)
async def test_one_lost_statement_of_mongodb_wherever_it_strikes_loses_nothing(
    shared_store: SharedStore, monkeypatch: pytest.MonkeyPatch, at: At
) -> None:
    """D1.1, D1.7. Though each of its statements stands for itself."""
    await strike_each(at, lambda _: shared_store.queue(poll_interval=POLL_S), monkeypatch)


@pytest.mark.parametrize(
    ("own_server", "crash"), [(own_postgres, signal.SIGQUIT), (own_valkey, signal.SIGKILL)]
)
@pytest.mark.slow
@pytest.mark.real_time
async def test_work_goes_on_by_itself_when_the_server_is_back(
    own_server: Callable[[], AbstractContextManager[Postgres | Valkey]], crash: signal.Signals
) -> None:
    """D1.7. It crashes with handlers running, and is started again: nobody restarts."""
    with own_server() as server:
        queue = SharedStore(server.url).queue(poll_interval=POLL_S)
        run = Run(queue)
        spec = SupervisorSpec("app", children=[queue.child_spec()])
        async with ActorSystem(spec) as system:
            tasks = [
                TaskData(task_type="work", payload={"takes": 0.5}, delay=number * 0.02)
                for number in range(50)
            ]
            ids = await queue.enqueue_many(tasks)
            await until(lambda: len(run.ran) > 5)
            await to_thread.run_sync(server.stop, crash)
            with pytest.raises(StoreUnavailable):
                await queue.enqueue(TaskData(task_type="work"))
            assert not (await queue.health_check())["healthy"]
            await anyio.sleep(1)
            await to_thread.run_sync(server.start)
            results = [await persistently(partial(queue.wait, each, 30)) for each in ids]
            assert {result.status for result in results} == {TaskStatus.COMPLETED}
            assert (await queue.health_check())["healthy"]
            assert [node.path for node in system.tree().walk() if node.restarts] == []


@pytest.mark.slow
@pytest.mark.real_time
async def test_an_emptied_server_loses_what_it_held_and_is_worked_on() -> None:
    """D1.7. The node is unknown there, so what it runs is cancelled, and it joins anew."""
    with own_valkey() as server:
        queue = SharedStore(server.url).queue(poll_interval=POLL_S, cluster_heartbeat_interval=0.2)
        run = Run(queue)
        spec = SupervisorSpec("app", children=[queue.child_spec()])
        async with ActorSystem(spec) as system:
            await queue.enqueue(TaskData(task_type="work", payload={"takes": 60}))
            await until(lambda: bool(run.ran))
            await to_thread.run_sync(server.do, "FLUSHALL")
            again = await queue.create_task("work")
            assert (await queue.wait(again, 30)).status is TaskStatus.COMPLETED
            assert (await queue.get_queue_info())["job_count"] == 0
            store = system.lookup("app/apscheduler/store").path
            restarted = [node.path for node in system.tree().walk() if node.restarts]
            assert store not in restarted
            assert "app/apscheduler/work/membership" in restarted


@pytest.mark.slow
@pytest.mark.real_time
async def test_a_server_without_memory_is_an_error_and_room_is_enough_to_go_on() -> None:
    """D1.7. What it holds is worked all the while."""
    with own_valkey() as server:
        queue = SharedStore(server.url).queue(poll_interval=POLL_S)
        run = Run(queue)
        spec = SupervisorSpec("app", children=[queue.child_spec()])
        async with ActorSystem(spec) as system:
            await queue.pause_queue()
            await to_thread.run_sync(server.do, "CONFIG", "SET", "maxmemory", "4mb")
            accepted: list[str] = []
            with pytest.raises(StoreUnavailable) as refused:
                while True:
                    task = TaskData(task_type="work", payload={"fill": "x" * 20_000})
                    accepted.append(await queue.enqueue(task))
            assert "OOM" in str(refused.value.__cause__)
            assert len(accepted) > 10
            await queue.resume_queue()
            for each in accepted:
                result = await persistently(partial(queue.wait, each, 30))
                assert result.status is TaskStatus.COMPLETED
            assert len(run.ran) == len(accepted)
            await queue.create_task("work")
            assert [node.path for node in system.tree().walk() if node.restarts] == []


@pytest.mark.slow
@pytest.mark.real_time
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")
async def test_a_full_disk_is_an_error_and_room_is_enough_to_go_on(
    small_disk: Path,
) -> None:
    """D1.7."""
    queue = SharedStore(f"sqlite:///{small_disk}/tasks.db").queue(poll_interval=POLL_S)
    run = Run(queue)
    spec = SupervisorSpec("app", children=[queue.child_spec()])
    async with ActorSystem(spec) as system:
        await queue.pause_queue()
        accepted: list[str] = []
        with pytest.raises(StoreUnavailable) as refused:
            while True:
                task = TaskData(task_type="work", payload={"fill": "x" * 20_000})
                accepted.append(await queue.enqueue(task))
        assert "full" in str(refused.value.__cause__)
        assert len(accepted) > 10
        (small_disk / "ballast").unlink()
        await queue.resume_queue()
        for each in accepted:
            result = await persistently(partial(queue.wait, each, 30))
            assert result.status is TaskStatus.COMPLETED
        assert len(run.ran) == len(accepted)
        assert [node.path for node in system.tree().walk() if node.restarts] == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Sixteen megabytes, twelve of them taken by a file that may go."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "oncue", tmp_path], check=True)
    (tmp_path / "ballast").write_bytes(b"x" * 12_000_000)
    yield tmp_path
    subprocess.run(["umount", "--lazy", tmp_path], check=True)
