"""How long a failed task waits."""

from hypothesis import given
from hypothesis import strategies as st

from oncue.actors import RetryPolicy

SECONDS = st.floats(0, 3.2e9)
COUNTS = st.integers(0, 2**31 - 1)
CHANCE = st.floats(0, 1, exclude_max=True)


def test_each_delay_is_the_base_times_the_last() -> None:
    policy = RetryPolicy(base=3, delay_s_max=1000)
    assert [policy.delay_s(2, count, 0.5) for count in range(4)] == [2, 6, 18, 54]


def test_no_delay_is_longer_than_the_longest() -> None:
    policy = RetryPolicy(base=2, delay_s_max=60)
    assert policy.delay_s(1, 6, 0.999) == 60


def test_a_base_of_one_keeps_the_delay() -> None:
    assert RetryPolicy(base=1).delay_s(5, 1000, 0.5) == 5


@given(SECONDS, COUNTS, CHANCE)
def test_jitter_is_a_tenth_either_way(retry_delay_s: float, count: int, random: float) -> None:
    """For any row, however long: never negative, over the limit, or no number."""
    policy = RetryPolicy()
    plain = policy.delay_s(retry_delay_s, count, 0.5)
    spread = policy.delay_s(retry_delay_s, count, random)
    assert 0 <= spread <= policy.delay_s_max
    assert 0.9 * plain - 1e-9 <= spread <= 1.1 * plain + 1e-9
