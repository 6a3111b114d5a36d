"""One measured number beside the number of whatever it must be compared with."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Figure:
    """What was measured, and the same work done by its peer in the same run.

    Attributes:
        name: what was measured, e.g. "ingest into SQLite".
        value: the median of the repeats, in `unit`.
        unit: e.g. "rows/s", "us".
        peer: what it is compared with; empty if there is nothing to compare with.
        peer_value: the peer's median in the same unit; None without a peer.
        note: what a reader must know to judge it, e.g. sizes.
    """

    name: str
    value: float
    unit: str
    peer: str = ""
    peer_value: float | None = None
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """`value / peer_value`, or None without a peer.

        >>> Figure("ingest", 80_000, "rows/s", "bare driver", 100_000).ratio
        0.8
        """
        return None if not self.peer_value else self.value / self.peer_value


def median_seconds(repeats: int, *works: Callable[[], object], before: Callable[[], object] | None = None) -> tuple[float, ...]:
    """Return the median wall time of each work, s.

    The works take turns, so that whatever else the machine does meets all of them alike.

    Args:
        repeats: how often each work is done.
        works: what is timed.
        before: done before each work, and not timed.
    """
    taken: list[list[float]] = [[] for _ in works]
    for _ in range(repeats):
        for times, work in zip(taken, works, strict=True):
            if before is not None:
                before()
            start = time.perf_counter()
            work()
            times.append(time.perf_counter() - start)
    return tuple(statistics.median(times) for times in taken)


def times_us(call: Callable[[], object], n: int) -> NDArray[np.float64]:
    """Return the times of n calls, us, after a tenth as many that are not counted."""
    for _ in range(n // 10):
        call()
    times = np.empty(n)
    for i in range(n):
        start_s = time.perf_counter()
        call()
        times[i] = time.perf_counter() - start_s
    return times * 1e6


def at(times: NDArray[np.float64], percentile: float) -> float:
    """Return a percentile of times."""
    return float(np.percentile(times, percentile))
