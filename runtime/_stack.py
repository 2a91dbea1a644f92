"""Where a suspended task stands: the stack of a coroutine from outside."""

import traceback
from collections.abc import Iterator
from types import FrameType
from typing import Any


def format_stack(coro: Any) -> str:
    """The frames of `coro` and of what it awaits, outermost first, as a traceback shows them."""
    summary = traceback.StackSummary.extract((frame, frame.f_lineno) for frame in _frames(coro))
    return "".join(summary.format())


def _frames(awaitable: Any) -> Iterator[FrameType]:
    while awaitable is not None:
        for kind, inner in (("cr", "cr_await"), ("gi", "gi_yieldfrom"), ("ag", "ag_await")):
            frame = getattr(awaitable, f"{kind}_frame", None)
            if frame is not None:
                yield frame
                awaitable = getattr(awaitable, inner)
                break
        else:
            return
