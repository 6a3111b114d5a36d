"""What the service knows of the market: the latest state of each venue and the features of each stream, tick by tick."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from arbml.errors import InvalidRequest
from arbml.features.state import FeatureVector
from arbml.features.stream import FeatureStream
from arbml.market import Pool, Tick
from arbml.market.book import PoolBook
from arbml.serving.schemas import TickRequest

MAX_STREAMS = 4096
MAX_AHEAD_MS = 60_000  # clocks differ; more than this is another unit or a wrong clock


class TickListener(Protocol):
    """Anything else that keeps state of its own per tick, such as the volatility filter."""

    def update(self, stream: str, ts_ms: int, price: float) -> None:
        """Take in one tick of a stream."""
        ...


class MarketState:
    """One writer at a time; memory is bounded by MAX_STREAMS streams.

    Args:
        history: feature rows kept of each stream.
        listeners: told of every tick that is not late.

    Attributes:
        book: last state of each venue and pair.
    """

    def __init__(self, history: int, listeners: Sequence[TickListener] = ()) -> None:
        self.book = PoolBook()
        self._stream = FeatureStream(history=history, max_streams=MAX_STREAMS)
        self._listeners = tuple(listeners)
        self._first_ms: dict[str, int] = {}
        self._turns: dict[str, int] = {}
        self._names: dict[str, dict[str, float | None]] = {}

    @property
    def streams(self) -> tuple[str, ...]:
        """Names of the streams known."""
        return self._stream.streams

    def observe(self, tick: Tick) -> bool:
        """Take in one tick; false if it is late, which changes nothing."""
        if self._stream.update(tick) is None:
            return False
        self._first_ms.setdefault(tick.stream, tick.ts_ms)
        self._turns[tick.stream] = self.turn(tick.stream) + 1
        self.book.update(tick)
        self._names.pop(tick.stream, None)
        for listener in self._listeners:
            listener.update(tick.stream, tick.ts_ms, tick.price)
        return True

    def pools(self, pair: str) -> dict[str, Pool]:
        """Return the last state of each venue of a pair, however old."""
        return {pool.venue: pool for pool in self.book.pools(pair, now_ms=0)}

    def latest(self, stream: str) -> FeatureVector | None:
        """Return the features of the newest tick of a stream."""
        return self._stream.latest(stream)

    def named(self, vector: FeatureVector) -> dict[str, float | None]:
        """Return a stream's newest features by name, built once per tick. Not to be changed."""
        found = self._names.get(vector.stream)
        if found is None:
            found = self._names[vector.stream] = vector.to_dict()
        return found

    def turn(self, stream: str) -> int:
        """Return how many ticks of a stream were taken in: what depends on its state alone may be kept while this stands."""
        return self._turns.get(stream, 0)

    def known_s(self, vector: FeatureVector) -> float:
        """Return for how long the stream of `vector` has been observed, s."""
        return (vector.ts_ms - self._first_ms[vector.stream]) / 1000

    def newest_ms(self) -> int | None:
        """Return when the newest tick of any stream happened, UTC ms."""
        vectors = [self._stream.latest(stream) for stream in self._stream.streams]
        return max((vector.ts_ms for vector in vectors if vector is not None), default=None)

    def window(self, stream: str, length: int) -> NDArray[np.float64]:
        """Return the newest feature rows of a stream, oldest first, (<= length, n_features)."""
        return self._stream.window(stream, length)

    def check_room(self, ticks: Sequence[TickRequest]) -> None:
        """Refuse ticks that would open more streams than the memory is meant for.

        Raises:
            InvalidRequest: naming the first tick of the first stream too many.
        """
        opened: set[str] = set()
        for i, tick in enumerate(ticks):
            stream = f"{tick.venue}|{tick.pair}"
            if stream not in self._turns:
                opened.add(stream)
                if len(self._turns) + len(opened) > MAX_STREAMS:
                    raise InvalidRequest(
                        f"'{tick.venue}' {tick.pair} would be one stream more than the {MAX_STREAMS} that one service keeps",
                        f"ticks[{i}].venue",
                        "split the venues over several services",
                    )


def to_tick(request: TickRequest, now_ms: int, i: int) -> Tick:
    """Return a checked tick request as a tick.

    Args:
        request: one tick.
        now_ms: taken as the time of knowing where the client says none.
        i: its place in the request, for messages.

    Raises:
        InvalidRequest: if it is from the future, or known before it happened.
    """
    if request.ts_ms > now_ms + MAX_AHEAD_MS:
        ahead_s = (request.ts_ms - now_ms) / 1000
        raise InvalidRequest(f"is {ahead_s:.0f} s ahead of the service's clock", f"ticks[{i}].ts_ms", "check the clocks; times are UTC")
    known_ms = max(now_ms, request.ts_ms) if request.ts_known_ms is None else request.ts_known_ms
    if known_ms < request.ts_ms:
        raise InvalidRequest("is before ts_ms", f"ticks[{i}].ts_known_ms", "nothing is known before it happens; leave it out for now")
    if (request.reserve_base is None) != (request.reserve_quote is None):
        lacks = "reserve_base" if request.reserve_base is None else "reserve_quote"
        raise InvalidRequest("is missing beside the other reserve", f"ticks[{i}].{lacks}", "send both reserves or neither")
    return Tick(**{**request.model_dump(), "ts_known_ms": known_ms})
