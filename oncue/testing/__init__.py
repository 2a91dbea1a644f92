"""What a test of an OnCue program needs: virtual time on both backends.

    import anyio
    from oncue.testing import VirtualClock, run

    clock = VirtualClock()
    run(anyio.sleep, 30 * 24 * 3600, backend="trio", clock=clock)   # a few milliseconds
    assert clock.now().isoformat() == "2026-01-31T00:00:00+00:00"

The suites a third party's store or adapter passes are modules of their own beside this one.
"""

from ._virtual import EPOCH, Backend, VirtualClock, run

__all__ = ["EPOCH", "Backend", "VirtualClock", "run"]
