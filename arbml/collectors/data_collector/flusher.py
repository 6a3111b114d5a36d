"""The thread between buffer and store: it outlives an absent store, and one bad row does not hold up the others."""

import logging
import random
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from arbml.clock import stopwatch_s
from arbml.collectors.data_collector.buffer import RowBuffer
from arbml.errors import DataError, StoreError

T = TypeVar("T")
log = logging.getLogger(__name__)

LARGEST_WRITE = 5_000   # rows in one write when many have waited; half a second, so that recorders get room again soon
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 5.0
BAD_ROWS = (DataError, TypeError, ValueError)


@dataclass(frozen=True, slots=True)
class Stored:
    """What became of the rows of one write: new in the store, there before, there before with other values."""

    new: int = 0
    known: int = 0
    conflicting: int = 0

    def __add__(self, other: "Stored") -> "Stored":
        return Stored(self.new + other.new, self.known + other.known, self.conflicting + other.conflicting)


class Flusher(Generic[T]):
    """Writes rows out of a buffer: `batch_size` together, or sooner what has waited for `max_age_s`.

    Args:
        rows: where they wait.
        write: stores rows, all or none, or some where writing the same ones again changes nothing; raises StoreError while
            the store cannot be had, and DataError, TypeError or ValueError for rows that it will never take.
        batch_size: rows in one write; more when many have waited.
        max_age_s: longest that a row waits for others, s.
        stopwatch: for the length of an outage.

    Attributes:
        problem: why the last write failed; empty if it went well.
        stored: sum over all writes. refused: rows that the store will never take. writes, failures: how many.
        outages: times that the store was gone. lost_since_s: stopwatch at the first failure of this outage.
    """

    def __init__(
        self, rows: RowBuffer[T], write: Callable[[Sequence[T]], Stored], batch_size: int, max_age_s: float,
        stopwatch: Callable[[], float] = stopwatch_s,
    ) -> None:
        self._rows, self._write = rows, write
        self._batch_size, self._max_age_s = batch_size, max_age_s
        self._stopwatch = stopwatch
        self._give_up = threading.Event()
        self._thread: threading.Thread | None = None
        self.problem = ""
        self.stored = Stored()
        self.writes = self.failures = self.refused = self.outages = 0
        self.lost_since_s: float | None = None

    @property
    def running(self) -> bool:
        """True between `start` and the end of the thread."""
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> None:
        """Begin."""
        self._give_up.clear()
        self._rows.open()
        self._thread = threading.Thread(target=self._run, name="data-collector", daemon=True)
        self._thread.start()

    def stop(self, timeout_s: float) -> int:
        """Take in nothing more, write what is left and end; return how many rows could not be written in that time."""
        self._rows.close()
        if self._thread is not None:
            self._thread.join(timeout_s)
            self._give_up.set()
            self._thread.join(1.0)  # it may be inside a write that hangs; it is a daemon then
        return len(self._rows)

    def _run(self) -> None:
        pause_s = 0.0
        while not self._give_up.wait(pause_s):
            first, rows = self._rows.take(self._batch_size, max(LARGEST_WRITE, self._batch_size), self._max_age_s)
            if not rows:
                return  # closed, and empty
            try:
                stored, refused = self._store(rows)
            except Exception as error:  # the thread must outlive whatever a database driver raises
                pause_s = self._failed(error, pause_s)
                continue
            pause_s = 0.0
            self.stored += stored
            self.refused += refused
            self.writes += 1
            self._recovered()
            self._rows.done(first + len(rows))

    def _store(self, rows: Sequence[T]) -> tuple[Stored, int]:
        """Write rows; of those that the store will never take, halve by halve, only these are left out."""
        try:
            return self._write(rows), 0
        except BAD_ROWS as error:
            if len(rows) == 1:
                log.error("data collector: a row that cannot be stored is left out: %s: %r", error, rows[0])
                return Stored(), 1
        middle = len(rows) // 2
        (left, bad_left), (right, bad_right) = self._store(rows[:middle]), self._store(rows[middle:])
        return left + right, bad_left + bad_right

    def _failed(self, error: Exception, pause_s: float) -> float:
        self.failures += 1
        text = str(error) or type(error).__name__
        if self.lost_since_s is None:
            self.lost_since_s = self._stopwatch()
            self.outages += 1
            log.warning("data collector: the store takes nothing, up to %d rows wait in memory: %s", self._rows.capacity, text)
        if not isinstance(error, StoreError) and not self.problem:
            log.error("data collector: unexpected %s", type(error).__name__, exc_info=error)
        self.problem = text
        return random.uniform(0.5, 1.0) * min(max(FIRST_PAUSE_S, 2 * pause_s), LONGEST_PAUSE_S)

    def _recovered(self) -> None:
        if self.lost_since_s is not None:
            gone_s = self._stopwatch() - self.lost_since_s
            log.warning("data collector: the store takes rows again after %.1f s; %d rows had waited", gone_s, len(self._rows))
        self.problem, self.lost_since_s = "", None
