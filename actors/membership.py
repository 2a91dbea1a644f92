"""The membership: heartbeats for the claimers of this process, and the end of their work when
the store has given them up.

Losing it stops the work: it crashes, and the supervisor stops the pool and the workers after
it, handlers included, and starts them anew; they join under new incarnations. A node that is
cut off cannot be told, so it gives itself up when it has heard nothing for `SILENT_BEATS`
intervals, one before the store does (`BEATS_MISSED_MAX`).
"""

from typing import Final

from ..runtime import Actor, Ref
from ..stores import Pulse
from .errors import NodeSuperseded
from .messages import STORE_TROUBLE, Heartbeat, SendBeats, StoreMessage
from .roster import Roster

SILENT_BEATS: Final = 3
"""By the process's own monotonic clock."""
ASK_AGAIN: Final = 0.25
"""After so much of an interval a beat without an answer is repeated."""


class NodeLost(Exception):
    """The store has given this node up, or may have: what ran here runs elsewhere now."""


class Membership(Actor[SendBeats]):
    """Sends a heartbeat every `beat_every_s` seconds for whoever is on the roster.

    That may be oftener than the store expects one (`Roster.beat_s`).
    """

    def __init__(self, *, store: str, roster: Roster, beat_every_s: float) -> None:
        self._store_path = store
        self._roster = roster
        self._beat_every_s = beat_every_s

    async def on_start(self) -> None:
        self._store: Ref[StoreMessage] = self.context.lookup(self._store_path)
        self.context.timers.every("beat", self._beat_every_s, SendBeats())

    async def receive(self, message: SendBeats) -> None:
        beats = self._roster.beats()
        if not beats:
            return
        # Before it asks: a process that stood still must not pass for one that lived.
        left_s = self._left_s()
        sent_at_s = self.context.now()
        try:
            pulses = await self._store.ask(
                Heartbeat(beats=beats), timeout_s=min(self._beat_every_s, left_s)
            )
        except STORE_TROUBLE:
            again_s = min(self._beat_every_s * ASK_AGAIN, self._left_s())
            self.context.timers.after("again", again_s, SendBeats())
            return
        for beat, pulse in zip(beats, pulses, strict=True):
            if pulse is Pulse.ALIVE:
                self._roster.note_alive(beat, sent_at_s)
            if beat.incarnation != self._roster.incarnation_of(beat.node):
                continue  # it has joined anew while we asked
            if pulse is Pulse.SUPERSEDED:
                self._roster.superseded = beat.node
            elif pulse is Pulse.LOST:
                self._give_up("the store has given it up")
        self._fail_if_superseded()

    def _left_s(self) -> float:
        """How long it may still go on without an answer. Raises `NodeLost` when it may not."""
        assert self._roster.beat_s is not None
        silent_s = self.context.now() - self._roster.heard_at_s
        left_s = SILENT_BEATS * self._roster.beat_s - silent_s
        if left_s <= 0:
            self._give_up(f"the store has acknowledged nothing for {silent_s:.1f} s")
        return left_s

    def _fail_if_superseded(self) -> None:
        if self._roster.superseded is not None:
            self._roster.clear()
            raise NodeSuperseded(self._roster.superseded)

    def _give_up(self, why: str) -> None:
        self._roster.clear()
        raise NodeLost(why)
