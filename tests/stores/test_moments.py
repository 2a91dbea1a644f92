"""Instants as microseconds: exact in both directions, and an error where there is no datetime."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oncue.stores import microseconds, moment_at

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FIRST = datetime.min.replace(tzinfo=UTC)
LAST = datetime.max.replace(tzinfo=UTC)


@given(st.datetimes(timezones=st.just(UTC)))
def test_a_moment_comes_back_as_it_was(moment: datetime) -> None:
    assert moment_at(microseconds(moment)) == moment


@given(st.integers(microseconds(FIRST), microseconds(LAST)))
def test_a_number_is_so_many_microseconds_after_1970(us: int) -> None:
    assert moment_at(us) == EPOCH + timedelta(microseconds=us)
    assert moment_at(us).tzinfo is UTC


@pytest.mark.parametrize(
    "us", [microseconds(FIRST) - 1, microseconds(LAST) + 1, 2**63 - 1, -(2**63), 10**30, -(10**30)]
)
def test_what_no_datetime_can_say_is_an_overflow(us: int) -> None:
    with pytest.raises(OverflowError):
        moment_at(us)
