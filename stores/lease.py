"""Lease numbers: 63 bits that never repeat, so that an old owner can never pass for a new one.

Rules:
- The store issues incarnations (`Store.join`), each greater than all before.
- The claimer counts its own claims below its incarnation. It never joins again for want of
  numbers: nothing runs for so long, see below.

A counter per task would not do: a task can be deleted and come back under its id with the
count at 1, and a frozen worker's late settlement would be accepted.
"""

from typing import Final

# 2**40 claims are 212 days at 60,000 a second (2**32 would be 20 hours); 2**23 incarnations
# are 8 million starts. Together 63 bits: a signed bigint in every SQL store.
LEASE_COUNTER_BITS: Final = 40
INCARNATION_MAX: Final = 2**23 - 1


def first_lease(incarnation: int) -> int:
    """The lowest lease number of an incarnation; every older incarnation's are below it."""
    return incarnation << LEASE_COUNTER_BITS


def incarnation_of(lease: int) -> int:
    """The incarnation that a lease number was counted under."""
    return lease >> LEASE_COUNTER_BITS
