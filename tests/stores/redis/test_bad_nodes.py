"""What is noted of a node and cannot be read counts as none: it joins anew, and stops nobody."""

import pytest

from oncue.stores import Beat, Pulse
from oncue.testing._store_kit import Claimer, done, ids, make_row
from tests.stores.redis.kit import spoilable

pytestmark = pytest.mark.real_time


@pytest.mark.parametrize("noted", ["", "x", "1 2", "one - 5", "1 soon 5", "1 - soon"])
async def test_it_joins_anew_and_stops_nobody(noted: str) -> None:
    async with spoilable() as (place, store):
        other, bad = await Claimer.join(store, "other"), await Claimer.join(store, "bad")
        await store.add([make_row(), make_row(), make_row()])
        [held] = await bad.claim(limit=1)
        [mine] = await other.claim(limit=1)
        place.server.do("HSET", f"{{{place.name}}}:nodes", "bad", noted)
        beats = [Beat(node=each.node, incarnation=each.incarnation) for each in (bad, other)]
        assert await store.heartbeat(beats) == [Pulse.LOST, Pulse.ALIVE]
        assert [view.node for view in await store.nodes()] == ["other"]
        assert await bad.claim() == []
        assert await other.settle(done(mine)) == []
        [rescued] = await other.rescue()
        assert ids([rescued]) == ids([held])
        assert place.server.do("HEXISTS", f"{{{place.name}}}:nodes", "bad") == b":0\r\n"
        anew = await Claimer.join(store, "bad")
        assert len(await anew.claim()) == 1


async def test_a_lease_that_is_none_is_dropped() -> None:
    async with spoilable() as (place, store):
        claimer = await Claimer.join(store)
        row = make_row()
        await store.add([row])
        place.server.do("HSET", f"{{{place.name}}}:leases:node-a", "x", row.task_id.hex)
        assert await claimer.rescue() == []
        assert ids(await claimer.claim()) == [row.task_id]
