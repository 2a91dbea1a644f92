"""Instants as whole microseconds since 1970: exact, and the same in every database."""

from datetime import UTC, datetime, timedelta
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


def microseconds(moment: datetime) -> int:
    """Whole microseconds since 1970."""
    return (moment - _EPOCH) // _MICROSECOND


def moment_at(us: int) -> datetime:
    """The inverse. Raises OverflowError for what no datetime can say."""
    return _EPOCH + timedelta(microseconds=us)
