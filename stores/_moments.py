"""Instants as whole microseconds since 1970: exact, and the same in every database."""

from datetime import UTC, datetime, timedelta
from typing import Final

from .task import SECONDS_MAX

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


def microseconds(moment: datetime) -> int:
    """Whole microseconds since 1970."""
    return (moment - _EPOCH) // _MICROSECOND


def moment_at(us: int) -> datetime:
    """The inverse. Raises OverflowError for what no datetime can say."""
    # As seconds and a rest, by place: a timedelta of 50 years of microseconds takes a quarter more.
    return _EPOCH + timedelta(0, us // 1_000_000, us % 1_000_000)


def duration_us(seconds: float) -> int:
    """Whole microseconds from 0 to a hundred years: clamped, where what is no number is 0.

    Never an error, as a settlement must not fail half-way through a batch.
    """
    return round(max(0.0, min(seconds, SECONDS_MAX)) * 1e6)
