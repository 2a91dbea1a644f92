"""A probe: what a test puts where an actor would be, to see what is sent there.

    probe = Probe[Sent]()
    await system.start_child(probe.child_spec())
    mailer = await system.start_child(ChildSpec("mailer", lambda: Mailer(report_to=probe.ref)))
    await mailer.tell(Send(to="ada"))
    assert (await probe.expect(Sent)).to == "ada"
    await probe.expect_nothing()

The test holds the probe, the tree an actor that hands on to it; so a restart of that actor
loses nothing of what the probe has seen.
"""

from collections import deque
from collections.abc import Callable
from typing import Any, Generic, TypeVar, overload

from anyio import Event, move_on_after

from oncue.runtime import Actor, ChildSpec, Envelope, Ref, Request

M = TypeVar("M")
T = TypeVar("T")
R = TypeVar("R")

SHOWN_MAX = 10
"""How many of the messages received before an error shows."""


class ExpectationFailed(AssertionError):
    """Something else came than was expected, or nothing did.

    Attributes: `path` (the probe's), `expected` (a text), `instead` (the message that came, or
    None), `received` (what the probe had received before, oldest first).
    """

    def __init__(
        self, path: str, expected: str, what: str, instead: object, received: tuple[object, ...]
    ) -> None:
        shown = ", ".join(repr(message) for message in received[-SHOWN_MAX:])
        before = f"{len(received)} received before: {shown}" if received else "nothing came before"
        more = ", the last ones" if len(received) > SHOWN_MAX else ""
        super().__init__(f"probe {path!r} expected {expected}, but {what} ({before}{more})")
        self.path = path
        self.expected = expected
        self.instead = instead
        self.received = received


class Probe(Generic[M]):
    """Keeps what it is sent until the test expects it, one message after the other.

    `expect` takes the oldest message that was not expected yet, so a test also sees what it
    did not ask for. `history_max` messages are kept; when more come unexpected, the next
    `expect` fails rather than pass over them.
    """

    def __init__(self, name: str = "probe", *, history_max: int = 1000) -> None:
        self._name = name
        self._history_max = history_max
        self._inbox: deque[Envelope] = deque()
        self._seen: deque[object] = deque(maxlen=history_max)
        self._answers: list[tuple[type, Callable[[Any], object]]] = []
        self._arrived = Event()
        self._asked: Envelope | None = None
        self._station: _Station | None = None
        self._lost = 0

    def child_spec(self) -> ChildSpec[M]:
        """What to start it from, in the tree of a system or later: one place at a time."""
        return ChildSpec(self._name, lambda: _Station(self._settle, self._take))

    @property
    def ref(self) -> Ref[M]:
        """Its address; there as soon as its actor has started."""
        return self._home.ref

    @property
    def received(self) -> tuple[object, ...]:
        """The last `history_max` messages, expected or not, oldest first."""
        return (*self._seen, *(envelope.message for envelope in self._inbox))

    # -- what comes ---------------------------------------------------------------------

    @overload
    async def expect(self, what: type[T], *, within_s: float = 5.0) -> T: ...
    @overload
    async def expect(self, what: T, *, within_s: float = 5.0) -> T: ...
    async def expect(self, what: Any, *, within_s: float = 5.0) -> Any:
        """The next message: an instance of `what` if that is a class, else equal to it.

        Waits for it, at most `within_s` of the event loop's seconds. Raises
        `ExpectationFailed` when another message comes, which then stays the next, or none.
        """
        with move_on_after(within_s):
            while not self._inbox:
                await self._arrived.wait()
        self._check_lost(_expected(what))
        if not self._inbox:
            raise self._failed(_expected(what), f"nothing came within {within_s} s", None)
        message = self._inbox[0].message
        if not (isinstance(message, what) if isinstance(what, type) else message == what):
            raise self._failed(_expected(what), f"{message!r} came instead", message)
        envelope = self._inbox.popleft()
        self._seen.append(message)
        self._asked = envelope if envelope.wants_reply else None
        return message

    async def expect_nothing(self, *, within_s: float = 1.0) -> None:
        """Wait `within_s` of the event loop's seconds, in which nothing may come.

        A message that came before and was not expected counts too. Raises
        `ExpectationFailed`, at the first.
        """
        with move_on_after(within_s):
            while not self._inbox:
                await self._arrived.wait()
        self._check_lost("nothing")
        if self._inbox:
            message = self._inbox[0].message
            raise self._failed(f"nothing within {within_s} s", f"{message!r} came", message)

    # -- what goes back -----------------------------------------------------------------

    def reply(self, value: object = None) -> None:
        """Answer the ask that was expected last. RuntimeError when the last was no ask."""
        self._take_asked().reply(value)

    def fail(self, error: Exception) -> None:
        """Answer it by raising `error` at the asker."""
        self._take_asked().fail(error)

    def answer(self, kind: type[Request[R]], how: Callable[[Any], R]) -> None:
        """From now on answer each ask of type `kind` as it comes, with `how(message)`.

        What `how` raises is raised at the asker. The ask is there to be expected all the same.
        A later rule goes before an earlier one.
        """
        self._answers.insert(0, (kind, how))

    def watch(self, ref: Ref[Any]) -> None:
        """Receive a `Terminated` each time an incarnation of `ref` ends, until this one does."""
        self._home.context.watch(ref)

    # -----------------------------------------------------------------------------------

    def _take(self, envelope: Envelope) -> None:
        self._inbox.append(envelope)
        if len(self._inbox) > self._history_max:
            self._inbox.popleft()
            self._lost += 1
        self._arrived.set()
        self._arrived = Event()
        for kind, how in self._answers:
            if envelope.wants_reply and isinstance(envelope.message, kind):
                try:
                    envelope.reply(how(envelope.message))
                except Exception as error:
                    envelope.fail(error)
                return

    def _settle(self, station: "_Station") -> None:
        self._station = station

    @property
    def _home(self) -> "_Station":
        if self._station is None:
            raise RuntimeError(
                f"probe {self._name!r} has not started: put probe.child_spec() into a "
                "SupervisorSpec, or `await system.start_child(probe.child_spec())`"
            )
        return self._station

    def _take_asked(self) -> Envelope:
        if self._asked is None:
            raise RuntimeError(f"{self!r}: the message expected last was no ask, or is answered")
        envelope, self._asked = self._asked, None
        return envelope

    def _check_lost(self, expected: str) -> None:
        if self._lost:
            raise self._failed(
                expected,
                f"{self._lost} messages that nobody expected are lost already: expect them, or "
                f"raise history_max above {self._history_max}",
                None,
            )

    def _failed(self, expected: str, what: str, instead: object) -> ExpectationFailed:
        path = self._station.ref.path if self._station is not None else self._name
        return ExpectationFailed(path, expected, what, instead, tuple(self._seen))

    def __repr__(self) -> str:
        return f"<Probe {self._name} {len(self._seen)} expected, {len(self._inbox)} not yet>"


class _Station(Actor[Any]):
    """The probe's actor."""

    def __init__(
        self, settle: "Callable[[_Station], None]", take: Callable[[Envelope], None]
    ) -> None:
        self._settle = settle
        self._take = take

    async def on_start(self) -> None:
        self._settle(self)

    async def receive_batch(self, batch: list[Envelope]) -> None:
        for envelope in batch:
            self._take(envelope)


def _expected(what: object) -> str:
    return f"a message of type {what.__name__}" if isinstance(what, type) else repr(what)
