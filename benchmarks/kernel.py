"""The kernel beside its peers and the raw limit, in one run.

    uv run --group bench python benchmarks/kernel.py [--rounds 5] [--messages 100000]

Every round measures everything once, in the same order, so that a machine whose speed drifts
drifts for all; what is printed is the median over the rounds, and its ratio to the raw
stream. The actors of ours are supervised, with deadlines and accounting on. Idle actors are
measured in a process of their own: bytes are what its resident memory grew by.
"""

import argparse
import gc
import os
import platform
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import median
from time import perf_counter

import anyio
from anyio import WouldBlock, create_memory_object_stream
from anyio.lowlevel import checkpoint
from pykka import ThreadingActor

from oncue.runtime import Actor, ActorSystem, ChildSpec, Request, Strategy, SupervisorSpec

ASKS_PER_MESSAGE = 0.1
IDLE_ACTORS = 10_000
BURST = 100
"""Raw sends between two trips through the loop; as in the reference figures."""


class Ping(Request[int]): ...


class Echo(Actor[Ping]):
    async def receive(self, message: Ping) -> object:
        return 1


TREE = SupervisorSpec("bench", children=[ChildSpec("echo", Echo)])


async def raw_tell(count: int) -> float:
    """send_nowait, and receive_nowait until empty: the fastest way through an anyio stream."""
    # Twice the burst: on trio a receiver may sleep through one turn of the loop.
    sender, receiver = create_memory_object_stream[object](2 * BURST)
    message = object()

    async def drain() -> None:
        received = 0
        while received < count:
            await receiver.receive()
            received += 1
            try:
                while True:
                    receiver.receive_nowait()
                    received += 1
            except WouldBlock:
                pass

    with sender, receiver:
        async with anyio.create_task_group() as group:
            group.start_soon(drain)
            await checkpoint()
            began = perf_counter()
            for number in range(count):
                sender.send_nowait(message)
                if number % BURST == BURST - 1:
                    await checkpoint()
        return count / (perf_counter() - began)


async def our_tell(count: int) -> float:
    async with ActorSystem(TREE) as system:
        echo = system.lookup("bench/echo")
        message = Ping()
        began = perf_counter()
        for _ in range(count):
            await echo.tell(message)
        await echo.ask(message)
        return count / (perf_counter() - began)


async def raw_ask(count: int) -> float:
    """A request through a stream, answered by an Event."""
    sender, receiver = create_memory_object_stream[anyio.Event](BURST)

    async def serve() -> None:
        for _ in range(count):
            (await receiver.receive()).set()

    with sender, receiver:
        async with anyio.create_task_group() as group:
            group.start_soon(serve)
            began = perf_counter()
            for _ in range(count):
                reply = anyio.Event()
                sender.send_nowait(reply)
                await reply.wait()
            return count / (perf_counter() - began)


async def our_ask(count: int) -> float:
    async with ActorSystem(TREE) as system:
        echo = system.lookup("bench/echo")
        message = Ping()
        began = perf_counter()
        for _ in range(count):
            await echo.ask(message)
        return count / (perf_counter() - began)


class PykkaEcho(ThreadingActor):
    def on_receive(self, message: object) -> int:
        return 1


def pykka_tell(count: int) -> float:
    ref = PykkaEcho.start()
    try:
        began = perf_counter()
        for _ in range(count):
            ref.tell(1)
        ref.ask(1)
        return count / (perf_counter() - began)
    finally:
        ref.stop()


def pykka_ask(count: int) -> float:
    ref = PykkaEcho.start()
    try:
        began = perf_counter()
        for _ in range(count):
            ref.ask(1)
        return count / (perf_counter() - began)
    finally:
        ref.stop()


def triotp_peer(count: int, send: str) -> float:
    """In an environment of its own, on this Python."""
    peer = Path(__file__).with_name("triotp_peer.py")
    command = ["uv", "run", "--quiet", "--python", sys.executable, "--script", str(peer)]
    done = subprocess.run([*command, send, str(count)], capture_output=True, text=True, check=True)
    return float(done.stdout)


def idle_actors(backend: str) -> None:
    """Print how fast idle supervised actors start, and what one weighs."""

    async def main() -> None:
        children = [ChildSpec(str(number), Echo) for number in range(IDLE_ACTORS)]
        gc.collect()
        before = resident_bytes()
        began = perf_counter()
        spec = SupervisorSpec("idle", strategy=Strategy.DYNAMIC, children=children)
        async with ActorSystem(spec):
            took = perf_counter() - began
            gc.collect()
            print(IDLE_ACTORS / took, (resident_bytes() - before) / IDLE_ACTORS)

    anyio.run(main, backend=backend)


def resident_bytes() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


Measure = Callable[[int], float]


def measures(backend: str) -> dict[str, Measure]:
    def on_loop(main: Callable[[int], Awaitable[float]]) -> Measure:
        return lambda count: anyio.run(main, count, backend=backend)

    found: dict[str, Measure] = {
        "raw stream, nowait": on_loop(raw_tell),
        "oncue tell": on_loop(our_tell),
        "pykka tell": pykka_tell,
        "raw stream + Event": on_loop(raw_ask),
        "oncue ask": on_loop(our_ask),
        "pykka ask": pykka_ask,
    }
    if backend == "trio":
        found["triotp cast"] = lambda count: triotp_peer(count, "cast")
        found["triotp call"] = lambda count: triotp_peer(count, "call")
    return found


ASKS = {"raw stream + Event", "oncue ask", "pykka ask", "triotp call"}


def report(backend: str, rounds: int, messages: int) -> None:
    table = measures(backend)
    rates: dict[str, list[float]] = {name: [] for name in table}
    for _ in range(rounds):
        for name, measure in table.items():
            gc.collect()
            rates[name].append(
                measure(int(messages * ASKS_PER_MESSAGE) if name in ASKS else messages)
            )
    print(f"\n{backend}: messages per second, median of {rounds} (lowest, highest)")
    middle = {name: median(values) for name, values in rates.items()}
    for name, values in rates.items():
        raw = middle["raw stream + Event" if name in ASKS else "raw stream, nowait"]
        print(
            f"  {name:20} {middle[name]:>10.0f}  ({min(values):.0f}, {max(values):.0f})"
            f"  {middle[name] / raw:.2f} of raw"
        )
    started, weights = zip(*(run_idle(backend) for _ in range(rounds)), strict=True)
    print(
        f"  {IDLE_ACTORS} idle actors: {median(started):.0f} started/s, "
        f"{median(weights):.0f} bytes each"
    )


def run_idle(backend: str) -> tuple[float, float]:
    command = [sys.executable, __file__, "--idle", backend]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    started, weight = output.split()
    return float(started), float(weight)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--backend", choices=["asyncio", "trio"], action="append")
    parser.add_argument("--idle", choices=["asyncio", "trio"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.idle:
        idle_actors(options.idle)
        return
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores")
    for backend in options.backend or ["asyncio", "trio"]:
        report(backend, options.rounds, options.messages)


if __name__ == "__main__":
    main()
