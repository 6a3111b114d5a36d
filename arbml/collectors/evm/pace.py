"""How fast and how patiently a node is asked."""

import math
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass

_POLITE_PER_S = 100.0


@dataclass(frozen=True, slots=True)
class Limits:
    """What is asked of each node, and for how long.

    Attributes:
        requests_per_s: cap over any longer time, each request of a batch counted; without it 100, and none for a node on
            this machine.
        burst_s: so many seconds' worth may come at once after a pause.
        concurrency: exchanges at the same time.
        batch: requests in one exchange; less where the node refuses that many.
        tries: exchanges that may fail before a question is given up.
        patience_s: how long a question may wait for nodes that rest, altogether.
        back_off_s, longest_s: rest after the first failure in a row, doubled with each further one, at most the longest.
        compare_s: how often the heads of all nodes are held against each other.
        max_lag: so many blocks may a node be behind the best before another is preferred.
    """

    requests_per_s: float | None = None
    burst_s: float = 1.0
    concurrency: int = 4
    batch: int = 100
    tries: int = 8
    patience_s: float = 60.0
    back_off_s: float = 0.25
    longest_s: float = 30.0
    compare_s: float = 10.0
    max_lag: int = 2

    def rest_s(self, failures: int, wanted_s: float | None, rng: random.Random) -> float:
        """Return how long a node is left alone after so many failures in a row: jittered, and no less than it wants itself."""
        doubled = self.back_off_s * 2 ** min(failures - 1, 30)
        rest = rng.uniform(0.5, 1.0) * min(doubled, self.longest_s)
        return rest if wanted_s is None else wanted_s + rest * 0.25


class Pace:
    """Spreads requests over time. Safe to share between threads.

    Args:
        limits: `requests_per_s` and `burst_s` are used. stopwatch: seconds that never jump.
        local: whether the node is on this machine.
    """

    def __init__(self, limits: Limits, stopwatch: Callable[[], float], local: bool = False) -> None:
        default = math.inf if local else _POLITE_PER_S
        self._each_s = 1.0 / (default if limits.requests_per_s is None else limits.requests_per_s)
        self._burst_s, self._stopwatch = limits.burst_s, stopwatch
        self._booked_until = -math.inf
        self._lock = threading.Lock()

    def book(self, requests: int) -> float:
        """Take a place in the line for so many requests; return how many seconds to wait before asking them."""
        with self._lock:
            now = self._stopwatch()
            start = max(self._booked_until, now)
            self._booked_until = start + requests * self._each_s
            return max(0.0, start - now - self._burst_s)
