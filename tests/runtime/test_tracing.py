"""Traces: ids that travel with messages when somebody wants them."""

from typing import Any

import anyio
import anyio.to_process
import anyio.to_thread
import pytest
from structlog.contextvars import get_contextvars

from oncue.runtime import (
    Actor,
    ActorDied,
    ChildSpec,
    Ref,
    Terminated,
    Trace,
    adopt_trace,
    current_trace,
)
from oncue.testing import VirtualClock
from tests.runtime.kit import Crash, Do, Doer, system_of


def seen_by(results: list[Trace | None]) -> Do:
    return Do(lambda actor: results.append(current_trace()))


async def test_a_message_sent_by_a_handler_has_its_message_as_the_cause() -> None:
    """K9.1: and one sent from outside begins a trace; asks, tells and timers alike."""
    seen: list[Trace | None] = []
    async with system_of(ChildSpec("a", Doer), ChildSpec("b", Doer), tracing=True) as system:
        a, b = system.lookup("s/a"), system.lookup("s/b")

        async def pass_on(actor: Doer) -> None:
            seen.append(current_trace())
            await b.tell(seen_by(seen))
            await b.ask(seen_by(seen))
            actor.context.timers.after("t", 1, seen_by(seen))

        await a.ask(Do(pass_on))
        await anyio.sleep(2)
        await a.ask(seen_by(seen))
    first, told, asked, timed, other = seen
    assert first
    assert told
    assert asked
    assert timed
    assert other
    assert (first.cause_id, other.cause_id) == (None, None)
    assert told.cause_id == asked.cause_id == first.message_id
    assert first.trace_id == told.trace_id == asked.trace_id != other.trace_id
    assert len({t.message_id for t in (first, told, asked, timed, other)}) == 5
    assert (len(first.trace_id), len(first.message_id)) == (32, 16)


async def test_without_tracing_messages_travel_bare() -> None:
    """K9.1: nothing is made, nothing is bound."""
    seen: list[Trace | None] = []
    async with system_of(ChildSpec("a", Doer)) as system:
        await system.lookup("s/a").ask(seen_by(seen))
    assert seen == [None]


async def test_the_ids_are_bound_for_log_lines_in_threads_too(clock: VirtualClock) -> None:
    """K9.2: while the message is handled, and not in on_stop after it."""
    seen: list[dict[str, Any]] = []

    class Logs(Doer):
        async def on_stop(self, reason: Exception | None) -> None:
            seen.append(get_contextvars())

    async def look(actor: Doer) -> None:
        seen.append(get_contextvars())
        with clock.hold():
            seen.append(await anyio.to_thread.run_sync(get_contextvars))

    async with system_of(ChildSpec("a", Logs), tracing=True) as system:
        a = system.lookup("s/a")
        await a.ask(Do(look))
        with pytest.raises(ActorDied):
            await a.ask(Crash(ValueError()))
        await anyio.sleep(1)
    here, in_thread, *in_on_stop = seen
    assert here == in_thread
    assert set(here) == {"trace_id", "message_id", "cause_id"}
    assert in_on_stop == [{}, {}]


def work(trace: Trace | None) -> dict[str, Any]:
    adopt_trace(trace)
    return get_contextvars()


@pytest.mark.real_time
async def test_a_worker_process_adopts_the_trace_that_it_is_given() -> None:
    """K9.2: context variables do not travel there; a trace is plain data, and does."""

    async def look(actor: Doer) -> list[dict[str, Any]]:
        there = await anyio.to_process.run_sync(work, current_trace())
        return [get_contextvars(), there]

    async with system_of(ChildSpec("a", Doer), tracing=True) as system:
        here, there = await system.lookup("s/a").ask(Do(look), timeout_s=60)
    assert here == there
    assert set(here) == {"trace_id", "message_id", "cause_id"}


async def test_a_death_notice_begins_a_trace_of_its_own() -> None:
    """K9.1: it was not sent by what its receiver, or its sender, handled last."""
    seen: list[Trace | None] = []

    class Watches(Actor[Ref[Any] | Terminated]):
        async def receive(self, message: Ref[Any] | Terminated) -> None:
            seen.append(current_trace())
            if isinstance(message, Ref):
                self.context.watch(message)

    async with system_of(ChildSpec("a", Doer), ChildSpec("w", Watches), tracing=True) as system:
        a = system.lookup("s/a")
        await system.lookup("s/w").tell(a)
        await anyio.sleep(1)
        await a.tell(Crash(ValueError()))
        await anyio.sleep(1)
        await system.stop_child(a)
        await anyio.sleep(1)
    first, *notices = [trace for trace in seen if trace]
    assert len(notices) == 2
    assert len({trace.trace_id for trace in (first, *notices)}) == 3
    assert [trace.cause_id for trace in notices] == [None, None]
