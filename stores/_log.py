"""The stores' logger: structlog is imported with the first line, and most stores write none.

Once a program has imported structlog, each task's ids are bound to its log context.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from structlog.stdlib import BoundLogger


def logger(store: str) -> "BoundLogger":
    """The logger `oncue.stores.STORE`."""
    import structlog

    made: BoundLogger = structlog.stdlib.get_logger(f"oncue.stores.{store}")
    return made
