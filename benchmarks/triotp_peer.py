# /// script
# requires-python = ">=3.11"
# dependencies = ["triotp"]
# ///
"""triotp's generic server, in an environment of its own: it pins an old trio.

    uv run --script benchmarks/triotp_peer.py cast|call COUNT

Prints messages per second.
"""

import sys
from time import perf_counter
from types import ModuleType

import trio
from triotp import gen_server, mailbox


async def init(argument):
    return argument


async def handle_call(message, caller, state):
    return gen_server.Reply(1), state


async def handle_cast(message, state):
    return (gen_server.Stop() if message == "stop" else gen_server.NoReply()), state


async def measure(send: str, count: int) -> float:
    mailbox._init()
    echo = ModuleType("echo")
    echo.init, echo.handle_call, echo.handle_cast = init, handle_call, handle_cast
    async with trio.open_nursery() as nursery:
        nursery.start_soon(gen_server.start, echo, None, "echo")
        await trio.sleep(0.05)
        one = getattr(gen_server, send)
        began = perf_counter()
        for _ in range(count):
            await one("echo", 1)
        await gen_server.call("echo", 1)
        took = perf_counter() - began
        await gen_server.cast("echo", "stop")
    return count / took


print(trio.run(measure, sys.argv[1], int(sys.argv[2])))
