"""A context of its own for a coroutine; and whether a context has changed."""

from collections.abc import Awaitable
from contextvars import ContextVar, copy_context

import anyio
import pytest

from oncue.actors.isolated import Isolated, is_unchanged
from oncue.testing import VirtualClock

VARIABLE: ContextVar[object] = ContextVar("VARIABLE")


class Unequal:
    """Cannot be compared, as an array of numpy."""

    def __eq__(self, other: object) -> bool:
        raise ValueError("ambiguous")


async def test_it_returns_raises_and_is_cancelled_as_what_it_runs() -> None:
    seen: list[object] = []

    async def work(how: str) -> str:
        VARIABLE.set(how)
        await anyio.sleep(0.1)
        seen.append(VARIABLE.get())
        if how == "raises":
            raise KeyError(how)
        try:
            await anyio.sleep(1 if how == "returns" else 100)
        finally:
            seen.append(VARIABLE.get())
        return how

    async def isolated(how: str) -> str:
        awaitable: Awaitable[str] = Isolated(work(how))
        return await awaitable

    assert await isolated("returns") == "returns"
    with pytest.raises(KeyError, match="raises"):
        await isolated("raises")
    with anyio.move_on_after(2) as scope:
        await isolated("is cancelled")
    assert scope.cancelled_caught
    assert seen == ["returns", "returns", "raises", "is cancelled", "is cancelled"]
    assert VARIABLE.get("nothing") == "nothing"


async def test_what_it_starts_inherits_its_variables(clock: VirtualClock) -> None:
    """A task group's children, as those of any task; and what it finds is what was there."""
    seen: list[object] = []

    async def child() -> None:
        seen.append(VARIABLE.get())

    async def work() -> None:
        seen.append(VARIABLE.get())
        VARIABLE.set("inside")
        async with anyio.create_task_group() as group:
            group.start_soon(child)
        with clock.hold():
            await anyio.to_thread.run_sync(lambda: seen.append(VARIABLE.get()))

    VARIABLE.set("outside")
    await Isolated(work())
    assert seen == ["outside", "inside", "inside"]
    assert VARIABLE.get() == "outside"


@pytest.mark.parametrize("value", ["another", None, Unequal()])
def test_a_variable_that_was_set_is_seen(value: object) -> None:
    def look() -> None:
        VARIABLE.set(Unequal() if isinstance(value, Unequal) else "one")
        before = copy_context()
        assert is_unchanged(before)
        VARIABLE.set(value)
        assert not is_unchanged(before)

    copy_context().run(look)


def test_a_variable_that_was_set_back_is_as_it_was() -> None:
    def look() -> None:
        before = copy_context()
        token = VARIABLE.set("one")
        VARIABLE.reset(token)
        assert is_unchanged(before)

    copy_context().run(look)
