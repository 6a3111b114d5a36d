"""Rows that wait for the store: in order, numbered, never more than fit. Whoever puts in too many waits, and then is told."""

import itertools
import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from arbml.clock import stopwatch_s
from arbml.errors import CollectError, TransientError

T = TypeVar("T")


class BufferFull(TransientError):
    """The store has not kept up, and the row was not taken; it may be offered again later."""


class RowBuffer(Generic[T]):
    """A bounded queue between those who record and the one who stores. Safe between threads.

    What was taken in is never dropped for what comes later: a history with a hole that nobody was told of is worse than a
    source that has to wait. Rows leave by `done`, after they were stored, so that a failed write loses none.

    Args:
        capacity: most rows kept.
        stopwatch: seconds on a clock that never jumps; rows are aged by it.

    >>> buffer = RowBuffer[str](capacity=3)
    >>> for row in "abc":
    ...     buffer.put(row, wait_s=0)
    >>> buffer.take(at_least=2, limit=2, max_age_s=60)
    (0, ['a', 'b'])
    >>> buffer.done(2), len(buffer)
    (None, 1)
    """

    def __init__(self, capacity: int, stopwatch: Callable[[], float] = stopwatch_s) -> None:
        self.capacity = capacity
        self._stopwatch = stopwatch
        self._lock = threading.Lock()
        self._work = threading.Condition(self._lock)
        self._room = threading.Condition(self._lock)
        self._rows: deque[tuple[float, T]] = deque()
        self._first = 0  # number of the oldest of them
        self._wanted = 1
        self._hurry_to = 0
        self._closed = False

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def end(self) -> int:
        """Number of the next row: how many were ever taken in."""
        with self._lock:
            return self._first + len(self._rows)

    @property
    def oldest_age_s(self) -> float:
        """For how long the oldest row has waited, s; 0 without rows."""
        with self._lock:
            return self._stopwatch() - self._rows[0][0] if self._rows else 0.0

    def put(self, row: T, wait_s: float) -> None:
        """Take in a row, waiting up to `wait_s` for room.

        Raises:
            BufferFull: if there is none by then. CollectError: if the buffer is closed.
        """
        with self._lock:
            if len(self._rows) >= self.capacity and not self._closed and wait_s > 0:
                self._room.wait_for(lambda: len(self._rows) < self.capacity or self._closed, timeout=wait_s)
            if self._closed:
                raise CollectError("the data collector is stopped; start it before recording")
            if len(self._rows) >= self.capacity:
                raise BufferFull(
                    f"data collector: {self.capacity} rows wait for the store already, and none was taken in {wait_s:g} s; "
                    "slow down, or mend the store (get_stats().problem says what is wrong with it)"
                )
            self._rows.append((self._stopwatch(), row))
            if len(self._rows) == 1 or len(self._rows) >= self._wanted:
                self._work.notify()

    def take(self, at_least: int, limit: int, max_age_s: float) -> tuple[int, list[T]]:
        """Wait for `at_least` rows, or until the oldest is `max_age_s` old, somebody hurries or the buffer is closed.

        Returns:
            The number of the oldest row, and the oldest `limit` rows, which stay until `done`. No rows: closed and empty.
        """
        with self._lock:
            self._wanted = at_least
            while not self._closed and len(self._rows) < at_least and not (self._rows and self._first < self._hurry_to):
                left_s = self._rows[0][0] + max_age_s - self._stopwatch() if self._rows else None
                if left_s is not None and left_s <= 0:
                    break
                self._work.wait(left_s)
            return self._first, [row for _, row in itertools.islice(self._rows, limit)]

    def done(self, number: int) -> None:
        """Let go of all rows before `number`."""
        with self._lock:
            while self._first < number and self._rows:
                self._rows.popleft()
                self._first += 1
            self._room.notify_all()

    def hurry(self) -> int:
        """Let what is there be taken at once; return the number of the row after it."""
        with self._lock:
            self._hurry_to = self._first + len(self._rows)
            self._work.notify_all()
            return self._hurry_to

    def wait_done(self, number: int, timeout_s: float) -> bool:
        """Wait until all rows before `number` are gone; false if they are not in time."""
        with self._lock:
            return self._room.wait_for(lambda: self._first >= number, timeout=timeout_s)

    def close(self) -> None:
        """Take in nothing more; what is there may still be taken out."""
        with self._lock:
            self._closed = True
            self._work.notify_all()
            self._room.notify_all()

    def open(self) -> None:
        """Take in rows again."""
        with self._lock:
            self._closed = False
