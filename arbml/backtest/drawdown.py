"""How far the equity fell below its best, and for how long."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Drawdown:
    """The deepest fall.

    Attributes:
        amount: below the peak before it, token; 0 where the equity never fell.
        share: the same as a part of that peak.
        peak_ms, trough_ms: when, UTC ms.
        longest_s: longest time below a peak, whether or not it was the deepest fall; to the end where it was not made good.
    """

    amount: float
    share: float
    peak_ms: int
    trough_ms: int
    longest_s: float


def below_peak(equity: Floats) -> Floats:
    """Return by how much each value lies below the highest one before it; zeros and positive numbers.

    >>> below_peak(np.array([10.0, 12.0, 9.0, 13.0])).tolist()
    [0.0, 0.0, 3.0, 0.0]
    """
    values = np.asarray(equity, np.float64)
    return np.maximum.accumulate(values) - values if values.size else values


def drawdown(ts_ms: NDArray[np.int64], equity: Floats) -> Drawdown:
    """Return the deepest fall of a curve.

    Args:
        ts_ms: (n,) UTC ms, ascending. equity: (n,) token.

    >>> found = drawdown(np.array([0, 1_000, 2_000, 9_000]), np.array([100.0, 110.0, 99.0, 120.0]))
    >>> found.amount, round(found.share, 3), found.longest_s
    (11.0, 0.1, 8.0)
    """
    values = np.asarray(equity, np.float64)
    if not values.size:
        return Drawdown(0.0, 0.0, 0, 0, 0.0)
    falls = below_peak(values)
    trough = int(np.argmax(falls))
    peak_at = int(np.argmax(values[: trough + 1]))
    peak = float(values[peak_at])
    times = np.asarray(ts_ms, np.int64)
    share = float(falls[trough]) / peak if peak > 0 else 0.0
    return Drawdown(float(falls[trough]), share, int(times[peak_at]), int(times[trough]), _longest_s(times, falls))


def _longest_s(ts_ms: NDArray[np.int64], falls: Floats) -> float:
    """Return the longest way from a peak until it was reached again, s."""
    longest, since = 0, int(ts_ms[0])
    under = False
    for now_ms, fall in zip(ts_ms.tolist(), falls.tolist(), strict=True):
        if under:
            longest = max(longest, now_ms - since)
        if fall <= 0.0:
            since, under = now_ms, False
        else:
            under = True
            longest = max(longest, now_ms - since)
    return longest / 1000
