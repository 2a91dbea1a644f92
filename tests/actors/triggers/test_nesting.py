"""Combinations in combinations: what an `and` asks of its parts is bounded."""

from datetime import UTC, datetime, timedelta

import pytest

from oncue.actors.misfire import begin
from oncue.actors.triggers import (
    AndTrigger,
    DateTrigger,
    IntervalTrigger,
    NoAgreement,
    OrTrigger,
    Trigger,
    decode,
    encode,
)

START = datetime(2026, 1, 1, tzinfo=UTC)


def every(seconds: int) -> IntervalTrigger:
    return IntervalTrigger(start=START, every=timedelta(seconds=seconds))


def test_an_and_in_an_and_is_one_and() -> None:
    inner = AndTrigger(triggers=(every(2), every(3)))
    outer = AndTrigger(triggers=(inner, every(5)))
    assert outer.triggers == (every(2), every(3), every(5))
    assert outer.after(START) == START + timedelta(seconds=30)
    assert decode(encode(outer)) == outer


def test_combinations_go_no_deeper_than_three() -> None:
    trigger: Trigger = DateTrigger(at=START)
    for _ in range(3):
        trigger = OrTrigger(triggers=(trigger, DateTrigger(at=START)))
    assert decode(encode(trigger)) == trigger
    with pytest.raises(ValueError, match="no deeper than 3"):
        OrTrigger(triggers=(trigger,))


def test_a_trigger_that_would_not_be_found_to_go_on_is_not_taken() -> None:
    far = AndTrigger(triggers=(every(9973), every(9967)))
    with pytest.raises(NoAgreement):
        begin(far, now=START)
