"""The commands on a store, as a shell runs them; on SQLite, a file."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import anyio
import pytest
import structlog
from typer.testing import CliRunner, Result

from oncue import TaskData, open_queue
from oncue.cli import app
from tests.oncue.kit import Folder


class Shell:
    """Runs `oncue ... --store URL`."""

    def __init__(self, store: str) -> None:
        self.store = store

    def __call__(self, *arguments: str, store: bool = True, text: str | None = None) -> Result:
        more = ("--store", self.store) if store else ()
        return CliRunner().invoke(app, [*arguments, *more], input=text)

    def json(self, *arguments: str) -> Any:
        result = self(*arguments, "--json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    def work(self) -> None:
        """Run what is there, with one handler that returns and one that fails."""
        anyio.run(self._work)

    async def _work(self) -> None:
        queue = open_queue(self.store)

        async def returns(task: TaskData) -> Any:
            return task.payload

        async def fails(task: TaskData) -> None:
            raise ValueError("no\nsecond line")

        queue.register_handler("returns", returns)
        queue.register_handler("fails", fails)
        async with queue:
            with anyio.fail_after(10):
                for job in await queue.get_jobs():
                    await queue.wait(job.id)


@pytest.fixture(autouse=True)
def structlog_as_it_was() -> Iterator[None]:
    """The commands silence it."""
    yield
    structlog.reset_defaults()


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(f"sqlite:///{tmp_path}/tasks.db")


def enqueue(shell: Shell, *arguments: str) -> str:
    task_id: str = shell.json("enqueue", *arguments)["task_id"]
    return task_id


def test_a_task_is_enqueued_looked_at_and_found_when_it_has_ended(shell: Shell) -> None:
    task_id = enqueue(shell, "returns", '{"n": 1}', "--queue", "mail", "--priority", "high")
    [listed] = shell.json("tasks")
    assert listed["id"] == task_id
    assert (listed["task"]["priority"], listed["task"]["payload"]) == (10, {"n": 1})
    [queue] = shell.json("queues")
    assert (queue["name"], queue["pending_tasks"], queue["paused"]) == ("mail", 1, False)
    shown = shell.json("tasks", task_id)
    assert (shown["status"], shown["job"]["task"]["queue_name"]) == ("pending", "mail")
    shell.work()
    shown = shell.json("tasks", task_id)
    assert (shown["status"], shown["result"]) == ("completed", {"n": 1})
    assert shell.json("tasks") == []


def test_people_get_a_table(shell: Shell) -> None:
    task_id = shell("enqueue", "returns", "--delay", "60").stdout.strip()
    assert "returns" in shell("tasks", "--limit", "5").stdout
    assert "default" in shell("queues").stdout
    shown = shell("tasks", task_id).stdout
    assert "status: pending" in shown
    assert "task_type: returns" in shown
    assert task_id in shell("tasks").stdout
    assert shell("dead-letters", "list").stdout == "no dead letters\n"


def test_a_payload_may_come_from_standard_input(shell: Shell) -> None:
    result = shell("enqueue", "returns", "-", "--json", text='{"from": "a pipe"}')
    assert result.exit_code == 0
    [listed] = shell.json("tasks")
    assert listed["task"]["payload"] == {"from": "a pipe"}


def test_dead_letters_are_listed_shown_retried_and_purged(shell: Shell) -> None:
    task_id = enqueue(shell, "fails", "--max-retries", "0")
    other = enqueue(shell, "fails", "--max-retries", "0", "--queue", "other")
    shell.work()
    letters = shell.json("dead-letters", "list")
    assert {each["task"]["task_id"] for each in letters} == {other, task_id}
    assert letters[0]["result"]["error"] == "ValueError: no\nsecond line"
    assert "ValueError: no" in shell("dead-letters", "list").stdout
    assert shell.json("dead-letters", "show", task_id)["result"]["status"] == "dead_letter"
    assert "task_type: fails" in shell("dead-letters", "show", task_id).stdout
    [only] = shell.json("dead-letters", "list", "--queue", "other")
    assert only["task"]["task_id"] == other
    assert shell.json("dead-letters", "retry", task_id) == {"retried": 1, "not_retried": []}
    again = shell("dead-letters", "retry", task_id, "--json")
    assert (again.exit_code, json.loads(again.stdout)["not_retried"]) == (1, [task_id])
    assert shell.json("tasks", task_id)["status"] == "pending"
    shell.work()
    assert shell.json("dead-letters", "retry", "--all") == {"retried": 2}
    shell.work()
    assert shell.json("dead-letters", "purge", "--older-than", "3600") == {"purged": 0}
    assert shell.json("dead-letters", "purge", "--all") == {"purged": 2}


def test_enqueue_waits_for_the_end_and_its_exit_status_says_which(shell: Shell) -> None:
    given = str(uuid4())
    assert enqueue(shell, "returns", '{"n": 2}', "--task-id", given) == given
    shell.work()
    result = shell("enqueue", "returns", "--task-id", given, "--wait", "5")
    assert (result.exit_code, given in result.stdout) == (0, True)
    waiting = shell("enqueue", "nobody", "--wait", "0.2")
    assert waiting.exit_code == 1
    assert "has not ended within 0.2 s" in waiting.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["enqueue", "x", "{"], "the payload is no JSON"),
        (["enqueue", "x", "[1]"], "payload"),
        (["enqueue", "x", "--priority", "hihg"], "the nearest is high"),
        (["enqueue", "x", "--delay", "-1"], "delay"),
        (["enqueue", "x", "--task-id", "7"], "task_id"),
        (["tasks", "nonsense"], "must be a UUID"),
        (["tasks", "--limit", "9" * 23], "oncue tasks: limit must be 0 to 2147483647"),
        (["dead-letters", "retry"], "name some, or give --all"),
        (["dead-letters", "purge"], "say --older-than SECONDS, or give --all"),
    ],
)
def test_what_cannot_be_carried_out_says_why_and_exits_with_2(
    shell: Shell, arguments: list[str], says: str
) -> None:
    assert shell("migrate").exit_code == 0
    result = shell(*arguments)
    assert (result.exit_code, says in result.stderr) == (2, True), result.stderr
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""


def test_what_the_store_refuses_exits_with_1(shell: Shell) -> None:
    enqueue(shell, "returns", "--unique-key", "k")
    taken = shell("enqueue", "returns", "--unique-key", "k")
    assert (taken.exit_code, "'k'" in taken.stderr) == (1, True)
    unknown = shell("tasks", str(uuid4()))
    assert (unknown.exit_code, "is known here" in unknown.stderr) == (1, True)
    letter = shell("dead-letters", "show", str(uuid4()))
    assert (letter.exit_code, "no dead letter" in letter.stderr) == (1, True)


def test_a_store_that_cannot_be_reached_is_one_line_without_the_password(tmp_path: Path) -> None:
    result = Shell("postgresql://me:secret@127.0.0.1:1/none")("queues")
    assert result.exit_code == 1
    assert "unavailable (open): connection failed" in result.stderr, result.stderr
    assert "secret" not in result.output
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    "command", [["queues"], ["tasks"], ["dead-letters", "list"], ["dead-letters", "retry", "--all"]]
)
def test_who_looks_makes_no_file(command: list[str], tmp_path: Path) -> None:
    file = tmp_path / "typo.db"
    result = Shell(f"sqlite:///{file}")(*command)
    assert result.exit_code == 1
    assert result.stderr.endswith(f"there is no file {file}; oncue migrate makes one\n")
    assert not file.exists()


def test_the_settings_name_the_store_where_no_url_is_given(folder: Folder, shell: Shell) -> None:
    refused = shell("queues", store=False)
    assert (refused.exit_code, "--store URL" in refused.stderr) == (2, True)
    folder.write("adapters.yaml", "queue: apscheduler")
    folder.write(
        "queue.yaml",
        f"""
        queue:
            job_store_type: sqlalchemy
            job_store_url: {shell.store}
            queues: [mail]
        """,
    )
    result = shell("enqueue", "returns", "--json", store=False)
    assert result.exit_code == 0, result.stderr
    [listed] = shell.json("tasks")
    assert listed["id"] == json.loads(result.stdout)["task_id"]


def test_migrate_makes_the_tables_and_says_their_version(shell: Shell) -> None:
    assert shell.json("migrate")["schema_version"] >= 1
    assert "version" in shell("migrate").stdout
