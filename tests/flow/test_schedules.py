"""Schedules on several nodes: who fires, what is passed over, and what an outage costs."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID

import anyio
import pytest
from structlog.testing import capture_logs

from oncue import TaskData
from oncue.actors.errors import DuplicateJob, JobContested
from oncue.actors.schedules import occurrence_id
from oncue.actors.triggers import encode
from oncue.stores import AddSchedule, Fire, MemoryStore, Overtaken, ReplaceSchedule, ScheduleRow
from oncue.testing import VirtualClock
from tests.flow.cluster import Cluster, NodeQueue
from tests.flow.kit import ok, task

WEEK_S = 7 * 86_400.0


async def enqueued(queue: NodeQueue) -> list[TaskData]:
    """The runs that wait, oldest first."""
    return [job.task for job in await queue.get_tasks() if job.task.job_id is not None]


async def plan(store: MemoryStore, row: ScheduleRow, **fields: Any) -> UUID:
    """Put `row` there as another program would, with something else in it."""
    job_id = UUID(int=row.job_id.int ^ 1)
    assert await store.plan([AddSchedule(row=replace(row, job_id=job_id, **fields))]) == [True]
    return job_id


async def row_of(cluster: Cluster, job_id: UUID) -> ScheduleRow:
    (view,) = await cluster.store.schedules([job_id])
    return view.row


async def test_each_occurrence_is_enqueued_once_whatever_the_number_of_nodes(
    clock: VirtualClock,
) -> None:
    """D3.1."""
    cluster = Cluster(clock)
    a, b, c = (cluster.node(name) for name in "abc")
    async with a, b, c:
        job_id = await a.add_interval_job("nobody's", seconds=7, max_instances=1000)
        await anyio.sleep(701)
        runs = await enqueued(c)
        fired = [node.metrics["fired_runs"] for node in (a, b, c)]
    assert Counter(run.scheduled_at for run in runs).most_common(1)[0][1] == 1
    assert len(runs) == sum(fired) == 100
    moments = [run.scheduled_at for run in runs if run.scheduled_at is not None]
    assert [later - sooner for sooner, later in pairwise(moments)] == [timedelta(seconds=7)] * 99
    assert [run.task_id for run in runs] == [occurrence_id(job_id, each) for each in moments]


async def test_a_node_that_comes_later_fires_what_is_due_when_all_others_have_gone(
    clock: VirtualClock,
) -> None:
    cluster = Cluster(clock)
    async with cluster.node("a") as a:
        await a.add_interval_job("nobody's", minutes=1, coalesce=False, max_instances=1000)
    await anyio.sleep(600)
    async with cluster.node("b") as b:
        await anyio.sleep(1)
        assert len(await enqueued(b)) == 10


async def test_a_job_added_without_a_scheduler_is_found_within_a_poll(clock: VirtualClock) -> None:
    cluster = Cluster(clock)
    async with cluster.node("a") as a, cluster.queue(queues=[]) as client:
        assert (a.scheduler_running, client.scheduler_running) == (True, False)
        await anyio.sleep(0.05)
        await client.add_interval_job("nobody's", seconds=0.1, max_instances=1000)
        await anyio.sleep(1.1)
        assert len(await enqueued(a)) >= 1


async def test_what_is_not_understood_is_kept_told_of_and_blocks_nobody(
    clock: VirtualClock,
) -> None:
    """D3.4."""
    cluster = Cluster(clock)
    node = cluster.node("a")
    with capture_logs() as logs:
        async with node:
            good = await node.add_interval_job("nobody's", seconds=5, max_instances=1000)
            row = await row_of(cluster, good)
            first = row.next_run_at
            assert first is not None
            lunar = await plan(cluster.store, row, trigger='{"type": "lunar"}', next_run_at=first)
            await anyio.sleep(61)
            job = await node.get_job(lunar)
            assert job is not None
            assert job.trigger is None
            assert "lunar" in (job.problem or "")
            assert job.next_run_time == first
            assert len(await enqueued(node)) == 12
            (warning,) = [w for w in (await node.health_check())["warnings"] if "lunar" in w]
            assert str(lunar) in warning
            assert await node.pause_job(lunar)
            assert await node.reschedule_job(lunar, job_trigger_of(await node.get_job(good)))
            assert await node.resume_job(lunar)
            await anyio.sleep(10)
            warnings = (await node.health_check())["warnings"]
            assert not any("lunar" in warning for warning in warnings)
    told = [line for line in logs if line["event"] == "schedule_not_understood"]
    assert [line["job_id"] for line in told] == [str(lunar)]


def job_trigger_of(job: Any) -> Any:
    assert job is not None
    return job.trigger


async def test_a_template_that_is_not_understood_is_left_out_and_kept(clock: VirtualClock) -> None:
    cluster = Cluster(clock)
    async with cluster.node("a") as node:
        good = await node.add_interval_job("nobody's", seconds=5)
        bad = await plan(cluster.store, await row_of(cluster, good), task=b'{"task_kind": 1}')
        await anyio.sleep(6)
        assert [job.id for job in await node.get_schedules()] == [good]
        assert any(str(bad) in w for w in (await node.health_check())["warnings"])
        assert len(await cluster.store.schedules()) == 2


async def test_a_catch_up_is_bounded_and_holds_up_no_other_job(clock: VirtualClock) -> None:
    """D3.3. A week of every second is 604 800 runs, of which an hour's are within the grace."""
    cluster = Cluster(clock)
    async with cluster.node("a") as node:
        busy = await node.add_interval_job(
            "nobody's", seconds=1, coalesce=False, max_instances=100_000
        )
        calm = await node.add_interval_job("nobody's", hours=1)
    cluster.ahead_s = WEEK_S
    async with cluster.node("b") as node:
        await anyio.sleep(0.001)
        await node.pause_job(busy)  # it has come through in no time at all
        runs = await enqueued(node)
        missed = node.metrics["missed_runs"]
    of = Counter(run.job_id for run in runs)
    assert of[calm] == 1
    assert 3600 <= of[busy] <= 3602
    assert missed == 1000


async def test_a_jitter_holds_a_run_up_and_moves_no_occurrence(clock: VirtualClock) -> None:
    cluster = Cluster(clock)
    async with cluster.node("a") as node:
        await node.add_interval_job("nobody's", minutes=1, jitter=30, max_instances=1000)
        await anyio.sleep(601)
        jobs = [job for job in await node.get_tasks() if job.task.job_id is not None]
    runs = sorted((job.task.scheduled_at, job.next_run_time) for job in jobs)
    moments = [moment for moment, _ in runs if moment]
    assert {b - a for a, b in pairwise(moments)} == {timedelta(minutes=1)}
    waits = [(at - moment).total_seconds() for moment, at in runs if at and moment]
    assert len(waits) == 10
    assert 0 <= min(waits) < max(waits) <= 30
    assert len(set(waits)) > 1


async def test_without_the_store_a_schedule_waits_and_goes_on_by_itself(
    clock: VirtualClock,
) -> None:
    cluster = Cluster(clock)
    node = cluster.node("a", cluster_heartbeat_interval=1000)
    async with node:
        await node.add_interval_job("nobody's", seconds=10, coalesce=False, max_instances=1000)
        await anyio.sleep(35)
        node.link.is_cut = True
        await anyio.sleep(40)
        node.link.is_cut = False
        await anyio.sleep(1)
        assert len(await enqueued(node)) == 7


async def test_a_run_is_a_task_like_any_other(clock: VirtualClock) -> None:
    cluster = Cluster(clock)

    async def fails(task: TaskData) -> None:
        raise ValueError("no")

    async with cluster.node("a") as node:
        node.register_handler("fails", fails)
        job_id = await node.add_interval_job("fails", seconds=10, max_retries=0)
        await anyio.sleep(11)
        ((dead, _),) = await node.get_dead_letter_tasks()
        assert dead.job_id == job_id
        assert await node.retry_dead_letter_task(dead.task_id)
        node.register_handler("fails", ok)
        assert (await node.wait(dead.task_id, 60)).result == "done"


async def test_a_unique_key_skips_the_run_of_which_one_is_live(clock: VirtualClock) -> None:
    cluster = Cluster(clock)
    async with cluster.node("a") as node:
        await node.enqueue(task("nobody's", unique_key="only one"))
        await node.add_interval_job("nobody's", seconds=10, unique_key="only one")
        await anyio.sleep(35)
        assert node.metrics["skipped_runs"] == 3
        assert await enqueued(node) == []


async def test_who_always_comes_second_is_told(clock: VirtualClock) -> None:
    """D3.5."""
    cluster = Cluster(clock)
    node = cluster.node("a")
    async with node:
        job_id = await node.add_cron_job("nobody's", "@yearly")

        async def change_it(call: str, answer: Any) -> None:
            if call == "schedules":
                (view,) = answer
                row = replace(view.row, name=f"{view.row.name}'")
                await cluster.store.plan([ReplaceSchedule(row=row, version=view.version)])

        node.link.after = change_it
        with pytest.raises(JobContested):
            await node.modify_job(job_id, payload={"n": 1})


async def test_a_long_catch_up_is_one_for_max_instances(clock: VirtualClock) -> None:
    """D3.6. What was enqueued of it does not stand in the way of the rest."""
    cluster = Cluster(clock)
    async with cluster.node("a") as node:
        await node.add_interval_job(
            "nobody's", minutes=1, coalesce=False, misfire_grace_time=None, max_instances=1
        )
    cluster.ahead_s = 250 * 60
    async with cluster.node("b") as node:
        await anyio.sleep(1)
        assert len(await enqueued(node)) == 250
        assert node.metrics["skipped_runs"] == 0
        await anyio.sleep(60)
        assert node.metrics["skipped_runs"] == 1


async def test_who_is_overtaken_in_a_catch_up_looks_again_at_its_next_poll(
    clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """D3.3. Another may be stuck in it: to look at once, and again, would be a loop."""
    cluster, tries = Cluster(clock), 0

    async def fire(_: MemoryStore, fires: Sequence[Fire]) -> list[Overtaken]:
        nonlocal tries
        tries += 1
        return [Overtaken() for _ in fires]

    async with cluster.node("a") as node:
        await node.add_interval_job("nobody's", minutes=1, coalesce=False, misfire_grace_time=None)
    monkeypatch.setattr(MemoryStore, "fire", fire)
    cluster.ahead_s = 250 * 60
    async with cluster.node("b") as node:
        await anyio.sleep(10 * node.settings.poll_interval)
    assert 10 <= tries <= 15


async def test_many_that_catch_up_take_turns_with_others(clock: VirtualClock) -> None:
    """D3.3."""
    cluster = Cluster(clock)
    async with cluster.node("a") as node:
        for _ in range(20):
            await node.add_interval_job(
                "nobody's", seconds=1, coalesce=False, misfire_grace_time=None, max_instances=9999
            )
    cluster.ahead_s = 1000
    node = cluster.node("b")
    fired: list[int] = []

    async def count(call: str, answer: Any) -> None:
        if call == "fire":
            fired.append(sum(len(getattr(outcome, "outcomes", ())) for outcome in answer))

    node.link.after = count
    async with node:
        await anyio.sleep(0.5)
        assert sum(fired) >= 20 * 1000
        assert max(fired) <= 1000


async def test_nothing_is_fired_while_the_queue_drains(clock: VirtualClock) -> None:
    cluster = Cluster(clock)
    node = cluster.node("a")

    async def slow(task: TaskData) -> None:
        await anyio.sleep(20)

    node.register_handler("slow", slow)
    async with node:
        await node.add_interval_job("nobody's", seconds=1, max_instances=1000)
        await node.enqueue(task("slow"))
        await anyio.sleep(5.5)
    assert node.metrics["fired_runs"] == 5


async def test_a_time_that_has_run_is_not_run_again_and_told(clock: VirtualClock) -> None:
    cluster = Cluster(clock)
    async with cluster.node("a") as node:
        node.register_handler("ok", ok)
        job_id = await node.add_interval_job("ok", seconds=10)
        await anyio.sleep(11)
        (moment,) = [clock.now().replace(second=10, microsecond=0)]
        with capture_logs() as logs:
            await node.modify_job(job_id, next_run_time=moment)
            await anyio.sleep(1)
        assert (node.metrics["fired_runs"], node.metrics["skipped_runs"]) == (1, 1)
    (line,) = [line for line in logs if line["event"] == "run_skipped"]
    assert line["reason"] == "it has run before"


async def test_an_add_whose_answer_was_lost_may_be_repeated(clock: VirtualClock) -> None:
    cluster = Cluster(clock)
    async with cluster.node("a") as node:
        job_id = await node.add_cron_job("nobody's", "@daily")
        assert await node.add_cron_job("nobody's", "@daily", task_id=job_id) == job_id
        with pytest.raises(DuplicateJob):
            await node.add_cron_job("nobody's", "@weekly", task_id=job_id)


async def test_who_resumes_takes_nothing_away_that_was_changed_meanwhile(
    clock: VirtualClock,
) -> None:
    """D3.5."""
    cluster = Cluster(clock)
    node = cluster.node("a")
    async with node:
        end = clock.now() + timedelta(minutes=1)
        job_id = await node.add_interval_job("nobody's", seconds=10, end_date=end)
        later = job_trigger_of(
            await node.get_job(await node.add_interval_job("nobody's", seconds=10))
        )
        await node.pause_job(job_id)
        await anyio.sleep(120)  # its trigger has come to its end
        changed: list[bool] = []

        async def reschedule(call: str, answer: Any) -> None:
            if call == "schedules" and not changed:
                changed.append(True)
                (view,) = answer
                row = replace(view.row, trigger=encode(later))
                await cluster.store.plan([ReplaceSchedule(row=row, version=view.version)])

        node.link.after = reschedule
        assert await node.resume_job(job_id)
        job = await node.get_job(job_id)
        assert job is not None
        assert (job.paused, changed) == (False, [True])
        await node.modify_job(job_id, next_run_time=None)
        await node.reschedule_job(job_id, later)


async def test_a_job_that_has_come_to_its_end_is_taken_away_by_who_resumes_it(
    clock: VirtualClock,
) -> None:
    cluster = Cluster(clock)
    async with cluster.node("a") as node:
        end = clock.now() + timedelta(minutes=1)
        job_id = await node.add_interval_job("nobody's", seconds=10, end_date=end)
        await node.pause_job(job_id)
        await anyio.sleep(120)
        assert await node.resume_job(job_id)
        assert await node.get_job(job_id) is None
        assert await enqueued(node) == []
