"""What becomes of a task after an attempt. Pure: the pool does the I/O."""

from typing import assert_never

from ..stores import Back, ClaimedTask, Dead, Done, RetryAt, Settlement
from .backoff import RetryPolicy
from .outcome import Outcome, Raised, Returned, Stop, Stopped


def decide(
    task: ClaimedTask,
    outcome: Outcome,
    *,
    policy: RetryPolicy,
    random: float,
    execution_s: float,
    worker_id: str,
) -> Settlement | None:
    """The settlement for `outcome`; None when there is nothing to settle.

    `random`, in [0, 1), spreads the back-off.
    """
    task_id, lease = task.row.task_id, task.lease
    match outcome:
        case Returned(result=result):
            return Done(
                task_id=task_id,
                lease=lease,
                result=result,
                execution_s=execution_s,
                worker_id=worker_id,
            )
        case Stopped(why=why):
            # A cancel has voided the lease already.
            return None if why is Stop.CANCELLED else Back(task_id=task_id, lease=lease)
        case Raised(error=error, retry=retry):
            if not retry or task.retry_count >= task.row.max_retries:
                return Dead(
                    task_id=task_id,
                    lease=lease,
                    error=error,
                    execution_s=execution_s,
                    worker_id=worker_id,
                )
            return RetryAt(
                task_id=task_id,
                lease=lease,
                delay_s=policy.delay_s(task.row.retry_delay_s, task.retry_count, random),
                error=error,
                execution_s=execution_s,
                worker_id=worker_id,
            )
        case _:
            assert_never(outcome)
