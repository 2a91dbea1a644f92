"""What becomes of a task after an attempt: a table."""

import pytest

from oncue.actors.decide import decide
from oncue.actors.outcome import Outcome, Raised, Returned, Stop, Stopped
from oncue.stores import Back, Dead, Done, RetryAt, Settlement
from tests.actors.kit import POLICY, claimed


def settle(
    outcome: Outcome, *, max_retries: int = 3, retry_count: int = 0, random: float = 0.5
) -> Settlement | None:
    return decide(
        claimed(lease=7, retry_count=retry_count, max_retries=max_retries, retry_delay=10),
        outcome,
        policy=POLICY,
        random=random,
        execution_s=1.5,
        worker_id="w",
    )


def test_what_returned_is_done_with_its_result() -> None:
    done = settle(Returned(result=b"42"))
    assert isinstance(done, Done)
    assert (done.lease, done.result, done.execution_s, done.worker_id) == (7, b"42", 1.5, "w")


@pytest.mark.parametrize(("failed_before", "delay_s"), [(0, 10), (1, 20), (2, 40)])
def test_what_raised_is_tried_again_later_and_later(failed_before: int, delay_s: float) -> None:
    retry = settle(Raised(error="no"), retry_count=failed_before)
    assert isinstance(retry, RetryAt)
    assert (retry.delay_s, retry.error, retry.lease) == (delay_s, "no", 7)


@pytest.mark.parametrize(("max_retries", "failed_before"), [(3, 3), (3, 4), (0, 0)])
def test_what_has_used_up_its_retries_is_dead(max_retries: int, failed_before: int) -> None:
    dead = settle(Raised(error="no"), max_retries=max_retries, retry_count=failed_before)
    assert isinstance(dead, Dead)
    assert (dead.error, dead.lease) == ("no", 7)


def test_what_is_useless_to_repeat_is_dead_at_once() -> None:
    assert isinstance(settle(Raised(error="no", retry=False)), Dead)


@pytest.mark.parametrize("why", [Stop.DRAINED, Stop.UNHANDLED])
def test_what_could_not_be_run_here_is_handed_back(why: Stop) -> None:
    assert isinstance(settle(Stopped(why=why), max_retries=0), Back)


def test_what_was_cancelled_is_not_settled() -> None:
    """Its lease is void already."""
    assert settle(Stopped(why=Stop.CANCELLED)) is None
