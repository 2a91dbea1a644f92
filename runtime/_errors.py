"""What can go wrong between actors, sorted by whose fault it is.

`ActorStopped` and `MailboxFull` speak to the caller and carry the message that was not
delivered; `ActorDied` tells of somebody else's crash and has it as `__cause__`;
`EscalatedFailure` is a supervisor that gave up.
"""

from collections.abc import Sequence
from typing import Any


class ActorStopped(Exception):
    """The actor has ended for good; the message was not and will not be handled.

    Attributes: `path`, `message` (what was sent, or None when the call sent nothing).
    """

    def __init__(self, path: str, message: object = None) -> None:
        what = "" if message is None else f" before it handled {type(message).__name__}"
        super().__init__(f"actor {path!r} has stopped{what}")
        self.path = path
        self.message = message


class ActorDied(Exception):
    """The actor crashed or was killed while it held this request.

    `__cause__` is the crash, None for a kill. Whether the request took effect is not
    known. Attributes: `path`, `generation` (of the incarnation that died), `message`.
    """

    def __init__(self, path: str, generation: int, message: object) -> None:
        super().__init__(
            f"actor {path!r} (generation {generation}) died while it held {type(message).__name__}"
        )
        self.path = path
        self.generation = generation
        self.message = message


class AskTimeout(TimeoutError):
    """No reply within the deadline. A reply that comes later is dropped, harmlessly.

    Attributes: `path`, `timeout_s`, `message`.
    """

    def __init__(self, path: str, timeout_s: float, message: object) -> None:
        super().__init__(f"actor {path!r} did not answer {type(message).__name__} in {timeout_s} s")
        self.path = path
        self.timeout_s = timeout_s
        self.message = message


class MailboxFull(Exception):
    """The mailbox is at its capacity; the message was not accepted.

    Attributes: `path`, `capacity`, `message`.
    """

    def __init__(self, path: str, capacity: int, message: object) -> None:
        super().__init__(
            f"mailbox of actor {path!r} is full ({capacity} messages); "
            f"{type(message).__name__} was not accepted"
        )
        self.path = path
        self.capacity = capacity
        self.message = message


class NoSuchActor(LookupError):
    """No actor has this path. Attributes: `path`, `nearest` (a path that exists, or None)."""

    def __init__(self, path: str, nearest: str | None) -> None:
        hint = f"; did you mean {nearest!r}?" if nearest else ""
        super().__init__(f"no actor at {path!r}{hint}")
        self.path = path
        self.nearest = nearest


class Unrecoverable(Exception):
    """A crash that no restart can mend; subclass it, and raise it in an actor.

    The actor's supervisor does not try: it gives up at once, whatever its budget, and so does
    every supervisor above it.
    """


class EscalatedFailure(ExceptionGroup[Exception]):
    """A supervisor could not keep its children up, stopped them all, and failed in turn.

    `path` is the supervisor's; the one exception inside is the crash that broke the budget,
    or the `EscalatedFailure` of the supervisor below: depth equals the number of
    supervisors passed. Notes on the innermost crash name path, generation and the type of
    the message in hand.
    """

    path: str

    def __new__(cls, message: str, exceptions: Sequence[Exception], *, path: str) -> Any:
        self = super().__new__(cls, message, exceptions)
        self.path = path
        return self

    def __init__(self, message: str, exceptions: Sequence[Exception], *, path: str) -> None:
        super().__init__(message, exceptions)

    def derive(self, excs: Sequence[Exception], /) -> "EscalatedFailure":  # type: ignore[override]
        return EscalatedFailure(self.message, excs, path=self.path)


def is_unrecoverable(error: BaseException | None) -> bool:
    """Whether it is `Unrecoverable`, or an `EscalatedFailure` over one."""
    if isinstance(error, EscalatedFailure):
        return any(is_unrecoverable(inner) for inner in error.exceptions)
    return isinstance(error, Unrecoverable)
