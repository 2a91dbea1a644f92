"""Handlers: what a function gets, where it runs, and who finds it."""

from datetime import UTC, datetime
from enum import Enum
from functools import partial
from typing import Annotated, Any
from uuid import UUID

import pytest
from pydantic import BaseModel, ConfigDict, Field

from oncue import TaskData, TaskHandler, TaskStatus, task_handler
from oncue.actors import FunctionHandler, Handlers, PayloadError
from oncue.stores import decode_claimed
from oncue.testing import VirtualClock
from tests.actors.kit import claimed
from tests.flow.kit import make_queue, task


class Mail(BaseModel):
    to: str
    copies: Annotated[int, Field(ge=1)] = 1


async def takes_mail(mail: Mail) -> str:
    return f"{mail.copies} to {mail.to}"


async def takes_task(task: TaskData) -> None: ...
async def takes_anything(task):  # type: ignore[no-untyped-def]  # pyright: ignore
    return task.task_type  # pyright: ignore


async def takes_two(to: str, subject: str) -> None: ...
def takes_by_name(task: TaskData, *, subject: str) -> None: ...
def takes_all_by_name(*, task: TaskData) -> None: ...
def takes_one_and_defaults(mail: Mail, copies: int = 2, *names: str, subject: str = "") -> str:
    return f"{copies} to {mail.to}"


def plain(task: TaskData) -> str:
    return "plain"


class Called:
    """An object that is called."""

    async def __call__(self, mail: Mail) -> str:
        return mail.to


def test_a_parameter_that_is_a_task_or_says_nothing_gets_the_task() -> None:
    one = task()
    assert FunctionHandler("x", takes_task).argument(one) is one
    assert FunctionHandler("x", takes_anything).argument(one) is one  # pyright: ignore


def test_another_annotation_gets_the_payload_as_that_type() -> None:
    handler = FunctionHandler("x", takes_mail)
    assert handler.argument(task(payload={"to": "ada"})) == Mail(to="ada")


class Kind(Enum):
    URGENT = "urgent"


class Strict(BaseModel):
    model_config = ConfigDict(strict=True)

    at: datetime
    by: UUID
    kind: Kind
    rows: tuple[int, ...]


async def takes_strict(order: Strict) -> None: ...


def test_a_strict_model_is_validated_as_the_json_that_the_payload_is() -> None:
    """From a Python dict it would take no text for a date, an id or a member."""
    handler = FunctionHandler("x", takes_strict)
    order = Strict(at=datetime(2026, 1, 1, tzinfo=UTC), by=UUID(int=7), kind=Kind.URGENT, rows=(1,))
    given = task(payload=order.model_dump(mode="json"))
    travelled = decode_claimed(claimed(payload=order.model_dump()))
    assert handler.argument(given) == handler.argument(travelled) == order
    with pytest.raises(PayloadError, match=r"rows\.0: Input should be a valid integer"):
        handler.argument(task(payload={**given.payload, "rows": ["1"]}))


def test_other_parameters_keep_their_defaults() -> None:
    handler = FunctionHandler("x", takes_one_and_defaults)
    assert handler(handler.argument(task(payload={"to": "ada"}))) == "2 to ada"


def test_a_payload_that_does_not_fit_names_the_fields() -> None:
    handler = FunctionHandler("send", takes_mail)
    with pytest.raises(PayloadError) as caught:
        handler.argument(task(payload={"copies": 0}))
    assert str(caught.value) == (
        "payload of 'send' does not fit its handler: to: Field required; "
        "copies: Input should be greater than or equal to 1"
    )


async def test_such_a_task_is_a_dead_letter_at_once(clock: VirtualClock) -> None:
    """With the field errors, and without asking whether to retry."""
    queue = make_queue(clock)
    queue.register_handler("send", takes_mail)
    async with queue:
        bad, good = await queue.enqueue_many(
            [task("send", max_retries=9), task("send", payload={"to": "ada"})]
        )
        result = await queue.wait(bad)
        assert (result.status, result.retry_count) == (TaskStatus.DEAD_LETTER, 0)
        assert "to: Field required" in (result.error or "")
        assert (await queue.wait(good)).result == "1 to ada"


@pytest.mark.parametrize("function", [Called(), partial(takes_mail)], ids=["object", "partial"])
async def test_whatever_can_be_called_is_a_handler(clock: VirtualClock, function: Any) -> None:
    """An object or a partial is looked through, to what it annotates and whether it is async."""
    queue = make_queue(clock)
    queue.register_handler("send", function)
    async with queue:
        task_id = await queue.enqueue(task("send", payload={"to": "ada"}))
        assert "ada" in (await queue.wait(task_id)).result
    handler = queue.get_handler("send")
    assert isinstance(handler, FunctionHandler)
    assert handler.executor == "async"


def test_async_functions_run_in_the_loop_and_plain_ones_in_threads() -> None:
    assert FunctionHandler("x", takes_task).executor == "async"
    assert FunctionHandler("x", plain).executor == "thread"
    assert FunctionHandler("x", plain, "process").executor == "process"


@pytest.mark.parametrize(
    ("function", "executor", "why"),
    [
        (takes_task, "thread", "is async and runs in the event loop"),
        (takes_task, "process", "is async and runs in the event loop"),
        (lambda task: None, "process", "cannot be found by name"),  # pyright: ignore
        (plain, "fibre", "must be one of async, thread, process"),
        (lambda: None, None, r"<lambda>\(\) is no handler: it gets one argument"),
        (takes_two, None, r"takes_two\(to: str, subject: str\) .* required argument: 'subject'"),
        (takes_by_name, None, r"give other parameters defaults, or take one model that has them"),
        (takes_all_by_name, None, "is no handler"),
        (partial(takes_two), None, "is no handler"),
    ],
)
def test_what_cannot_work_is_refused_when_it_is_declared(
    function: Any, executor: Any, why: str
) -> None:
    with pytest.raises((ValueError, TypeError), match=why):
        FunctionHandler("x", function, executor)


def test_a_decorated_function_is_still_called_like_one() -> None:
    handler = task_handler("x")(plain)
    assert handler(task()) == "plain"
    assert handler.task_type == "x"


def test_a_registry_finds_what_was_registered_last() -> None:
    handlers = Handlers()
    handlers.register("x", plain)
    handlers.register("x", takes_task)
    found = handlers.get("x")
    assert isinstance(found, FunctionHandler)
    assert found.function is takes_task
    assert list(handlers) == ["x"]
    assert handlers.task_types == {"x"}
    assert handlers.unregister("x")
    assert not handlers.unregister("x")
    assert (handlers.get("x"), handlers.task_types) == (None, frozenset())


@pytest.mark.parametrize(("name", "handler"), [("", plain), ("x", 3)])
def test_what_is_no_handler_is_not_registered(name: str, handler: Any) -> None:
    with pytest.raises((ValueError, TypeError)):
        Handlers().register(name, handler)


class Counting(TaskHandler):
    def __init__(self) -> None:
        self.seen = 0

    async def handle(self, task: TaskData) -> int:
        self.seen += 1
        return self.seen


async def test_one_instance_serves_all_tasks_of_its_type(clock: VirtualClock) -> None:
    queue = make_queue(clock)
    queue.register_handler("counts", Counting())
    async with queue:
        ids = await queue.enqueue_many([task("counts") for _ in range(3)])
        assert {(await queue.wait(task_id)).result for task_id in ids} == {1, 2, 3}


def test_the_decorator_needs_its_task_type() -> None:
    """Without parentheses it would register what decorates, and not the function."""
    with pytest.raises(TypeError, match=r'@task_handler\("..."\) over'):
        task_handler(lambda task: None)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
