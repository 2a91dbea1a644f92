"""A bounded mailbox that survives restarts, and the account of every message in it.

It is an anyio memory object stream owned by a cell, plus what was taken from it and not
finished. The account: each accepted message is taken once, and a taken message ends as
handled, as a dead letter, bounced to its asker, or skipped (its asker had gone).

    accepted == handled + dead + bounced + skipped + in hand + depth
"""

from collections import deque
from contextlib import suppress
from enum import Enum
from typing import Any, Final

from anyio import (
    BrokenResourceError,
    ClosedResourceError,
    EndOfStream,
    WouldBlock,
    create_memory_object_stream,
)
from anyio.lowlevel import checkpoint

from ._core import Core
from ._dead_letters import Reason
from ._envelope import Envelope
from ._errors import ActorDied, ActorStopped, MailboxFull
from ._spec import Overflow

STEPS_PER_YIELD: Final = 128
"""Messages sent, or handled, in a row without a trip through the event loop.

A trip costs some ten times a message; 128 keeps both the loop and the sender responsive.
It also bounds the error of a mailbox's oldest age.
"""


class Marker(Enum):
    """Things in a mailbox, or in an actor's hand, that are no message."""

    WAKE = "wake"
    """Makes an idle actor look whether it has been asked to stop."""
    EMPTY = "empty"
    NONE_LEFT = "none left"


WAKE: Final = Marker.WAKE
EMPTY: Final = Marker.EMPTY
NONE_LEFT: Final = Marker.NONE_LEFT


class Mailbox:
    """What was sent to one cell and is not finished."""

    __slots__ = (
        "_core",
        "_marks",
        "_outbox",
        "_overflow",
        "_path",
        "accepted",
        "bounced",
        "capacity",
        "dead",
        "held",
        "idle",
        "in_hand",
        "inbox",
        "put",
        "skipped",
        "taken",
        "tracing",
        "unanswered",
    )

    def __init__(self, path: str, capacity: int, overflow: Overflow, core: Core) -> None:
        self._path = path
        self.capacity = capacity
        self._overflow = overflow
        self._core = core
        self._outbox, self.inbox = create_memory_object_stream[Any](capacity)
        self.put = self._outbox.send_nowait
        self.tracing = core.tracing
        self._marks: deque[tuple[int, float]] | None = None
        self.accepted = 0
        self.taken = 0
        self.dead = 0
        self.bounced = 0
        self.skipped = 0
        self.idle = False
        self.held: Any = EMPTY  # received, then overtaken by a stop: first for the next life
        self.in_hand: Any = EMPTY
        self.unanswered: dict[Envelope, None] | None = None  # of a batch, in order of arrival

    @property
    def depth(self) -> int:
        """Messages accepted and not yet taken, blocked senders' included."""
        return self.accepted - self.taken

    @property
    def unfinished(self) -> int:
        """Messages taken and not finished: the one in hand, or what a batch left unanswered."""
        return (self.in_hand is not EMPTY) + len(self.unanswered or ())

    @property
    def current(self) -> Any:
        """What the actor is at: the message in hand, or a batch's first unanswered, or EMPTY."""
        return next(iter(self.unanswered), EMPTY) if self.unanswered else self.in_hand

    @property
    def handled(self) -> int:
        return self.taken - self.dead - self.bounced - self.skipped - self.unfinished

    # -- sending ------------------------------------------------------------------------

    def accept(self) -> None:
        """Count one message that `put` took."""
        if self.accepted == self.taken or not self.accepted % STEPS_PER_YIELD:
            self.mark()
        self.accepted += 1

    async def put_when_room(self, item: object) -> None:
        """The slow way in, by the overflow policy, for a mailbox found full or closed."""
        if self._overflow is not Overflow.BLOCK:
            await checkpoint()  # first, so that whoever is cancelled here has sent nothing
            self.put_or_drop(item)
            return
        self.accept()  # before the wait: the receiver may take it before we run again
        try:
            await self._outbox.send(item)
        except BaseException as error:
            self.accepted -= 1
            if isinstance(error, (BrokenResourceError, ClosedResourceError)):
                raise ActorStopped(self._path, bare(item)) from None
            raise

    def put_or_drop(self, item: object) -> None:
        """Put without waiting: DROP_OLD makes room, the others raise `MailboxFull`."""
        while True:
            try:
                self.put(item)
            except WouldBlock:
                if self._overflow is not Overflow.DROP_OLD:
                    raise MailboxFull(self._path, self.capacity, bare(item)) from None
                self._drop_oldest()
            except (BrokenResourceError, ClosedResourceError):
                raise ActorStopped(self._path, bare(item)) from None
            else:
                self.accept()
                return

    def _drop_oldest(self) -> None:
        oldest = self.inbox.receive_nowait()
        if oldest is not WAKE:
            full = MailboxFull(self._path, self.capacity, bare(oldest))
            self._bounce(oldest, Reason.OVERFLOW, full)

    def mark(self) -> None:
        """Note the time for the message now being accepted, for `oldest_age_s`."""
        if self._marks is None:
            self._marks = deque()
        self._forget_marks()
        self._marks.append((self.accepted, self._core.now()))

    def oldest_age_s(self) -> float:
        """How long the message at the head has waited, to within `STEPS_PER_YIELD` messages."""
        if not self.depth or not self._marks:
            return 0.0
        self._forget_marks()
        return self._core.now() - self._marks[0][1]

    def _forget_marks(self) -> None:
        """Keep the last mark at or before the head (messages count from 0), and all behind it."""
        marks = self._marks
        while marks and len(marks) > 1 and marks[1][0] <= self.taken:
            marks.popleft()

    # -- what was taken -----------------------------------------------------------------

    def take_batch(self, first: object, size_max: int) -> list[Envelope]:
        """`first` and what else is queued, as envelopes to be answered."""
        items = [first]
        with suppress(WouldBlock):
            while len(items) < size_max:
                item = self.inbox.receive_nowait()
                if item is not WAKE:
                    items.append(item)
        self.taken += len(items)
        batch: list[Envelope] = []
        if self.unanswered is None:
            self.unanswered = {}
        for item in items:
            envelope = item if type(item) is Envelope else Envelope(item, None)
            if envelope.abandoned:
                self.skipped += 1
                continue
            envelope.on_answer = self._answered
            self.unanswered[envelope] = None
            batch.append(envelope)
        return batch

    def _answered(self, envelope: Envelope) -> None:
        if self.unanswered and envelope in self.unanswered:
            del self.unanswered[envelope]
            if envelope.abandoned:
                self.skipped += 1

    def settle_hand(self, generation: int, crash: Exception | None, *, died: bool) -> None:
        """The incarnation is over: account for what it held.

        Asks get `ActorDied` (with the crash as cause) or, after an orderly stop,
        `ActorStopped`; tells become dead letters.
        """
        left = list(self.unanswered or ())
        self.unanswered = None
        if self.in_hand is not EMPTY:
            left.append(self.in_hand)
            self.in_hand = EMPTY
        for item in left:
            message = bare(item)
            if died:
                error: Exception = ActorDied(self._path, generation, message)
                error.__cause__ = crash
                self._discard(item, Reason.CRASHED, error, crash)
            else:
                self._discard(item, Reason.STOPPED, ActorStopped(self._path, message))

    def close(self) -> None:
        """The cell will not live again: bounce what is queued. Idempotent."""
        left: list[Any] = [] if self.held is EMPTY else [self.held]
        self.held = EMPTY
        with suppress(WouldBlock, EndOfStream, ClosedResourceError):
            while True:
                left.append(self.inbox.receive_nowait())
        self._outbox.close()
        self.inbox.close()
        for item in left:
            if item is not WAKE:
                self._bounce(item, Reason.STOPPED, ActorStopped(self._path, bare(item)))

    def _bounce(self, item: object, reason: Reason, error: Exception) -> None:
        """Take a queued message only to be rid of it."""
        self.taken += 1
        if type(item) is Envelope and item.abandoned:
            self.skipped += 1
        else:
            self._discard(item, reason, error)

    def _discard(
        self, item: object, reason: Reason, error: Exception, crash: Exception | None = None
    ) -> None:
        if type(item) is Envelope:
            item.on_answer = None
            if item.wants_reply:
                if item.answered:
                    self.skipped += 1
                else:
                    self.bounced += 1
                    item.fail(error)
                return
            item.abandon()  # so that a timer sees that its message is done with
        self.dead += 1
        self._core.bury(self._path, bare(item), reason, crash)


def bare(item: Any) -> Any:
    """The message in `item`, which may travel in an envelope."""
    return item.message if type(item) is Envelope else item
