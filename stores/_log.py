"""The stores' logger, by the rules of the runtime's, which nothing here may import."""

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger


def logger(store: str) -> "FilteringBoundLogger":
    """The logger `oncue.stores.STORE` as the program has set structlog up; on stderr until then.

    structlog is imported with the first line: once a program has, each task's ids are bound to
    its log context.
    """
    import structlog

    made: FilteringBoundLogger
    if structlog.is_configured():
        made = structlog.get_logger(f"oncue.stores.{store}")
    else:
        made = structlog.wrap_logger(structlog.PrintLogger(sys.stderr))
    return made
