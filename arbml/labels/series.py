"""Each stream of a tick frame as arrays that are sorted both by event and by knowing."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from arbml.frames import TickFrame, in_order

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, eq=False)
class Series:
    """The ticks of one stream that were not late, n of them.

    A tick that is not after all those known before it (event time, then log index) is left out, as in the feature engine
    and in the pool book: a label is settled when it is first known, and no backfill or second collection changes it.

    Attributes:
        stream: "venue|PAIR".
        ts_ms, ts_known_ms: (n,) int64, both non-decreasing.
        price: (n,) quote per base.
        row: (n,) row numbers in the frame that `in_order` returned.
    """

    stream: str
    ts_ms: Array
    ts_known_ms: Array
    price: Array
    row: Array

    def asof(self, at_ms: Array) -> Array:
        """Return for each event time the number of the last tick that happened at or before it; before the first, -1."""
        return np.searchsorted(self.ts_ms, at_ms, side="right") - 1

    def settled(self, at_ms: Array) -> Array:
        """Return for each event time the number of the tick that settles what the price was then; n if none does yet.

        It is the first tick that happened later, or the last one that happened exactly then.
        """
        return np.maximum(np.searchsorted(self.ts_ms, at_ms, side="left"), self.asof(at_ms))


def stream_names(df: pd.DataFrame) -> tuple[tuple[str, ...], Array]:
    """Return the sorted names "venue|PAIR" of the streams in a frame, and for each row the number of its stream."""
    venue_of, venues = pd.factorize(df["venue"])
    pair_of, pairs = pd.factorize(df["pair"])
    used, inverse = np.unique(venue_of.astype(np.int64) * max(1, len(pairs)) + pair_of, return_inverse=True)
    names = [f"{venues[code // len(pairs)]}|{pairs[code % len(pairs)]}" for code in used.tolist()]
    rank = np.argsort(np.argsort(np.array(names, dtype=object)))
    return tuple(sorted(names)), rank[inverse] if len(names) else inverse


def rows_by_stream(df: pd.DataFrame) -> dict[str, Array]:
    """Return the row numbers of each stream, ascending, streams by name."""
    names, stream_of = stream_names(df)
    order = np.argsort(stream_of, kind="stable")
    borders = np.searchsorted(stream_of[order], np.arange(len(names) + 1))
    return {name: order[borders[i] : borders[i + 1]] for i, name in enumerate(names)}


def stream_series(ticks: TickFrame) -> dict[str, Series]:
    """Return the series of each stream of a frame that is in the order of knowing (`in_order`), streams by name."""
    ts_ms, known_ms = ticks["ts_ms"].to_numpy(), ticks["ts_known_ms"].to_numpy()
    price, log_index = ticks["price"].to_numpy(), ticks["log_index"].to_numpy()
    series = {}
    for stream, rows in rows_by_stream(ticks).items():
        kept = rows[_advancing(ts_ms[rows], log_index[rows])]
        series[stream] = Series(stream, ts_ms[kept], known_ms[kept], price[kept], kept)
    return series


def _advancing(ts_ms: Array, log_index: Array) -> Array:
    """Return which ticks come after all before them, by event time, then log index."""
    order = np.lexsort((log_index, ts_ms))
    ts_ms, log_index = ts_ms[order], log_index[order]
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.cumsum(np.r_[True, (ts_ms[1:] > ts_ms[:-1]) | (log_index[1:] > log_index[:-1])])
    return rank > np.r_[0, np.maximum.accumulate(rank)[:-1]]


def stream_spacing_ms(ticks: TickFrame) -> dict[str, float]:
    """Return the median time between two events of each stream, ms; infinite for a stream of one event.

    >>> from arbml.frames import TICKS
    >>> times = [0, 5_000, 10_000, 60_000]
    >>> stream_spacing_ms(TICKS.check(pd.DataFrame(
    ...     {"ts_ms": times, "ts_known_ms": times, "venue": "a", "pair": "WETH/USDC", "price": 1.0})))
    {'a|WETH/USDC': 5000.0}
    """
    return {stream: spacing_ms(series) for stream, series in stream_series(in_order(ticks)).items()}


def spacing_ms(series: Series) -> float:
    """Return the median time between two events of one series, ms; infinite for one event."""
    gaps = np.diff(np.unique(series.ts_ms))
    return float(np.median(gaps)) if len(gaps) else math.inf


def observable_horizons(ticks: TickFrame, horizons_s: Sequence[int]) -> tuple[int, ...]:
    """Return the horizons that are not shorter than the spacing of the busiest stream (of several, the densest).

    At a shorter horizon the last known price is still the present one, and every return would be zero.
    """
    series = stream_series(in_order(ticks)).values()
    most = max((len(one.ts_ms) for one in series), default=0)
    spacing = min((spacing_ms(one) for one in series if len(one.ts_ms) == most), default=math.inf)
    return tuple(h for h in horizons_s if h * 1_000 >= spacing)
