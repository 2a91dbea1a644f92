"""One claimed task on its way through a worker, and the pool's handle to stop it."""

from collections.abc import Generator
from contextlib import contextmanager

from anyio import CancelScope

from ..stores import ClaimedTask
from .outcome import Stop


class Attempt:
    """What the pool hands to a worker. `stop` reaches a handler that is running."""

    __slots__ = ("_scope", "_stop", "claimed")

    def __init__(self, claimed: ClaimedTask) -> None:
        self.claimed = claimed
        self._scope: CancelScope | None = None
        self._stop: Stop | None = None

    @property
    def stopped(self) -> Stop | None:
        """Why it was stopped, if it was."""
        return self._stop

    @property
    def cut(self) -> bool:
        """Its scope was cancelled: by `stop`, or by its deadline."""
        return self._scope is not None and self._scope.cancel_called

    def stop(self, why: Stop) -> None:
        """Cancel the attempt, or never begin it. The first reason counts."""
        if self._stop is None:
            self._stop = why
            if self._scope is not None:
                self._scope.cancel()

    @contextmanager
    def running(self, deadline: float) -> Generator[None]:
        """The scope for the handler: it ends at `deadline` (event loop seconds) or at `stop`."""
        with CancelScope(deadline=deadline) as scope:
            self._scope = scope
            if self._stop is not None:
                scope.cancel()
            yield

    def __repr__(self) -> str:
        row = self.claimed.row
        return f"<Attempt {self.claimed.attempt} at {row.task_type} {row.task_id}>"
