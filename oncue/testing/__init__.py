"""What a test of an OnCue program needs: virtual time, probes, idleness, seeded schedules.

    import anyio
    from oncue.testing import VirtualClock, run

    clock = VirtualClock()
    run(anyio.sleep, 30 * 24 * 3600, backend="trio", clock=clock)   # a few milliseconds
    assert clock.now().isoformat() == "2026-01-31T00:00:00+00:00"

The suites a third party's store or adapter passes are modules of their own beside this one.
"""

from ._idle import StillBusy, wait_until_idle
from ._probe import ExpectationFailed, Probe
from ._schedule import Simulation, seeded_schedule, simulate
from ._virtual import EPOCH, Backend, VirtualClock, run

__all__ = [
    "EPOCH",
    "Backend",
    "ExpectationFailed",
    "Probe",
    "Simulation",
    "StillBusy",
    "VirtualClock",
    "run",
    "seeded_schedule",
    "simulate",
    "wait_until_idle",
]
