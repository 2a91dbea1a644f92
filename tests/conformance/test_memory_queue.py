"""The memory adapter keeps the contract of a queue; so does the one in real time."""

from typing import Any

import pytest

from oncue.adapters.base import QueueBase
from oncue.adapters.memory import MODULE_METADATA, MemoryQueue, MemorySettings
from oncue.runtime import Clock, SystemClock
from oncue.testing.queue_suite import QueueSuite


class TestMemoryQueue(QueueSuite):
    metadata = MODULE_METADATA

    def make_queue(self, clock: Clock, **settings: Any) -> QueueBase:
        return MemoryQueue(MemorySettings(**settings), clock=clock)


@pytest.mark.slow
@pytest.mark.real_time
class TestMemoryQueueInRealTime(TestMemoryQueue):
    @pytest.fixture
    def clock(self) -> Clock:
        return SystemClock()
