"""Lease numbers: 63 bits that never repeat, so that an old owner can never pass for a new one.

Rules:
- The store issues incarnations (`Store.join`), each greater than all before.
- The claimer counts its own claims below its incarnation, from a number that it draws by lot (see
  `drawn_lease`), and takes back what a claim did not use. It never joins again for want of
  numbers: nothing runs for so long, see below.

A counter per task would not do: a task can be deleted and come back under its id with the
count at 1, and a frozen worker's late settlement would be accepted.
"""

from typing import Final

# Half of 2**40 claims are 106 days at 60,000 a second (of 2**32, 10 hours); 2**23 incarnations
# are 8 million starts. Together 63 bits: a signed bigint in every SQL store.
LEASE_COUNTER_BITS: Final = 40
INCARNATION_MAX: Final = 2**23 - 1


def first_lease(incarnation: int) -> int:
    """The lowest lease number of an incarnation; every older incarnation's are below it."""
    return incarnation << LEASE_COUNTER_BITS


def drawn_lease(incarnation: int, lot: float) -> int:
    """Where a claimer begins to count: by `lot`, in [0, 1), in the lower half of its numbers.

    A server that lost its last moments (a replica that was promoted, a backup) may give an
    incarnation again. By lot its two owners share no lease, so that the former's settlements are
    refused. That of a million leases each two have one in common happens once in 250,000 times.
    """
    return first_lease(incarnation) + int(lot * 2 ** (LEASE_COUNTER_BITS - 1))


def incarnation_of(lease: int) -> int:
    """The incarnation that a lease number was counted under."""
    return lease >> LEASE_COUNTER_BITS
