"""The one logger of the actors."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger


def log() -> "FilteringBoundLogger":
    """The structlog logger `oncue`."""
    # Imported here: structlog costs 0.2 s at import, and a queue that works need not log.
    import structlog

    logger: FilteringBoundLogger = structlog.get_logger("oncue")
    return logger
