"""Queues for long simulations: days cost what is due in them, and nothing for looking around."""

from typing import Any

import pytest

from oncue.adapters.apscheduler import APSchedulerQueue, APSchedulerSettings
from oncue.runtime import SeededEntropy
from oncue.testing import VirtualClock

DAY_S = 86_400.0


def slow_pulse(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a queue look at itself once a day: a year has 31 million of its heartbeats."""
    monkeypatch.setattr("oncue.actors.dead_letters.EXPIRE_S", DAY_S)
    monkeypatch.setattr("oncue.actors.pool.LOOK_AT_LEASES_S", DAY_S)
    monkeypatch.setattr("oncue.actors.puller.LOOK_AT_LEASES_S", DAY_S)
    monkeypatch.setattr("oncue.adapters.apscheduler.BEAT_ALONE_S", DAY_S)
    monkeypatch.setattr("oncue.adapters.apscheduler.WATCH_SHARE", 1.0)


def long_queue(clock: VirtualClock, **settings: Any) -> APSchedulerQueue:
    """A queue that polls once a day, so that what fires in time was planned, not found."""
    return APSchedulerQueue(
        APSchedulerSettings(
            poll_interval=DAY_S,
            cluster_heartbeat_interval=DAY_S,
            sqlite_synchronous="NORMAL",  # nothing here outlives the machine
            **settings,
        ),
        clock=clock,
        entropy=SeededEntropy(1),
    )
