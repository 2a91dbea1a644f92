"""A line of waiting things: the smallest key first, and anything may leave from the middle.

Rules:
- The heap holds keys only; the dict says which of them still count. Leaving deletes from
  the dict and leaves its key behind, to be skipped when it comes up.
- A key that leaves and comes back is in the heap twice and in the dict once; whichever
  comes up first takes it, the other is skipped.
- Keys left behind never outnumber those in line by more than `_SLACK`: past that the heap
  is rebuilt, which costs each leave a constant share.
"""

from heapq import heappop, heappush
from typing import Final, Generic, TypeVar

T = TypeVar("T")

_SLACK: Final = 64


class Line(Generic[T]):
    """A priority queue by integer keys, each used for one item at a time."""

    __slots__ = ("_heap", "_items")

    def __init__(self) -> None:
        self._heap: list[int] = []
        self._items: dict[int, T] = {}

    def __len__(self) -> int:
        return len(self._items)

    def __repr__(self) -> str:
        return f"<Line waiting={len(self._items)} heap={len(self._heap)}>"

    def put(self, key: int, item: T) -> None:
        """Stand in line at `key`. Constant time when the key is the largest so far."""
        self._items[key] = item
        heappush(self._heap, key)

    def leave(self, key: int) -> None:
        """Take the item at `key` out, wherever it stands."""
        del self._items[key]
        if len(self._heap) > 2 * len(self._items) + _SLACK:
            self._heap = sorted(self._items)  # a sorted list is a heap

    def first(self) -> int | None:
        """The smallest key, or None when nobody waits."""
        heap, items = self._heap, self._items
        while heap:
            if heap[0] in items:
                return heap[0]
            heappop(heap)
        return None

    def pop(self, limit: int) -> list[T]:
        """Take out up to `limit` items, smallest keys first."""
        heap, items = self._heap, self._items
        popped: list[T] = []
        while heap and len(popped) < limit:
            key = heappop(heap)
            if key in items:
                popped.append(items.pop(key))
        return popped
