"""An order book as a price and a depth, and the exchange's clock beside ours."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

BAND_BPS = 50.0  # depth is counted up to this far from the mid price
_SAME_CLOCK_MS = 100


@dataclass(frozen=True, slots=True)
class Quote:
    """What an order book says.

    Attributes:
        price: middle of best bid and best ask, quote per base.
        liquidity: what can be traded within `BAND_BPS` of it on the thinner side, quote.
        ts_ms: when it was so, on the exchange's clock; None where the exchange does not say.
        cut: one side ends within the band, so that there may be more than `liquidity`.
    """

    price: float
    liquidity: float
    ts_ms: int | None
    cut: bool = False


def quote_of(book: Mapping[str, Any]) -> Quote | None:
    """Return the quote of an order book as ccxt gives it; None for one that cannot be (a side empty, crossed, not numbers).

    >>> quote_of({"bids": [[99.9, 2.0], [99.0, 5.0]], "asks": [[100.1, 3.0]], "timestamp": None})
    Quote(price=100.0, liquidity=199.8, ts_ms=None, cut=True)
    """
    try:
        bids, asks = book["bids"], book["asks"]
        bid, ask = float(bids[0][0]), float(asks[0][0])
        if not (0 < bid < ask < math.inf):
            return None
        price = (bid + ask) / 2
        low, high = price - price * BAND_BPS / 1e4, price + price * BAND_BPS / 1e4
        sides = [_depth(side, low, high) for side in (bids, asks)]
        cut = any(low <= side[-1][0] <= high for side in (bids, asks))
        timestamp = book.get("timestamp")
    except (KeyError, IndexError, TypeError, ValueError):
        return None
    if not all(0 <= side < math.inf for side in sides):
        return None
    return Quote(price, min(sides), int(timestamp) if isinstance(timestamp, int | float) and timestamp > 0 else None, cut)


def _depth(levels: Sequence[Sequence[float]], low: float, high: float) -> float:
    total = 0.0
    for level in levels:
        if not low <= level[0] <= high:
            break
        total += level[0] * level[1]
    return total


class ExchangeClock:
    """Turns times of an exchange into times of ours.

    An offset that the round trip or 0.1 s explains is none, nor one of a second that a clock of whole seconds explains: then the
    exchange's times are kept as they are. What would still have happened after we knew it is put at the moment when we knew it,
    and counted.

    Attributes:
        offset_ms: how far the exchange's clock is ahead of ours. clamped: events that seemed to come from the future.

    >>> clock = ExchangeClock()
    >>> clock.measured(sent_ms=1000, server_ms=6020, received_ms=1040)
    >>> clock.offset_ms, clock.event_ms(6500, now_ms=1600), clock.event_ms(6700, now_ms=1600), clock.clamped
    (5000, 1500, 1600, 1)
    >>> clock.measured(sent_ms=1950, server_ms=1000, received_ms=1970, whole=True)
    >>> clock.offset_ms
    0
    """

    def __init__(self) -> None:
        self.offset_ms = 0
        self.clamped = 0

    def measured(self, sent_ms: int, server_ms: int, received_ms: int, whole: bool = False) -> None:
        """Take note of what the exchange said that its time was, between two times of ours.

        Args:
            whole: it tells whole seconds.
        """
        rest_ms = 500 if whole else 0  # what it leaves out, give or take as much
        offset_ms = server_ms + rest_ms - (sent_ms + received_ms) // 2
        self.offset_ms = offset_ms if abs(offset_ms) > max(_SAME_CLOCK_MS, received_ms - sent_ms) + rest_ms else 0

    def event_ms(self, ts_ms: int | None, now_ms: int) -> int:
        """Return when something happened, our time; now where the exchange does not say."""
        if ts_ms is None:
            return now_ms
        happened_ms = ts_ms - self.offset_ms
        if happened_ms > now_ms:
            self.clamped += 1
            return now_ms
        return happened_ms
