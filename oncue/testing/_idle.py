"""Waiting until a tree, or a queue, has nothing left to do.

    await a.tell(Add(n=2))
    await wait_until_idle(system)  # handled, and so is what handling it has sent

What is at rest is told by the tree itself, not by a clock or by guesses about the loop.
"""

from math import inf
from typing import Any, Protocol

import anyio
from anyio.lowlevel import checkpoint

from oncue.runtime import ActorSystem, Node

LOOKS_MAX = 200
"""Looks that find no change, one trip through the event loop apart, before time may pass."""
STEP_S_MIN = 0.001
STEP_S_MAX = 0.1
"""Then it may pass in steps, each twice as long as the last, from the one to the other."""
STILL_LOOKS_MAX = 100_000
"""Looks at one moment of the clock: actors that feed each other for ever hold a virtual one."""

AT_REST = frozenset({"running", "stopped"})
"""What is starting, stopping, fallen or backing off is about to do something."""


class IdleQueue(Protocol):
    """What is asked of a queue; every adapter's answers it."""

    async def list_queues(self) -> list[str]: ...
    async def get_queue_info(self, queue_name: str = ..., /) -> dict[str, Any]: ...


class StillBusy(TimeoutError):
    """There was something to do to the last. Attributes: `busy`, a line for each who is."""

    def __init__(self, how_long: str, busy: list[str]) -> None:
        super().__init__(f"still busy after {how_long}: {'; '.join(busy)}")
        self.busy = busy


async def wait_until_idle(what: ActorSystem | IdleQueue, *, within_s: float = 60.0) -> None:
    """Wait until nothing is queued and nothing in hand, for `within_s` seconds at most.

    Of an `ActorSystem`: each actor is up and waits at an empty mailbox, or has ended for good.
    What is only due later, a timer's message, does not count. An ask that an actor keeps, to
    answer it later, is in hand; a restart that waits out its back-off is something to do.

    Of a queue: no task runs, and none is due, unless its whole queue is paused. Tasks that are
    delayed or wait for their next attempt do not count. A task that is never claimed does: of
    a type with no handler here, or paused by itself.

    Time passes only if it must: when 200 looks in a row, a trip through the event loop apart,
    found no change, because an actor sleeps or waits for a thread. It passes in steps of up to
    0.1 s, so a virtual clock may stand that far past the moment. Work that is not handed over
    yet, in a task of your own or in a thread, is not seen.

    Raises `StillBusy`, which lists who is, and RuntimeError when `what` does not run.
    """
    deadline = anyio.current_time() + within_s
    step_s = STEP_S_MIN
    before: list[str] = []
    moment = -inf
    same = still = 0
    while busy := await _look(what):
        now = anyio.current_time()
        same = same + 1 if busy == before else 0
        still = still + 1 if now == moment else 0
        before, moment = busy, now
        if now >= deadline:
            raise StillBusy(f"{within_s} s", busy)
        if still >= STILL_LOOKS_MAX:
            raise StillBusy(f"{still} trips through the event loop in no time", busy)
        if same < LOOKS_MAX:
            await checkpoint()
        else:
            await anyio.sleep(min(step_s, deadline - now))
            step_s = min(2 * step_s, STEP_S_MAX)


async def _look(what: ActorSystem | IdleQueue) -> list[str]:
    """A line for each who has something to do."""
    if not isinstance(what, ActorSystem):
        return await _busy_queues(what)
    if not what.running:
        raise RuntimeError(f"{what!r}: only a system that runs can become idle")
    return [_line(node) for node in what.tree().walk() if _is_busy(node)]


def _is_busy(node: Node) -> bool:
    if node.state not in AT_REST or node.mailbox_depth or node.in_hand:
        return True
    # A batch that is answered may still be worked on, so `in_hand` alone does not tell.
    return node.kind == "actor" and node.state == "running" and not node.idle


def _line(node: Node) -> str:
    if node.kind != "actor":
        return f"{node.path} {node.state}"
    doing = f", now {node.current}" if node.current else ""
    return (
        f"{node.path} {node.state}, {node.mailbox_depth} queued, {node.in_hand} in hand, "
        f"{node.handled} handled{doing}"
    )


async def _busy_queues(queue: IdleQueue) -> list[str]:
    infos = [await queue.get_queue_info(name) for name in await queue.list_queues()]
    return [
        f"queue {info['name']!r}: {info['pending_tasks']} due, {info['processing_tasks']} running"
        for info in infos
        if info["processing_tasks"] or (info["pending_tasks"] and not info["paused"])
    ]
