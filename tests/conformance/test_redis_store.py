"""The Redis store keeps the contract of a store. The time goes with each call, as the tests say."""

import pytest

from oncue.stores import Store
from oncue.stores.redis import RedisStore
from oncue.testing.store_suite import (
    DEAD_LETTER_TTL_S,
    RESULT_TTL_S,
    StoreSuite,
    TurnedClock,
)
from tests import servers


@pytest.mark.real_time
class TestRedisStore(StoreSuite):
    def make_store(self, clock: TurnedClock) -> Store:
        return RedisStore(
            servers.redis_url(),
            clock=clock,
            jobs_key=servers.redis_name(),
            result_ttl_s=RESULT_TTL_S,
            dead_letter_ttl_s=DEAD_LETTER_TTL_S,
        )
