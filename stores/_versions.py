"""Versions of schedules: numbers that never come back for a job.

A version says which adding it was and how many changes there were since. A count per schedule would
not do: the schedule can be removed and added again under its id, and an old `Fire` would match.
"""

from typing import Final

# A change each second for 136 years, and two thousand million schedules: together 63 bits.
CHANGES_BITS: Final = 32


def first_version(number: int) -> int:
    """The version of the `number`-th schedule as it is added; each change makes it one more."""
    return number << CHANGES_BITS
