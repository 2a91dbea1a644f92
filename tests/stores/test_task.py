"""The task model: what is valid, and that what is not is refused by name."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from pydantic import BaseModel, ValidationError

from oncue.stores import TaskData, TaskPriority, TaskResult, TaskStatus, clock
from oncue.stores.task import NAME_LENGTH_MAX, PAYLOAD_BYTES_MAX, SECONDS_MAX


def nested(depth: int) -> object:
    value: object = 1
    for _ in range(depth):
        value = [value]
    return value


def circular() -> dict[str, Any]:
    value: dict[str, Any] = {}
    value["self"] = value
    return value


def test_a_task_needs_only_a_type() -> None:
    task = TaskData(task_type="send")
    assert task.model_dump(exclude={"task_id", "created_at"}) == {
        "task_type": "send",
        "queue_name": "default",
        "payload": {},
        "priority": TaskPriority.NORMAL,
        "max_retries": 3,
        "retry_count": 0,
        "retry_delay": 1.0,
        "delay": 0.0,
        "scheduled_at": None,
        "timeout": 300.0,
        "tags": {},
        "unique_key": None,
        "job_id": None,
    }


def test_priorities_and_statuses_are_the_contract_s() -> None:
    assert {each.name: int(each) for each in TaskPriority} == {
        "LOW": 1,
        "NORMAL": 5,
        "HIGH": 10,
        "CRITICAL": 20,
    }
    assert {str(each) for each in TaskStatus} == {
        "pending",
        "processing",
        "completed",
        "failed",
        "retrying",
        "dead_letter",
        "cancelled",
        "paused",
    }


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("task_type", ""),
        ("task_type", " "),
        ("task_type", " a"),
        ("task_type", "a\n"),
        ("task_type", "a\0b"),
        ("task_type", "a" * (NAME_LENGTH_MAX + 1)),
        ("task_type", "\ud800"),
        ("task_type", 7),
        ("queue_name", ""),
        ("queue_name", None),
        ("unique_key", ""),
        ("payload", [1]),
        ("payload", None),
        ("payload", {"a": object()}),
        ("payload", {"a": float("nan")}),
        ("payload", {"a": {"b": [float("-inf")]}}),
        ("payload", {"a": nested(201)}),
        ("payload", {"a": nested(5000)}),
        ("payload", {"a": "\ud800"}),
        ("payload", circular()),
        ("payload", {"a": "x" * PAYLOAD_BYTES_MAX}),
        ("payload", {1: "a"}),
        ("priority", 7),
        ("priority", "urgent"),
        ("max_retries", -1),
        ("max_retries", 2**31),
        ("retry_count", -1),
        ("retry_delay", -0.1),
        ("retry_delay", float("nan")),
        ("delay", -1),
        ("delay", float("inf")),
        ("delay", SECONDS_MAX * 2),
        ("scheduled_at", "soon"),
        ("timeout", 0),
        ("timeout", -1),
        ("timeout", float("inf")),
        ("tags", {"a": 1}),
        ("tags", {"a": "x" * 20_000}),
        ("task_id", "no-uuid"),
        ("tsak_id", "typo"),
    ],
)
def test_bad_input_is_refused_by_name(field: str, value: object) -> None:
    fields: dict[str, Any] = {"task_type": "send", field: value}
    with pytest.raises(ValueError, match=field):
        TaskData(**fields)


@pytest.mark.parametrize(
    "name", ["a", "mail.send", "日本 kanji", "👩‍🔧", "a" * NAME_LENGTH_MAX, "Ünï/cödé:x"]
)
def test_a_name_may_be_any_printable_text(name: str) -> None:
    task = TaskData(task_type=name, queue_name=name, unique_key=name)
    assert (task.task_type, task.queue_name, task.unique_key) == (name, name, name)


class Mail(BaseModel):
    to: str


@pytest.mark.parametrize(
    "value",
    ["NaN", "Infinity", nested(199), uuid4(), datetime.now(UTC), Decimal("1.5"), Mail(to="ada")],
)
def test_a_payload_may_hold_what_can_be_written_as_json(value: object) -> None:
    TaskData(task_type="send", payload={"value": value})


def test_a_naive_scheduled_at_is_read_as_utc_with_a_warning_at_the_caller() -> None:
    with pytest.warns(UserWarning, match="UTC") as caught:
        task = TaskData(task_type="send", scheduled_at=datetime(2026, 1, 1, 12))
    assert caught[0].filename == __file__
    assert task.scheduled_at == datetime(2026, 1, 1, 12, tzinfo=UTC)


def test_moments_are_kept_in_utc() -> None:
    east = timezone(timedelta(hours=5))
    task = TaskData(task_type="send", scheduled_at=datetime(2026, 1, 1, 12, tzinfo=east))
    assert task.scheduled_at == datetime(2026, 1, 1, 7, tzinfo=UTC)
    assert task.scheduled_at is not None
    assert task.scheduled_at.tzinfo is UTC
    assert task.created_at.tzinfo is UTC


@pytest.mark.parametrize("moment", [datetime.min, datetime(1970, 12, 31), datetime.max])
@pytest.mark.parametrize("hours", [-5, 0, 5])
@pytest.mark.parametrize("field", ["scheduled_at", "created_at"])
def test_a_moment_beyond_what_stores_can_hold_is_refused_by_name(
    field: str, moment: datetime, hours: int
) -> None:
    fields: dict[str, Any] = {field: moment.replace(tzinfo=timezone(timedelta(hours=hours)))}
    with pytest.raises(ValueError, match=field):
        TaskData(task_type="send", **fields)


def test_a_task_cannot_be_changed() -> None:
    task = TaskData(task_type="send")
    with pytest.raises(ValidationError, match="frozen"):
        task.retry_count = 1  # pyright: ignore[reportAttributeAccessIssue]


@dataclass
class Note:
    to: str


@pytest.mark.parametrize(
    ("given", "remedy"),
    [
        (Mail(to="ada"), 'not a Mail: payload=model.model_dump(mode="json")'),
        (Note("ada"), "not a Note: payload=dataclasses.asdict(...)"),
    ],
)
def test_an_object_as_payload_is_refused_with_what_to_say_instead(given: Any, remedy: str) -> None:
    with pytest.raises(ValidationError) as caught:
        TaskData(task_type="send", payload=given)
    [error] = caught.value.errors()
    assert error["loc"] == ("payload",)
    assert error["msg"] == f"Value error, payload must be a dict, {remedy}"


def test_a_task_does_not_share_its_callers_payload() -> None:
    payload = {"a": 1}
    task = TaskData(task_type="send", payload=payload)
    payload["a"] = 2
    assert task.payload == {"a": 1}


def test_ids_and_creation_time_come_through_the_clock_seam(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fixed: Callable[[], UUID] = lambda: UUID(int=7)  # noqa: E731
    monkeypatch.setattr(clock, "new_task_id", fixed)
    monkeypatch.setattr(clock, "utc_now", lambda: datetime(2030, 1, 1, tzinfo=UTC))
    task = TaskData(task_type="send")
    assert (task.task_id, task.created_at.year) == (UUID(int=7), 2030)
    assert clock.SystemStoreClock().now().year == 2030


def test_new_ids_are_version_7_in_the_order_of_time_and_differ() -> None:
    made = [clock.new_task_id() for _ in range(1000)]
    assert len(set(made)) == 1000
    assert {(each.version, each.variant) for each in made} == {(7, "specified in RFC 4122")}
    milliseconds = [each.int >> 80 for each in made]
    assert milliseconds == sorted(milliseconds)
    assert abs(milliseconds[0] / 1000 - datetime.now(UTC).timestamp()) < 60


def test_a_result_needs_only_id_and_status() -> None:
    result = TaskResult(task_id=uuid4(), status=TaskStatus.FAILED, error="no")
    assert (result.result, result.execution_time, result.retry_count) == (None, None, 0)


@pytest.mark.parametrize(
    ("field", "value"), [("execution_time", -1), ("status", "gone"), ("retry_count", -1)]
)
def test_a_bad_result_is_refused_by_name(field: str, value: object) -> None:
    fields: dict[str, Any] = {"task_id": uuid4(), "status": "failed", field: value}
    with pytest.raises(ValueError, match=field):
        TaskResult(**fields)
