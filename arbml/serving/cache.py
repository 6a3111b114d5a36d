"""Answers that may be given again for a short while. Bounded, and on the injected clock, so that a replay ages them too."""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

from arbml.clock import Clock

V = TypeVar("V")


class AnswerCache(Generic[V]):
    """Values by a key that holds everything that affects them.

    The key is compared as it is, not by a digest, so that two questions can never collide.

    >>> from arbml.clock import FixedClock
    >>> clock = FixedClock(0)
    >>> cache = AnswerCache[str](clock, ttl_ms=1000, max_entries=2)
    >>> cache.put(("WETH", 1.0), "yes")
    >>> cache.get(("WETH", 1.0)), cache.get(("WETH", 2.0))
    ('yes', None)
    >>> clock.advance(1000)
    >>> cache.get(("WETH", 1.0)) is None
    True
    """

    def __init__(self, clock: Clock, ttl_ms: int, max_entries: int = 4096) -> None:
        self._clock = clock
        self._ttl_ms = ttl_ms
        self._max_entries = max_entries
        self._held: OrderedDict[Hashable, tuple[int, V]] = OrderedDict()
        self.hits = 0
        self.misses = 0

    def __len__(self) -> int:
        return len(self._held)

    def get(self, key: Hashable) -> V | None:
        """Return the value put less than `ttl_ms` ago, else None."""
        held = self._held.get(key)
        # a clock that went backwards must not make an answer live longer
        if held is not None and 0 <= self._clock.now_ms() - held[0] < self._ttl_ms:
            self.hits += 1
            return held[1]
        if held is not None:
            del self._held[key]
        self.misses += 1
        return None

    def put(self, key: Hashable, value: V) -> None:
        """Keep `value`; the oldest one goes when there are more than `max_entries`."""
        if self._ttl_ms == 0:
            return
        self._held.pop(key, None)
        self._held[key] = (self._clock.now_ms(), value)
        if len(self._held) > self._max_entries:
            self._held.popitem(last=False)

    def clear(self) -> int:
        """Forget everything; return how many values that were."""
        count = len(self._held)
        self._held.clear()
        return count
