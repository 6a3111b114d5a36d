"""The equity read on a fixed clock: how much it moved in each block of time, the same blocks for every arm."""

import math

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float64]

YEAR_S = 365 * 86_400      # markets of this kind never close
LADDER_S = (3600, 900, 300, 60)
ENOUGH_BLOCKS = 100        # of a length, before it is preferred to a shorter one


def block_length_s(start_ms: int, end_ms: int) -> int:
    """Return the longest of an hour, 15, 5 and 1 minutes of which the period holds 100, or a minute.

    Long blocks hide how money came and went inside of them, but depend less on each other, so that the square-root rule by
    which a ratio is annualised is nearer to the truth.

    >>> block_length_s(0, 14 * 3_600_000), block_length_s(0, 30 * 86_400_000), block_length_s(0, 60_000)
    (300, 3600, 60)
    """
    period_s = (end_ms - start_ms) / 1000
    return next((block_s for block_s in LADDER_S if period_s / block_s >= ENOUGH_BLOCKS), LADDER_S[-1])


def block_ends(start_ms: int, end_ms: int, block_s: int) -> NDArray[np.int64]:
    """Return the ends of the blocks, UTC ms; the last one is cut short by the end of the period.

    >>> block_ends(0, 150_000, 60).tolist()
    [60000, 120000, 150000]
    """
    count = max(1, math.ceil((end_ms - start_ms) / (block_s * 1000)))
    return np.minimum(start_ms + block_s * 1000 * np.arange(1, count + 1, dtype=np.int64), max(start_ms, end_ms))


def equity_increments(equity: pd.DataFrame, start_ms: int, end_ms: int, block_s: int) -> Floats:
    """Return by how much the equity moved in each block; their sum is the whole gain.

    Args:
        equity: columns ts_ms (UTC ms, ascending) and equity (token); the first row is the start.
        start_ms, end_ms: the period, UTC ms. What was booked after its end counts into the last block.
        block_s: length of a block, s.

    Returns:
        (blocks,) in the token of the equity.
    """
    if equity.empty:
        return np.zeros(0)
    values = equity["equity"].to_numpy(np.float64)
    ends = block_ends(start_ms, end_ms, block_s)
    last = np.searchsorted(equity["ts_ms"].to_numpy(np.int64), ends, side="right") - 1
    last[-1] = len(values) - 1
    return np.diff(values[np.maximum(last, 0)], prepend=values[0])
