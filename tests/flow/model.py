"""What a queue does, without actors, stores or loops: the model of test_machine.py.

There are more workers than tasks, so no task waits for another, and each is followed alone.
Times are seconds. Whatever lasts, lasts a tenth more than a whole number, and is looked at on
whole numbers: not even a chain of attempts ends on one, so a few milliseconds do not matter.
"""

from dataclasses import dataclass, field
from math import inf

RETRY_S = 3.1
TIMEOUT_S = 4.1
DELAYS_S = (0.0, 2.1, 20.1)

LIVE = {"pending", "retrying", "paused", "processing"}
WAITING = {"pending", "retrying"}


@dataclass
class Life:
    """One task. `at_s` is when it is due while it waits, and when it times out while it runs."""

    number: int
    kind: str
    queue: str
    max_retries: int
    delay_s: float
    key: str | None
    status: str = "unknown"
    retry_count: int = 0
    at_s: float = 0.0
    run_at_s: float = 0.0
    order: int = 0

    @property
    def waiting_status(self) -> str:
        return "retrying" if self.retry_count else "pending"


@dataclass
class Model:
    """Every task there ever was, and what is paused or handled."""

    now_s: float = 0.0
    tasks: list[Life] = field(default_factory=list[Life])
    paused: set[str] = field(default_factory=set[str])
    handled: set[str] = field(default_factory=lambda: {"ok", "fail", "hang"})
    _order: int = 0

    # -- what can be asked of it; each answers as the queue must -----------------------------

    def enqueue(self, life: Life) -> str:
        """`accepted`, or `duplicate` when its unique key is taken."""
        if life.status != "unknown":
            return "accepted"
        if self._is_taken(life):
            return "duplicate"
        self._enter(life, self.now_s + life.delay_s)
        return "accepted"

    def cancel(self, life: Life) -> bool:
        return self._move(life, LIVE, "cancelled")

    def pause(self, life: Life) -> bool:
        return self._move(life, WAITING, "paused")

    def resume(self, life: Life) -> bool:
        return self._move(life, {"paused"}, life.waiting_status)

    def requeue(self, life: Life) -> bool:
        if life.status != "dead_letter" or self._is_taken(life):
            return False
        life.retry_count = 0
        self._enter(life, self.now_s)
        return True

    def requeue_all(self, queue: str) -> int:
        dead = [life for life in self._in(queue) if life.status == "dead_letter"]
        return sum(self.requeue(life) for life in sorted(dead, key=lambda life: life.order))

    def purge(self, queue: str) -> int:
        return self._forget(queue, {"pending", "retrying", "paused"})

    def purge_dead(self, queue: str) -> int:
        return self._forget(queue, {"dead_letter"})

    def clear(self) -> int:
        return sum(self._forget(queue, {"completed", "cancelled"}) for queue in "ab")

    def hand_back(self) -> None:
        """All workers were stopped: what ran waits again, and has not failed."""
        for life in self.tasks:
            if life.status == "processing":
                life.status = life.waiting_status
                life.at_s = life.run_at_s

    # -- time --------------------------------------------------------------------------------

    def settle(self) -> None:
        """Whatever can happen now happens."""
        self.advance(0)

    def advance(self, seconds: float) -> None:
        """Each task goes its way, event by event."""
        begin_s, self.now_s = self.now_s, self.now_s + seconds
        for life in self.tasks:
            while (moment := self._next(life, begin_s)) <= self.now_s:
                self._happen(life, moment)

    def _next(self, life: Life, begin_s: float) -> float:
        if life.status == "processing":
            return life.at_s
        is_held = life.queue in self.paused or life.kind not in self.handled
        return inf if life.status not in WAITING or is_held else max(life.at_s, begin_s)

    def _happen(self, life: Life, moment: float) -> None:
        if life.kind == "hang" and life.status != "processing":
            life.status = "processing"
            life.at_s = moment + TIMEOUT_S
        elif life.kind in {"ok", "late"}:
            life.status = "completed"
        elif life.retry_count < life.max_retries:
            life.retry_count += 1
            life.status = "retrying"
            life.at_s = life.run_at_s = moment + RETRY_S
        else:
            life.status = "dead_letter"
            self._order += 1
            life.order = self._order

    # -- figures -----------------------------------------------------------------------------

    def info(self, queue: str) -> dict[str, object]:
        """The figures of `get_queue_info`."""
        lives = self._in(queue)
        running = [life for life in lives if life.status == "processing"]
        delayed = [life for life in lives if life.status in WAITING and life.at_s > self.now_s]
        live = [life for life in lives if life.status in LIVE]
        return {
            "job_count": len(live),
            "pending_tasks": len(live) - len(running) - len(delayed),
            "processing_tasks": len(running),
            "delayed_tasks": len(delayed),
            "dead_letter_tasks": sum(life.status == "dead_letter" for life in lives),
            "paused": queue in self.paused,
        }

    # ----------------------------------------------------------------------------------------

    def _in(self, queue: str) -> list[Life]:
        return [life for life in self.tasks if life.queue == queue]

    def _is_taken(self, life: Life) -> bool:
        return life.key is not None and any(
            other.key == life.key and other.status in LIVE for other in self._in(life.queue)
        )

    def _enter(self, life: Life, run_at_s: float) -> None:
        life.status = "pending"
        life.at_s = life.run_at_s = run_at_s

    def _move(self, life: Life, before: set[str], after: str) -> bool:
        if life.status not in before:
            return False
        life.status = after
        return True

    def _forget(self, queue: str, statuses: set[str]) -> int:
        gone = [life for life in self._in(queue) if life.status in statuses]
        for life in gone:
            life.status = "unknown"
            life.retry_count = 0
        return len(gone)
