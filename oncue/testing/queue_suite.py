"""The contract of a queue adapter as tests. An adapter is one when it passes them.

    from oncue.testing.queue_suite import QueueSuite

    class TestMyQueue(QueueSuite):
        metadata = MODULE_METADATA

        def make_queue(self, clock: Clock, **settings: Any) -> QueueBase:
            return MyQueue(MySettings(address=new_place(), **settings), clock=clock)

Rules:
- `make_queue` gives a queue that is not running, on a store that holds nothing. It is given the
  settings `max_workers` and `shutdown_grace`, and with rate limiting `enable_rate_limiting` and
  `rate_limit_per_second`, by these names.
- What `metadata` does not list among the capabilities is not tested. With persistence,
  `make_twin` gives another queue on the store of the one it is handed.
- Needs pytest, a fixture `anyio_backend`, and a fixture `clock`: the `VirtualClock` that the
  backend runs on, or `SystemClock()`. In real time no test waits longer than a second for time
  itself. An adapter with a clock that can be moved overrides `pass_time`.
- Each test is a sentence of what every adapter promises: `QueueBase` has them in its docstrings.
"""

from ._queue_suite_base import LIMIT_S, QueueSuiteBase
from ._queue_suite_failures import FailureTests
from ._queue_suite_jobs import JobTests
from ._queue_suite_life import LifeTests
from ._queue_suite_looking import LookingTests
from ._queue_suite_schedules import FiringTests
from ._queue_suite_tasks import TaskTests

__all__ = ["LIMIT_S", "QueueSuite", "QueueSuiteBase"]


class QueueSuite(TaskTests, FailureTests, LookingTests, LifeTests, FiringTests, JobTests):
    """All of the contract."""
