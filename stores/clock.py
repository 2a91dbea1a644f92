"""Time and ids for the stores: the one file here that asks the operating system.

Rules:
- A store judges what is due by its own `StoreClock` and nothing else.
- `new_task_id` and `utc_now` are looked up in this module at every call, so a test or a
  simulation that replaces them here replaces them everywhere.
"""

import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol
from uuid import UUID


class StoreClock(Protocol):
    """What a store takes for the time of day."""

    def now(self) -> datetime:
        """The store's present instant, aware and in UTC."""
        ...


class SystemStoreClock:
    """The operating system's clock."""

    def now(self) -> datetime:
        return utc_now()


class CallableStoreClock:
    """Any function that returns aware UTC, such as a virtual clock's `now`."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self.now = now


def utc_now() -> datetime:
    """The wall clock, aware and in UTC."""
    return datetime.now(UTC)


def new_task_id() -> UUID:
    """A new version 7 UUID: 48 bits of Unix milliseconds, then 74 random bits.

    Version 7 and not 4, because ids made together lie together: a B-tree keyed by them
    grows at its right edge instead of touching a random page per task (RFC 9562, 6.13).
    The randomness is the kernel's own, so two processes after a fork cannot agree.
    """
    chance = int.from_bytes(os.urandom(10))
    return UUID(
        int=(time.time_ns() // 1_000_000 & 0xFFFF_FFFF_FFFF) << 80
        | 0x7 << 76
        | (chance >> 68) << 64
        | 0b10 << 62
        | chance & 0x3FFF_FFFF_FFFF_FFFF
    )
