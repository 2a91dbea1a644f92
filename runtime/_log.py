"""The logger of the runtime, and of what is built on it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger


def logger(*name: str, **bound: Any) -> FilteringBoundLogger:
    """structlog's logger as the program has set it up; on stderr as long as it has not.

    structlog's own default is stdout, which is the program's to write to, not ours.
    """
    # Imported here: structlog costs 0.2 s at import, and most programs never log.
    import structlog

    made: FilteringBoundLogger
    if structlog.is_configured():
        made = structlog.get_logger(*name, **bound)
    else:
        made = structlog.wrap_logger(structlog.PrintLogger(sys.stderr), **bound)
    return made
