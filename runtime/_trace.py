"""Who caused this message: an id triple that travels in the envelope when someone traces.

A message sent while another is handled has that one's `message_id` as its `cause_id` and
shares its `trace_id`; a message sent from outside begins a trace. While a traced message is
handled, the triple is in `current_trace()` and bound to structlog's context variables, so
that a log line in a handler carries it; worker threads started through anyio inherit it,
and a worker process can be handed it and adopt it.
When nobody traces, none of this runs: see `Core.tracing`.
"""

from contextvars import ContextVar
from dataclasses import dataclass

from ._clock import Entropy


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """Ids as lower-case hex: `trace_id` of 32 digits, the others of 16 (W3C trace context)."""

    trace_id: str
    message_id: str
    cause_id: str | None


_current: ContextVar[Trace | None] = ContextVar("oncue_trace", default=None)


def current_trace() -> Trace | None:
    """The trace of the message now being handled, or None outside one."""
    return _current.get()


def next_trace(entropy: Entropy) -> Trace:
    """The trace for a message sent from here."""
    cause = _current.get()
    if cause is None:
        return Trace(trace_id=entropy.uuid().hex, message_id=entropy.uuid().hex[:16], cause_id=None)
    return Trace(
        trace_id=cause.trace_id,
        message_id=entropy.uuid().hex[:16],
        cause_id=cause.message_id,
    )


def adopt_trace(trace: Trace | None) -> None:
    """Make `trace` the current one here, for structlog too.

    The runtime does so for each message. You need it where context variables do not travel: in
    a worker process, with the `current_trace()` that it was sent.
    """
    # Imported here: structlog costs 0.2 s, and only a traced system needs it this early.
    from structlog.contextvars import bind_contextvars, unbind_contextvars

    _current.set(trace)
    if trace is None:
        unbind_contextvars("trace_id", "message_id", "cause_id")
    else:
        bind_contextvars(
            trace_id=trace.trace_id, message_id=trace.message_id, cause_id=trace.cause_id
        )
