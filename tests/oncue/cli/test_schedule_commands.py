"""The commands on schedules, as a shell runs them; on SQLite, a file."""

from pathlib import Path

import anyio
import pytest

from oncue import open_queue
from oncue.adapters.scheduled import ScheduledQueue
from tests.oncue.cli.test_store_commands import Shell, structlog_as_it_was

__all__ = ["structlog_as_it_was"]


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(f"sqlite:///{tmp_path}/tasks.db")


def add(shell: Shell, expression: str = "30 9 * * mon-fri") -> str:
    """A job, by its id."""

    async def work() -> str:
        async with open_queue(shell.store, queues=[]) as queue:
            assert isinstance(queue, ScheduledQueue)
            job_id = await queue.add_cron_job(
                "send", expression, timezone="Europe/Berlin", payload={"to": "ada"}, name="mail"
            )
            return str(job_id)

    return anyio.run(work)


def test_schedules_are_listed_with_their_trigger_and_next_run(shell: Shell) -> None:
    job_id = add(shell)
    (about,) = shell.json("schedules", "list")
    assert (about["id"], about["name"], about["paused"]) == (job_id, "mail", False)
    assert about["trigger"].startswith("cron 30 9 * * mon-fri Europe/Berlin")
    assert about["task"]["payload"] == {"to": "ada"}
    text = shell("schedules", "list").stdout
    assert job_id in text
    assert "Europe/Berlin" in text
    assert shell.json("tasks") == []


def test_the_next_runs_are_shown_in_utc(shell: Shell) -> None:
    job_id = add(shell)
    moments = shell.json("schedules", "next", job_id, "--count", "3")
    assert len(set(moments)) == 3
    assert all(moment.endswith(":30:00Z") for moment in moments)
    assert len(shell("schedules", "next", job_id).stdout.splitlines()) == 10


def test_a_job_is_paused_resumed_and_run(shell: Shell) -> None:
    job_id = add(shell)
    assert shell.json("schedules", "pause", job_id) == {"id": job_id, "paused": True}
    assert shell.json("schedules", "list")[0]["next_run_time"] is None
    assert shell("schedules", "next", job_id).stdout == "paused\n"
    assert shell("schedules", "pause", job_id).exit_code == 1
    assert shell("schedules", "resume", job_id).stdout == f"{job_id} resumed\n"
    assert shell("schedules", "run", job_id).stdout == f"{job_id} run\n"
    (task,) = shell.json("tasks")
    assert task["task"]["job_id"] == job_id


def test_what_is_not_known_exits_with_1_and_says_so(shell: Shell) -> None:
    shell("migrate")
    unknown = "00000000-0000-0000-0000-000000000000"
    for command in ("next", "pause", "resume", "run"):
        result = shell("schedules", command, unknown)
        assert result.exit_code == 1
        assert unknown in result.stderr
