"""Values become bytes once and come back once, and nothing aliases."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from pydantic import BaseModel

from oncue.stores import (
    ClaimedTask,
    TaskData,
    TaskPriority,
    TaskStatus,
    TaskView,
    clip_error,
    decode_claimed,
    decode_task,
    decode_view,
    encode_result,
    encode_task,
)
from oncue.stores.codec import ERROR_LENGTH_MAX, RESULT_BYTES_MAX

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_a_task_comes_back_as_it_went() -> None:
    task = TaskData(
        task_type="send",
        queue_name="mail",
        payload={"to": ["ada"], "n": 2**70, "x": 0.1, "z": None},
        priority=TaskPriority.HIGH,
        scheduled_at=NOW,
        delay=2.5,
        timeout=None,
        tags={"team": "x"},
        unique_key="k",
        job_id=uuid4(),
    )
    back = decode_task(encode_task(task), task.retry_count)
    assert back == task
    assert back.model_dump() == task.model_dump()
    assert back.model_dump_json() == task.model_dump_json()
    assert repr(back) == repr(task)
    assert back.model_copy(update={"retry_count": 1}).retry_count == 1


def test_a_claimed_task_has_the_present_retry_count() -> None:
    row = encode_task(TaskData(task_type="send"), trace="t-1")
    claimed = ClaimedTask(row=row, lease=1, retry_count=2, run_at=NOW, started_at=NOW)
    assert decode_claimed(claimed).retry_count == 2
    assert (claimed.attempt, claimed.row.trace) == (3, "t-1")


def test_rows_and_tasks_share_nothing() -> None:
    task = TaskData(task_type="send", payload={"list": [1]})
    row = encode_task(task)
    task.payload["list"].append(2)
    one, two = decode_task(row, 0), decode_task(row, 0)
    one.payload["list"].append(3)
    assert two.payload == {"list": [1]}
    assert one.model_fields_set == two.model_fields_set


def test_a_payload_spoiled_after_the_task_was_made_is_refused_by_name() -> None:
    task = TaskData(task_type="send", payload={"a": 1})
    task.payload["a"] = object()
    with pytest.raises(ValueError, match="payload"):
        encode_task(task)


@pytest.mark.parametrize("value", [object(), float("nan"), "x" * RESULT_BYTES_MAX, lambda: 1])
def test_a_result_that_is_no_json_is_refused_by_name(value: object) -> None:
    with pytest.raises(ValueError, match="result"):
        encode_result(value)


class Receipt(BaseModel):
    number: int


@pytest.mark.parametrize(
    ("value", "expected"),
    [(None, None), (3, 3), ("é", "é"), ((1, 2), [1, 2]), (Receipt(number=7), {"number": 7})],
)
def test_a_result_comes_back_as_json_reads(value: object, expected: object) -> None:
    view = TaskView(
        task_id=uuid4(),
        queue_name="default",
        status=TaskStatus.COMPLETED,
        retry_count=0,
        result=encode_result(value),
    )
    assert decode_view(view).result == expected


def test_next_retry_is_told_only_while_a_retry_waits() -> None:
    later = NOW + timedelta(seconds=9)
    views = [
        TaskView(task_id=uuid4(), queue_name="default", status=status, retry_count=1, run_at=later)
        for status in (TaskStatus.RETRYING, TaskStatus.PROCESSING)
    ]
    assert [decode_view(view).next_retry_at for view in views] == [later, None]


def test_an_error_text_is_cut_at_the_front_and_can_always_be_written() -> None:
    assert clip_error("boom") == "boom"
    clipped = clip_error("x" * (ERROR_LENGTH_MAX * 2) + "the reason")
    assert (len(clipped), clipped[0], clipped[-10:]) == (ERROR_LENGTH_MAX, "…", "the reason")
    assert clip_error("a\0b\ud800") == "a\\0b\\ud800"
