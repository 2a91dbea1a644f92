"""Several nodes on one store: who works, who is given up, and what becomes of its tasks."""

from collections import Counter
from typing import Any

import anyio
import pytest
from anyio.abc import TaskStatus as Started

from oncue import NodeSuperseded, QueueBase, TaskData, TaskResult, TaskStatus
from oncue.stores import Exchanged, StoreUnavailable
from oncue.testing import VirtualClock
from tests.flow.cluster import BEAT_S, Cluster, NodeQueue, alive
from tests.flow.kit import ok, task

FENCED_S = 3 * BEAT_S
DEAD_S = 4 * BEAT_S
SOON_S = 8.0
"""To a look at leases, and a retry's delay."""


class Ran:
    """A handler that notes what becomes of it on which node."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.ended: list[str] = []
        self.cancelled: list[tuple[str, float]] = []

    def on(self, queue: NodeQueue, takes_s: float) -> None:
        """Register it there as `work`."""

        async def work(task: TaskData) -> str:
            self.begun.append(queue.node)
            try:
                await anyio.sleep(takes_s)
            except BaseException:
                self.cancelled.append((queue.node, anyio.current_time()))
                raise
            self.ended.append(queue.node)
            return queue.node

        queue.register_handler("work", work)


async def status_of(queue: NodeQueue, task_id: str) -> TaskResult:
    result = await queue.get_task_status(task_id)
    assert result is not None
    return result


# -- together -----------------------------------------------------------------------------


async def test_nodes_share_the_work_and_each_task_runs_once(clock: VirtualClock) -> None:
    cluster, ran = Cluster(clock), Ran()
    a, b = cluster.node("a", max_workers=2), cluster.node("b", max_workers=2)
    ran.on(a, 1)
    ran.on(b, 1)
    async with a, b:
        ids = await a.enqueue_many([task("work") for _ in range(40)])
        results = [await b.wait(task_id, 60) for task_id in ids]
        health = (await a.health_check())["apscheduler_queue"]
    assert [result.status for result in results] == [TaskStatus.COMPLETED] * 40
    assert sorted(ran.ended) == sorted(result.result for result in results)
    assert min(Counter(ran.ended).values()) > 10
    assert (health["node"], health["nodes"], health["nodes_alive"]) == ("a", ["a", "b"], 2)
    assert 0 <= health["heartbeat_age"] <= BEAT_S


async def test_a_type_that_is_not_handled_here_waits_for_a_node_that_does(
    clock: VirtualClock,
) -> None:
    """D2.5."""
    cluster = Cluster(clock)
    a, b = cluster.node("a"), cluster.node("b")
    async with a:
        task_id = await a.enqueue(task())
        await anyio.sleep(100)
        b.register_handler("ok", ok)
        async with b:
            assert (await a.wait(task_id, 2)).status is TaskStatus.COMPLETED


async def test_cancel_reaches_the_node_that_runs_the_task(clock: VirtualClock) -> None:
    cluster, ran = Cluster(clock), Ran()
    a, b = cluster.node("a"), cluster.node("b")
    ran.on(a, 1000)
    async with a, b:
        task_id = await b.enqueue(task("work"))
        await anyio.sleep(2)
        assert await b.cancel_task(task_id)
        assert (await status_of(a, task_id)).status is TaskStatus.CANCELLED
        await anyio.sleep(SOON_S)
        assert [node for node, _ in ran.cancelled] == ["a"]


async def test_a_pause_holds_on_every_node(clock: VirtualClock) -> None:
    cluster = Cluster(clock)
    a, b = cluster.node("a"), cluster.node("b")
    a.register_handler("ok", ok)
    async with a, b:
        await b.pause_queue()
        task_id = await a.enqueue(task())
        await anyio.sleep(100)
        assert (await status_of(b, task_id)).status is TaskStatus.PENDING
        await b.resume_queue()
        assert (await b.wait(task_id, 3)).status is TaskStatus.COMPLETED


async def test_wait_hears_of_an_end_elsewhere_within_a_poll(clock: VirtualClock) -> None:
    cluster, ran = Cluster(clock), Ran()
    a, b = cluster.node("a"), cluster.node("b", poll_interval=0.5)
    ran.on(a, 3)
    async with a, b:
        task_id = await a.enqueue(task("work"))
        assert (await b.wait(task_id)).result == "a"
        assert clock.monotonic() <= 3.6


async def test_a_queue_that_works_nothing_is_no_node(clock: VirtualClock) -> None:
    """It enqueues, looks and waits, and takes nobody's place."""
    cluster = Cluster(clock)
    worker, client = cluster.queue(), cluster.queue(queues=frozenset())
    for queue in (worker, client):
        queue.register_handler("ok", ok)
    async with client:
        task_id = await client.enqueue(task())
        await anyio.sleep(100)
        assert (await status_of(client, task_id)).status is TaskStatus.PENDING
        assert await cluster.store.nodes() == []
        await client.enqueue(task("for others"))
        assert (await client.health_check())["warnings"] == [], "what it cannot do is no lack"
        async with worker:
            assert (await client.wait(task_id, 3)).status is TaskStatus.COMPLETED
            assert [view.node for view in await cluster.store.nodes()] == ["single"]


# -- a node that is lost ------------------------------------------------------------------


@pytest.mark.parametrize("busy", [False, True])
async def test_a_node_that_is_cut_off_fences_itself_before_others_take_over(
    clock: VirtualClock, busy: bool
) -> None:
    """Handlers are cancelled after 3 intervals, though an enqueue hangs; others begin after 4."""
    cluster, ran = Cluster(clock), Ran()
    a, b = cluster.node("a"), cluster.node("b")
    ran.on(a, 1000)
    async with a, b:
        task_id = await a.enqueue(task("work"))
        await anyio.sleep(2)
        ran.on(b, 5)
        cut_at_s, mended = clock.monotonic(), anyio.Event()
        async with anyio.create_task_group() as group:
            if busy:
                a.link.before = lambda _: mended.wait()
                group.start_soon(a.enqueue, task("nobody", queue_name="elsewhere"))
            else:
                a.link.is_cut = True
            await b.wait(task_id, 100)
            mended.set()
            group.cancel_scope.cancel()
        result = await b.wait(task_id)
    assert (result.status, result.result, result.retry_count) == (TaskStatus.COMPLETED, "b", 1)
    ((node, at_s),) = ran.cancelled
    assert node == "a"
    assert FENCED_S - BEAT_S <= at_s - cut_at_s <= FENCED_S
    taken_s = clock.monotonic() - cut_at_s
    assert DEAD_S - BEAT_S <= taken_s <= DEAD_S + SOON_S + 5


async def test_a_cut_off_node_joins_anew_by_itself_and_works_on(clock: VirtualClock) -> None:
    cluster, ran = Cluster(clock), Ran()
    a, b = cluster.node("a"), cluster.node("b")
    ran.on(a, 5)
    async with a, b:
        before = {view.node: view.incarnation for view in await cluster.store.nodes()}
        a.link.is_cut = True
        await anyio.sleep(2 * DEAD_S)
        unwell = await a.health_check()
        assert (unwell["healthy"], unwell["apscheduler_queue"]["store_reachable"]) == (False, False)
        assert "shared store is unavailable" in unwell["warnings"][0]
        task_id = await b.enqueue(task("work"))
        a.link.is_cut = False
        assert (await b.wait(task_id, SOON_S)).result == "a"
        after = {view.node: view.incarnation for view in await cluster.store.nodes()}
        assert (await a.health_check())["healthy"]
    assert after["a"] > before["b"] > before["a"]
    assert after["b"] == before["b"]


async def test_the_late_outcome_of_a_node_that_was_given_up_is_refused_and_counted(
    clock: VirtualClock,
) -> None:
    """D1.3. As after SIGSTOP: for the node no time has passed, for the store it has been silent."""
    cluster, ran = Cluster(clock), Ran()
    a, b = cluster.node("a"), cluster.node("b")
    ran.on(a, 3)
    ran.on(b, 30)
    async with a:
        task_id = await a.enqueue(task("work"))
        await anyio.sleep(1)
        a.unregister_handler("work")  # what runs, runs on
        cluster.ahead_s = DEAD_S
        async with b:
            await anyio.sleep(3)
            assert ran.ended == ["a"]
            assert a.metrics["refused_settlements"] == 1
            assert (await status_of(b, task_id)).status is TaskStatus.PROCESSING
            assert (await b.wait(task_id, 60)).result == "b"
            views = {view.node: view.incarnation for view in await cluster.store.nodes()}
            assert views["a"] > views["b"], "it was told, and joined anew"
        assert a.metrics["completed_tasks"] == 0


async def test_a_node_that_is_told_that_it_was_given_up_cancels_its_handlers(
    clock: VirtualClock,
) -> None:
    cluster, ran = Cluster(clock), Ran()
    a, b = cluster.node("a"), cluster.node("b")
    ran.on(a, 1000)
    async with a:
        task_id = await a.enqueue(task("work"))
        await anyio.sleep(1)
        a.unregister_handler("work")  # what runs, runs on
        cluster.ahead_s = DEAD_S
        async with b:
            await anyio.sleep(BEAT_S)
            assert [node for node, _ in ran.cancelled] == ["a"]
            assert (await status_of(b, task_id)).error == "node lost"


async def test_a_task_that_kills_its_nodes_ends_as_a_dead_letter(clock: VirtualClock) -> None:
    """Each rescue counts as an attempt."""
    cluster = Cluster(clock)
    begun = 0
    async with cluster.node("watcher") as watcher:
        task_id = await watcher.enqueue(task("deadly", max_retries=2))
        for number in range(3):
            node = cluster.node(f"victim {number}")
            started = anyio.Event()

            async def deadly(task: TaskData, started: anyio.Event = started) -> None:
                nonlocal begun
                begun += 1
                started.set()
                await anyio.sleep_forever()

            node.register_handler("deadly", deadly)
            async with alive(node) as die:
                await started.wait()
                die()
        result = await watcher.wait(task_id, 100)
        await anyio.sleep(100)
        assert (result.status, result.error) == (TaskStatus.DEAD_LETTER, "node lost")
        assert begun == 3
        assert [view.node for view in await cluster.store.nodes()] == ["watcher"]


async def test_an_orderly_stop_hands_back_and_does_not_count(clock: VirtualClock) -> None:
    """D1.5."""
    cluster, ran = Cluster(clock), Ran()
    a, b = cluster.node("a", shutdown_grace=1), cluster.node("b")
    ran.on(a, 1000)
    async with b:
        async with a:
            task_id = await a.enqueue(task("work", max_retries=0))
            await anyio.sleep(1)
        ran.on(b, 1)
        result = await b.wait(task_id, 3)
    assert (result.result, result.retry_count) == ("b", 0)


async def test_claims_whose_answer_was_lost_come_back_and_do_not_count(
    clock: VirtualClock,
) -> None:
    """D1.5."""
    cluster = Cluster(clock)
    a = cluster.node("a")
    a.register_handler("ok", ok)
    lost: list[str] = []

    async def lose(call: str, answer: Any) -> None:
        if isinstance(answer, Exchanged) and answer.claimed and len(lost) < 3:
            lost.append(call)
            raise StoreUnavailable("shared", call)

    a.link.after = lose
    async with a:
        task_id = await a.enqueue(task(max_retries=0))
        result = await a.wait(task_id, SOON_S)
    assert (result.status, result.retry_count) == (TaskStatus.COMPLETED, 0)
    assert len(lost) == 3


# -- one node at a time -------------------------------------------------------------------


async def test_without_clustering_who_starts_takes_over_at_once(clock: VirtualClock) -> None:
    """The former cancels its handlers, and ends by saying why."""
    cluster, ran = Cluster(clock), Ran()
    first, second = cluster.queue(), cluster.queue()
    ran.on(first, 1000)
    ran.on(second, 5)
    ends: list[NodeSuperseded] = []
    task_id = ""

    async def run_first(*, task_status: Started[QueueBase]) -> None:
        with pytest.raises(NodeSuperseded, match="enable_clustering") as caught:
            await first.run(task_status=task_status)
        ends.append(caught.value)

    async with anyio.create_task_group() as group:
        await group.start(run_first)
        task_id = await first.enqueue(task("work"))
        await anyio.sleep(1)
        async with second:
            await anyio.sleep(2)
            assert [error.node for error in ends] == ["single"]
            assert [at_s for _, at_s in ran.cancelled] == [pytest.approx(1.5, abs=0.6)]
            result = await second.wait(task_id, 10)
            assert (result.status, result.retry_count) == (TaskStatus.COMPLETED, 1)
    assert len(ran.begun) == 2
    async with first:  # in a run of its own it may take over in turn
        assert (await first.wait(task_id)).status is TaskStatus.COMPLETED


async def test_who_is_superseded_takes_nothing_back_while_its_handlers_end(
    clock: VirtualClock,
) -> None:
    cluster = Cluster(clock)
    first, second = cluster.queue(poll_interval=0.05), cluster.queue()

    async def tidy(task: TaskData) -> None:
        try:
            await anyio.sleep(1000)
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(0.9)

    first.register_handler("tidy", tidy)

    async def run_first(*, task_status: Started[QueueBase]) -> None:
        with pytest.raises(NodeSuperseded):
            await first.run(task_status=task_status)

    async with anyio.create_task_group() as group:
        await group.start(run_first)
        await first.enqueue(task("tidy"))
        await anyio.sleep(1)
        async with second:
            incarnation = (await cluster.store.nodes())[0].incarnation
            await anyio.sleep(5)
            (view,) = await cluster.store.nodes()
            assert (view.node, view.incarnation) == ("single", incarnation)


async def test_a_restart_after_a_kill_goes_on_at_once(clock: VirtualClock) -> None:
    """Nobody waits for the dead process's heartbeat to grow old."""
    cluster, ran = Cluster(clock), Ran()
    first, second = cluster.queue(), cluster.queue()
    ran.on(first, 1000)
    ran.on(second, 1)
    async with alive(first) as die:
        task_id = await first.enqueue(task("work"))
        await anyio.sleep(1)
        die()
    async with second:
        result = await second.wait(task_id, 5)
    assert (result.status, result.retry_count) == (TaskStatus.COMPLETED, 1)


# -- a store that is out of reach ---------------------------------------------------------


async def test_a_store_that_is_out_of_reach_at_the_start_is_said_to_be(
    clock: VirtualClock,
) -> None:
    queue = Cluster(clock).queue()
    queue.link.is_cut = True
    with pytest.raises(StoreUnavailable, match="shared"):
        async with queue:
            pass
    queue.link.is_cut = False
    queue.register_handler("ok", ok)
    async with queue:
        assert (await queue.wait(await queue.enqueue(task()))).result == "done"
