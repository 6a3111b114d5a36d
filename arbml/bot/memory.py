"""What was seen lately, so that whoever joins late can be shown it; and records that nobody keeps."""

from collections import deque
from collections.abc import Iterator, Sequence

from arbml.market import Tick
from arbml.serving.journal import Position

MAX_TICKS = 200_000   # 1000 streams x 200 ticks, or 46 h of three; at most 110 MB
MAX_RECORDS = 10_000


class TickMemory:
    """The latest ticks in the order of knowing, each with a number that only grows. One writer at a time.

    >>> from arbml.market import Tick
    >>> memory = TickMemory(max_ticks=2)
    >>> memory.extend([Tick(i, "a", "A/B", 1.0, i) for i in range(5)])
    >>> [tick.ts_ms for tick in memory.since(0)], [tick.ts_ms for tick in memory.since(4)], memory.end
    ([3, 4], [4], 5)
    """

    def __init__(self, max_ticks: int = MAX_TICKS) -> None:
        self._max_ticks = max_ticks
        self._ticks: list[Tick] = []
        self._first = 0  # number of the first of them

    @property
    def end(self) -> int:
        """Number of the next tick."""
        return self._first + len(self._ticks)

    def extend(self, ticks: Sequence[Tick]) -> None:
        """Remember ticks; the oldest are forgotten."""
        self._ticks.extend(ticks)
        if len(self._ticks) > self._max_ticks + self._max_ticks // 4:  # seldom: the rest is moved each time
            self._forget(len(self._ticks) - self._max_ticks)

    def since(self, number: int, limit: int | None = None) -> list[Tick]:
        """Return what is remembered from `number` on, oldest first, at most `limit`."""
        start = max(number, self.oldest) - self._first
        return self._ticks[start : None if limit is None else start + limit]

    @property
    def oldest(self) -> int:
        """Number of the oldest tick remembered."""
        return max(self._first, self.end - self._max_ticks)

    def _forget(self, count: int) -> None:
        del self._ticks[:count]
        self._first += count


class PassingLines:
    """A journal that keeps the last records in memory only, for backtests: repeats and outcomes work, nothing is written."""

    def __init__(self, max_records: int = MAX_RECORDS) -> None:
        self._lines: deque[bytes] = deque(maxlen=max_records)
        self._count = 0

    def append(self, line: bytes) -> Position:
        """Keep one line."""
        self._lines.append(line)
        self._count += 1
        return Position(0, self._count - 1, len(line))

    def read(self, position: Position) -> bytes | None:
        """Return the line at `position`, None if it has been forgotten."""
        place = position.offset - (self._count - len(self._lines))
        return self._lines[place] if place >= 0 else None

    def lines(self) -> Iterator[tuple[Position, bytes]]:
        """Yield nothing: there was nothing before."""
        return iter(())

    def skipped(self, position: Position, why: str) -> None:
        """Never called: whatever is read was written here."""
