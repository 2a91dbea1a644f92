"""psycopg's connection, given up when its server says nothing for too long.

The driver waits for ever, and what the kernel can tell is only that the server's machine is gone,
not that the server hangs. A call that waits in a thread cannot be stopped from outside, so without
an end of its own it would keep the process from ever stopping.
"""

from collections.abc import Generator
from typing import Any, Final

import psycopg

_INTERVAL_S: Final = 0.1
"""How often the driver looks up while it waits, by its own default."""


def make_patient(silence_s_max: float) -> type[psycopg.Connection[Any]]:
    """A class of connections that wait `silence_s_max` for the server's next word, then close."""

    class PatientConnection(psycopg.Connection[Any]):
        def wait(self, gen: Any, interval: float = _INTERVAL_S, *more: Any, **options: Any) -> Any:
            bounded = _bounded(gen, interval, silence_s_max)
            try:
                return super().wait(bounded, interval, *more, **options)
            except TimeoutError as error:
                self.close()
                raise psycopg.OperationalError(str(error)) from error

    return PatientConnection


def _bounded(
    gen: Generator[Any, Any, Any], interval: float, silence_s_max: float
) -> Generator[Any, Any, Any]:
    """`gen`, which is sent 0 after each interval in which the socket was not ready."""
    ready: Any = None
    silence_s = 0.0
    while True:
        try:
            wanted = gen.send(ready)
        except StopIteration as end:
            return end.value
        ready = yield wanted
        silence_s = 0.0 if ready else silence_s + interval
        if silence_s > silence_s_max:
            raise TimeoutError(f"the server has said nothing for {silence_s_max:g} seconds")
