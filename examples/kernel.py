"""Counters over TCP: the actor kernel by itself, without a queue.

    uv run python examples/kernel.py [PORT] [asyncio|trio]

    $ nc localhost 7000
    add apples 3
    3
    add apples x
    error: ValueError: invalid literal for int() with base 10: 'x'
    add apples 1
    4

Each counter is an actor below a dynamic supervisor, started when it is first named. One that is
sent nonsense crashes and is restarted, and the others do not notice; `tree` shows it. What it had
counted lies in a dictionary that outlives it. A counter that nobody uses for a minute stops.
"""

import signal
import sys
from dataclasses import dataclass
from functools import partial

import anyio
from anyio.abc import SocketAttribute, SocketStream
from anyio.streams.buffered import BufferedByteReceiveStream

from oncue.runtime import (
    Actor,
    ActorDied,
    ActorStopped,
    ActorSystem,
    ChildSpec,
    NoSuchActor,
    Ref,
    Request,
    Restart,
    Strategy,
    SupervisorSpec,
)

PORT = 7000
IDLE_S = 60.0
LINE_BYTES_MAX = 1000
USAGE = "error: say `add NAME NUMBER` or `tree`"
SPEC = SupervisorSpec(
    "counters", children=[SupervisorSpec("all", strategy=Strategy.DYNAMIC, intensity=1000)]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Add(Request[int]):
    """Add what the text says, and answer with the total."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Idle:
    """From the counter's own timer."""


class Counter(Actor[Add | Idle]):
    """One number. `totals` is lent to it."""

    def __init__(self, name: str, totals: dict[str, int]) -> None:
        self.name = name
        self.totals = totals

    async def on_start(self) -> None:
        self.context.timers.after("idle", IDLE_S, Idle())

    async def receive(self, message: Add | Idle) -> int | None:
        match message:
            case Add(text=text):
                self.context.timers.after("idle", IDLE_S, Idle())
                self.totals[self.name] = self.totals.get(self.name, 0) + int(text)
                return self.totals[self.name]
            case Idle():
                self.context.stop()
                return None


async def counter(system: ActorSystem, name: str, totals: dict[str, int]) -> Ref[Add | Idle]:
    """The counter of that name, started if it is not there."""
    path = f"counters/all/{name}"
    try:
        return system.lookup(path)
    except NoSuchActor:
        pass
    spec = ChildSpec(name, partial(Counter, name, totals), restart=Restart.TRANSIENT)
    try:
        return await system.start_child(spec, under="counters/all")
    except ValueError:  # another connection has just started it
        return system.lookup(path)


async def answer(system: ActorSystem, totals: dict[str, int], line: str) -> str:
    """What a line gets back."""
    match line.split():
        case ["add", name, text] if name.isidentifier():
            try:
                ref = await counter(system, name, totals)
                return str(await ref.ask(Add(text=text), timeout_s=1))
            except ActorDied as error:
                return f"error: {type(error.__cause__).__name__}: {error.__cause__}"
            except (ActorStopped, NoSuchActor, TimeoutError) as error:
                return f"error: {error}; try again"
        case ["tree"]:
            return str(system.tree())
        case _:
            return USAGE


async def serve(system: ActorSystem, totals: dict[str, int], stream: SocketStream) -> None:
    """One connection, until its end."""
    async with stream:
        lines = BufferedByteReceiveStream(stream)
        try:
            while True:
                line = await lines.receive_until(b"\n", LINE_BYTES_MAX)
                reply = await answer(system, totals, line.decode(errors="replace"))
                await stream.send(reply.encode() + b"\n")
        except (
            anyio.EndOfStream,
            anyio.IncompleteRead,
            anyio.DelimiterNotFound,
            anyio.BrokenResourceError,
        ):
            pass  # it has hung up, or it sends no lines


async def main(port: int) -> None:
    """Serve until SIGINT or SIGTERM."""
    totals: dict[str, int] = {}
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=port)
    async with listener, ActorSystem(SPEC) as system, anyio.create_task_group() as group:
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            group.start_soon(listener.serve, partial(serve, system, totals))
            print("port", listener.extra(SocketAttribute.local_port), flush=True)
            await anext(aiter(signals))
        group.cancel_scope.cancel()


if __name__ == "__main__":
    port = int(sys.argv[1]) if len(sys.argv) > 1 else PORT
    anyio.run(main, port, backend=sys.argv[2] if len(sys.argv) > 2 else "asyncio")
