"""The memory store keeps the contract of a store."""

from oncue.stores import MemoryStore, Store
from oncue.testing.store_suite import (
    DEAD_LETTER_TTL_S,
    RESULT_TTL_S,
    StoreSuite,
    TurnedClock,
)


class TestMemoryStore(StoreSuite):
    def make_store(self, clock: TurnedClock) -> Store:
        return MemoryStore(
            clock=clock, result_ttl_s=RESULT_TTL_S, dead_letter_ttl_s=DEAD_LETTER_TTL_S
        )
