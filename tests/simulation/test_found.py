"""What the seeds have found in the kernel, each reduced to one plain history."""

from dataclasses import dataclass

import anyio

from oncue.runtime import Actor, ActorSystem, ChildSpec, Event, SupervisorSpec, Unstopped
from oncue.testing import VirtualClock


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    seconds: float


class Once(Actor[Work]):
    """Ends by itself after its first message."""

    async def receive(self, message: Work) -> None:
        await anyio.sleep(message.seconds)
        self.context.stop()


async def test_a_child_that_ends_by_itself_while_a_sibling_is_stopped_is_not_waited_for(
    clock: VirtualClock,
) -> None:
    """Seed 131 of the kernel's histories: the stop waited for ever for an end that had been."""
    events: list[Event] = []
    spec = SupervisorSpec("app", children=[ChildSpec("early", Once), ChildSpec("late", Once)])
    async with ActorSystem(spec, clock=clock, observe=events.append) as system:
        await system.lookup("app/early").tell(Work(seconds=1))
        await system.lookup("app/late").tell(Work(seconds=2))
        await clock.wait_all_tasks_blocked()
    assert clock.monotonic() == 2
    assert not [event for event in events if isinstance(event, Unstopped)]
