"""What the statements of one call share: collections, the time, a session, and numbers."""

from collections.abc import Callable
from threading import Lock
from typing import Any, Final

from pymongo.client_session import ClientSession
from pymongo.collection import Collection
from pymongo.database import Database as Mongo

from ._schema import Document

_NUMBER_BITS: Final = 10


class Places:
    """Numbers in the order of adding: the server's microseconds, and a running number.

    So no counter must be written for each task. The server counts milliseconds, of which each has
    place for a million. Within a process each is used once; two processes that add in the same
    millisecond may get the same, and then neither was before the other. 63 bits last until 2255.
    """

    def __init__(self) -> None:
        self._next = 0
        self._lock = Lock()

    def take(self, count: int, now_us: int) -> int:
        """The first of `count` numbers, greater than all before."""
        with self._lock:
            first = max(self._next, now_us << _NUMBER_BITS)
            self._next = first + count
        return first


class Call:
    """One call. `session` is in a transaction where there is one, `now_us` the server's time."""

    __slots__ = (
        "counters",
        "nodes",
        "note_parked",
        "now_us",
        "paused",
        "places",
        "schedules",
        "sender",
        "session",
        "tasks",
    )

    def __init__(
        self,
        database: Mongo[Document],
        prefix: str,
        *,
        now_us: int,
        places: Places,
        sender: int,
        note_parked: Callable[[], None],
        session: ClientSession | None = None,
    ) -> None:
        def collection(name: str) -> Collection[Document]:
            return database[f"{prefix}_{name}"]

        self.tasks = collection("tasks")
        self.schedules = collection("schedules")
        self.nodes = collection("nodes")
        self.paused = collection("paused")
        self.counters = collection("counters")
        self.now_us = now_us
        self.places = places
        self.sender = sender
        self.note_parked = note_parked
        self.session = session

    def place(self, count: int = 1) -> int:
        """The first of `count` numbers in the order of adding, or of ending."""
        return self.places.take(count, self.now_us)

    def number(self, name: str, count: int = 1) -> int:
        """The last of `count` numbers of a counter, none of which was given before."""
        counter: Any = self.counters.find_one_and_update(
            {"_id": name}, {"$inc": {"value": count}}, return_document=True
        )
        return int(counter["value"])
