"""The one logger of the actors."""

from traceback import format_exception
from typing import TYPE_CHECKING

from ..runtime import logger

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger


def log() -> "FilteringBoundLogger":
    """The logger `oncue`."""
    return logger("oncue")


def emit(level: str, event: str, **fields: object) -> None:
    """Write one line, if it can be written: a sink that fails must not take a queue down."""
    try:
        getattr(log(), level)(event, **fields)
    except Exception:
        return  # there is nowhere left to say it


def traceback_of(error: BaseException | None) -> str | None:
    """For a line's `exception`, as text: structlog's console, left to draw a traceback by
    itself, takes 30 ms for each."""
    return None if error is None else "".join(format_exception(error)).rstrip()
