"""A message that needs more than itself: a reply slot, a trace, a place in a batch.

Plain untraced tells travel bare. The reply is a slot, not a stream: there is nothing to
close, and a reply that comes too late falls on a slot that is no longer waiting (the idea
of Erlang's process aliases, EEP-53).
"""

from collections.abc import Callable
from enum import Enum
from typing import Any, Generic, TypeVar

from anyio import Event

from ._errors import AskTimeout
from ._trace import Trace

R_co = TypeVar("R_co", covariant=True)


class Request(Generic[R_co]):
    """Base of messages that are asked: `ask(message)` is typed as the reply, `R`.

    The type is a promise of whoever writes the actor; it is not checked at run time.
    """

    __slots__ = ()


class Slot(Enum):
    """Where a reply stands. Only WAITING moves, and only once."""

    WAITING = "waiting"
    REPLIED = "replied"
    FAILED = "failed"
    EXPIRED = "expired"
    ABANDONED = "abandoned"


# Looking a member up on its Enum costs as much as a call on Python 3.11, and an ask does it
# nine times.
_WAITING = Slot.WAITING
_REPLIED = Slot.REPLIED
_FAILED = Slot.FAILED
_EXPIRED = Slot.EXPIRED
_ABANDONED = Slot.ABANDONED


class Envelope:
    """One message on its way, and the way back.

    `receive_batch` gets these; each is to be answered once by `reply` or `fail`, in the
    call or later. A tell arrives in a batch as an envelope too: `reply` then only means
    that it is done with.
    """

    __slots__ = ("_answer", "_event", "_slot", "message", "on_answer", "trace")

    def __init__(self, message: object, event: Event | None, trace: Trace | None = None) -> None:
        self.message = message
        self.trace = trace
        self._event = event
        self._slot = _WAITING
        self._answer: object = None
        self.on_answer: Callable[[Envelope], None] | None = None

    @property
    def wants_reply(self) -> bool:
        """True for an ask, False for a tell."""
        return self._event is not None

    @property
    def abandoned(self) -> bool:
        """The asker has gone: its deadline passed, or it was cancelled."""
        return self._slot is _EXPIRED or self._slot is _ABANDONED

    @property
    def answered(self) -> bool:
        return self._slot is not _WAITING

    @property
    def expired(self) -> bool:
        return self._slot is _EXPIRED

    def outcome(self, path: str, timeout_s: float) -> Any:
        """The reply, or its error; `path` and `timeout_s` are for the sentence of the latter.

        To be called once: the envelope stays among the alarms for a while, its answer should not.
        """
        answer, self._answer = self._answer, None
        if self._slot is _REPLIED:
            return answer
        if self._slot is _FAILED:
            assert isinstance(answer, Exception)
            raise answer
        raise AskTimeout(path, timeout_s, self.message)

    def reply(self, value: object = None) -> None:
        """Answer with `value`. Does nothing once answered or abandoned."""
        self._settle(_REPLIED, value)

    def fail(self, error: Exception) -> None:
        """Answer by raising `error` at the asker. Does nothing once answered or abandoned."""
        self._settle(_FAILED, error)

    def fire(self) -> None:
        """The deadline passed (called by the alarms)."""
        self._settle(_EXPIRED, None)

    def abandon(self) -> None:
        """The asker was cancelled."""
        self._settle(_ABANDONED, None)

    def _settle(self, slot: Slot, answer: object) -> None:
        if self._slot is not _WAITING:
            return
        self._slot = slot
        self._answer = answer
        if self._event is not None:
            self._event.set()
        if self.on_answer is not None:
            self.on_answer(self)

    def __repr__(self) -> str:
        kind = "ask" if self.wants_reply else "tell"
        return f"<Envelope {kind} {type(self.message).__name__} {self._slot.value}>"
