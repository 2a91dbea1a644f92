"""psycopg's connection, given up when its server says nothing for too long.

The driver waits for ever, and what the kernel can tell is only that the server's machine is gone,
not that the server hangs. A call that waits in a thread cannot be stopped from outside, so without
an end of its own it would keep the process from ever stopping.
"""

from collections.abc import Generator
from time import monotonic
from typing import Any

import psycopg


def make_patient(silence_s_max: float) -> type[psycopg.Connection[Any]]:
    """A class of connections that wait `silence_s_max` for the server's next word, then close."""

    class PatientConnection(psycopg.Connection[Any]):
        def wait(self, gen: Any, *args: Any, **options: Any) -> Any:
            try:
                return super().wait(_bounded(gen, silence_s_max), *args, **options)
            except TimeoutError as error:
                self.close()
                raise psycopg.OperationalError(str(error)) from error

    return PatientConnection


def _bounded(gen: Generator[Any, Any, Any], silence_s_max: float) -> Generator[Any, Any, Any]:
    """`gen`, which is sent 0 every now and then while the socket is not ready."""
    ready: Any = None
    heard_at = monotonic()
    while True:
        try:
            wanted = gen.send(ready)
        except StopIteration as end:
            return end.value
        ready = yield wanted
        now = monotonic()
        if ready:
            heard_at = now
        elif now - heard_at > silence_s_max:
            raise TimeoutError(f"the server has said nothing for {silence_s_max:g} seconds")
