"""Looking inside: jobs, metrics, health."""

import anyio
from structlog.testing import capture_logs

from oncue.testing import VirtualClock
from tests.flow.kit import fails, make_queue, ok, settled, task


async def test_metrics_count_attempts_and_say_the_rates_of_a_minute(clock: VirtualClock) -> None:
    async with make_queue(clock, max_workers=4) as queue:
        queue.register_handler("ok", ok)
        queue.register_handler("fails", fails)
        await queue.enqueue_many([task() for _ in range(30)])
        await queue.enqueue(task("fails", max_retries=1, retry_delay=0.1))
        await queue.enqueue(task("nobody's"))
        await anyio.sleep(5)
        metrics = queue.metrics
        assert metrics["completed_tasks"] == 30
        assert (metrics["failed_attempts"], metrics["retried_attempts"]) == (2, 1)
        assert (metrics["pending_tasks"], metrics["dead_letter_tasks"]) == (1, 1)
        assert (metrics["workers_active"], metrics["workers_idle"]) == (0, 4)
        assert metrics["error_rate"] == 2 / 32
        assert metrics["throughput"] == 30 / 6
        await anyio.sleep(120)
        assert queue.metrics["throughput"] == 0


async def test_health_says_which_types_wait_for_a_handler(clock: VirtualClock) -> None:
    """So does the log, once until it changes."""
    queue = make_queue(clock)
    with capture_logs() as logs:
        async with queue:
            await queue.enqueue_many([task("b"), task("a"), task("b")])
            health = await queue.health_check()
            assert health["healthy"]
            assert [warning.partition(":")[0] for warning in health["warnings"]] == [
                "1 tasks of type 'a' wait",
                "2 tasks of type 'b' wait",
            ]
            await anyio.sleep(10)
            queue.register_handler("a", ok)
            queue.register_handler("b", ok)
            await settled(queue)
            assert (await queue.health_check())["warnings"] == []
    told = [(line["task_type"], line["waiting"]) for line in logs if "unhandled" in line["event"]]
    assert told == [("a", 1), ("b", 2)]


async def test_health_warns_before_the_memory_is_full(clock: VirtualClock) -> None:
    async with make_queue(clock, max_memory_usage=1000) as queue:
        await queue.enqueue(task(payload={"k": "x" * 912}))
        health = await queue.health_check()
        assert health["memory_queue"]["memory_usage"] == 920
        assert health["memory_queue"]["memory_usage_percent"] == 92
        assert "92 percent of max_memory_usage" in health["warnings"][-1]
