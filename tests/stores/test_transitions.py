"""The table of legal moves is whole and agrees with itself. The suite holds stores to it."""

from oncue.stores import TRANSITIONS, Move, TaskStatus
from oncue.stores.transitions import LIVE, waiting_status


def test_every_status_but_failed_can_be_reached_and_failed_never() -> None:
    reached = {status for after in TRANSITIONS.values() for status in after}
    assert reached == set(TaskStatus) - {TaskStatus.FAILED}
    assert all(status is not TaskStatus.FAILED for status, _ in TRANSITIONS)


def test_every_move_is_possible_somewhere() -> None:
    assert {move for _, move in TRANSITIONS} == set(Move)


def test_what_is_ended_moves_no_more_and_the_dead_only_back_to_life() -> None:
    leaving = {(status, move) for status, move in TRANSITIONS if status not in LIVE}
    assert leaving == {(TaskStatus.DEAD_LETTER, Move.REQUEUE)}


def test_only_running_tasks_can_be_settled() -> None:
    settled = {Move.DONE, Move.RETRY, Move.DEAD, Move.BACK}
    assert {status for status, move in TRANSITIONS if move in settled} == {TaskStatus.PROCESSING}


def test_a_waiting_task_is_retrying_once_an_attempt_failed() -> None:
    assert waiting_status(0) is TaskStatus.PENDING
    assert waiting_status(1) is TaskStatus.RETRYING
