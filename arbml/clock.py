"""The only place that asks what time it is. All times are UTC; `ts_*_ms` are integer milliseconds since the epoch."""

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Anything that tells the time; replay and tests bring their own."""

    def now_ms(self) -> int:
        """Return the current time in UTC milliseconds."""
        ...


class SystemClock:
    """The machine's clock."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000


class FixedClock:
    """A clock that moves only when told, for replay, backtests and tests.

    >>> clock = FixedClock(1_000)
    >>> clock.advance(500)
    >>> clock.now_ms()
    1500
    """

    def __init__(self, now_ms: int) -> None:
        self._now_ms = now_ms

    def now_ms(self) -> int:
        return self._now_ms

    def advance(self, by_ms: int) -> None:
        """Move forward by `by_ms` milliseconds (backward if negative)."""
        self._now_ms += by_ms

    def set(self, now_ms: int) -> None:
        """Jump to `now_ms`."""
        self._now_ms = now_ms


class ReplayClock(FixedClock):
    """A clock that stands at the latest moment it was shown, so that recorded data is judged at its own time.

    >>> clock = ReplayClock(0)
    >>> clock.see(2_000)
    >>> clock.see(1_500)
    >>> clock.now_ms()
    2000
    """

    def see(self, ts_ms: int) -> None:
        """Move to `ts_ms` if it is later."""
        self.set(max(self.now_ms(), ts_ms))


def iso(ts_ms: int) -> str:
    """Format UTC milliseconds for people.

    >>> iso(1704412823000)
    '2024-01-05T00:00:23Z'
    """
    moment = datetime.fromtimestamp(ts_ms / 1000, tz=UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S") + (f".{ts_ms % 1000:03d}" if ts_ms % 1000 else "") + "Z"


def stopwatch_s() -> float:
    """Return seconds on a clock that never jumps; only differences mean anything."""
    return time.perf_counter()
