"""What still has to be sent, in order; bounded, the oldest goes first."""

import itertools
import threading
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")


class Backlog(Generic[T]):
    """A queue whose items carry numbers, so that what was sent can be taken off while others put in. Safe between threads.

    Args:
        size: most items kept.

    >>> backlog = Backlog[str](size=3)
    >>> backlog.put("abcd")
    >>> backlog.head(2), backlog.dropped, backlog.end
    ((1, ['b', 'c']), 1, 4)
    >>> backlog.done(2)
    >>> backlog.head(2)
    (2, ['c', 'd'])
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._lock = threading.Lock()
        self._items: deque[T] = deque()
        self._first = 0
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._items)

    @property
    def first(self) -> int:
        """Number of the oldest item that is left."""
        return self._first

    @property
    def end(self) -> int:
        """Number of the next item."""
        with self._lock:
            return self._first + len(self._items)

    def put(self, items: Iterable[T]) -> None:
        """Add items; what does not fit pushes out the oldest."""
        with self._lock:
            self._items.extend(items)
            while len(self._items) > self._size:
                self._items.popleft()
                self._first += 1
                self.dropped += 1

    def put_back(self, items: Sequence[T]) -> None:
        """Add items that were taken off before those that are left, as many of the latest as fit."""
        with self._lock:
            again = items[max(0, len(items) - (self._size - len(self._items))) :] if len(self._items) < self._size else []
            self._items.extendleft(reversed(again))
            self._first -= len(again)

    def head(self, n: int) -> tuple[int, list[T]]:
        """Return the number of the oldest item, and the oldest `n`."""
        with self._lock:
            return self._first, list(itertools.islice(self._items, n))

    def done(self, number: int) -> None:
        """Take off everything before `number`."""
        with self._lock:
            while self._first < number and self._items:
                self._items.popleft()
                self._first += 1
