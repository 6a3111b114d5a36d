"""Streams as regular bars: from a dataset's rows in training, from irregular ticks in the service."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from arbml.errors import SchemaError

if TYPE_CHECKING:
    from arbml.dataset import Dataset

Floats = NDArray[np.float64]

JITTER_BARS = 3
SILENCE_MS = 600_000  # as arbml.labels.STALE_MS and arbml.dataset.volatility.GAP_BARS, which the service need not import
SILENCE_BARS = 10
NAN = math.nan


@dataclass(frozen=True)
class Series:
    """The rows of one stream in a volatility dataset, in order of time.

    Attributes:
        stream: its name.
        rows: (n,) row numbers in the dataset.
        ts_ms: (n,) end of each bar.
        log_returns: (n,) of each bar.
        steps: (n,) bars since the row before, at least 1; rows are missing where training and test were cut apart.
        step_s: length of a bar, s.
    """

    stream: str
    rows: NDArray[np.intp]
    ts_ms: NDArray[np.int64]
    log_returns: Floats
    steps: NDArray[np.int64]
    step_s: int


def series_of(ds: "Dataset") -> Iterator[Series]:
    """Yield the streams of a volatility dataset that have rows; X[:, 0] is the log-return of the bar that ends at ts_ms."""
    for number, stream in enumerate(ds.streams):
        rows = np.flatnonzero(ds.stream_of == number)
        if not len(rows):
            continue
        rows = rows[np.argsort(ds.ts_ms[rows], kind="stable")]
        ts_ms = ds.ts_ms[rows]
        yield Series(stream, rows, ts_ms, ds.X[rows, 0], _steps(ts_ms, bar_s(ds)), bar_s(ds))


def _steps(ts_ms: NDArray[np.int64], step_s: int) -> NDArray[np.int64]:
    """Return the bars since the row before, read off the times of knowing.

    A bar is known when the next tick comes: several bars may become known at once, and times jitter by a bar or two. So
    bars are counted between distinct times, and only a lack of `JITTER_BARS` or more is one.
    """
    moments, first, count = np.unique(ts_ms, return_index=True, return_counts=True)
    missing = np.rint(np.diff(moments) / (step_s * 1000)).astype(np.int64) - count[1:]
    steps = np.ones(len(ts_ms), dtype=np.int64)
    steps[first[1:]] += np.where(missing >= JITTER_BARS, missing, 0)
    return steps


def bar_s(ds: "Dataset") -> int:
    """Return the length of a bar of a volatility dataset, s.

    Raises:
        SchemaError: if the dataset does not say.
    """
    if not ds.step_s:
        raise SchemaError(f"the {ds.kind} dataset has no step_s; build it with arbml.dataset.volatility_dataset")
    return ds.step_s


def steps_between(from_ms: Any, to_ms: Any, step_s: float) -> NDArray[np.int64]:
    """Return the whole number of bars between moments, at least 1."""
    return np.maximum(np.rint((np.asarray(to_ms) - np.asarray(from_ms)) / (step_s * 1000)), 1).astype(np.int64)


class Bar(NamedTuple):
    """A complete bar: its log-return, and the bars since the last one that had a return (1 unless the stream was silent)."""

    log_return: float
    step: int


class RegularBars:
    """Turns irregular ticks of one stream into log-returns of bars, as `arbml.dataset.volatility_dataset` does for history.

    Bars end at whole steps after the first tick. A bar's price is the last one with ts_ms <= its end; it is complete once a
    tick at or after its end is seen. A price is carried forward for `SILENCE_MS` or `SILENCE_BARS`, whichever is longer.

    Args:
        step_s: length of a bar, s.

    >>> bars = RegularBars(5)
    >>> for t, p in ((1000, 1.0), (4000, 1.1), (7000, 1.2), (16000, 1.3)):
    ...     print([(round(r, 4), step) for r, step in bars.update(t, p)])
    []
    []
    [(0.0953, 1)]
    [(0.087, 1), (0.08, 1)]
    """

    def __init__(self, step_s: int) -> None:
        self._step_ms = step_s * 1000
        self._silence_ms = max(SILENCE_MS, SILENCE_BARS * self._step_ms)
        self._ts_ms = -1     # of the last tick
        self._end_ms = -1    # of the last complete bar
        self._price = NAN    # of the last tick
        self._closed = NAN   # at the end of the last complete bar, NaN in a gap
        self._before = NAN   # one bar earlier
        self._missing = 0    # bars since the last return
        self._last_step = 1

    def update(self, ts_ms: int, price: float) -> list[Bar]:
        """Take a tick and return the bars that it completed, oldest first.

        A tick that is older than the last, or without a positive price, changes nothing.
        """
        if not 0 < price < math.inf or ts_ms < self._ts_ms:
            return []
        bars: list[Bar] = []
        if self._end_ms < 0:
            self._end_ms, self._closed = ts_ms, price
        elif ts_ms > self._end_ms:
            self._complete(ts_ms, price, bars)
        self._ts_ms, self._price = ts_ms, price
        return bars

    def revise(self, ts_ms: int, price: float) -> Bar | None:
        """Return what the last bar becomes if a further tick happened in the millisecond in which it ended; None if not so."""
        if not ts_ms == self._end_ms == self._ts_ms or not 0 < price < math.inf:
            return None
        self._price = self._closed = price
        return None if math.isnan(self._before) else Bar(math.log(price / self._before), self._last_step)

    def _complete(self, ts_ms: int, price: float, bars: list[Bar]) -> None:
        count, rest = divmod(ts_ms - self._end_ms, self._step_ms)
        before_tick = count if rest else count - 1  # ends that only the last price can speak for
        carried = min(before_tick, max(self._ts_ms + self._silence_ms - self._end_ms, 0) // self._step_ms)
        for _ in range(carried):
            self._close(self._price, bars)
        if before_tick > carried:
            self._missing += before_tick - carried
            self._closed = NAN
        if count > before_tick:
            self._close(price, bars)
        self._end_ms += count * self._step_ms

    def _close(self, price: float, bars: list[Bar]) -> None:
        self._before, self._closed = self._closed, price
        if math.isnan(self._before):
            self._missing += 1
            return
        self._last_step, self._missing = 1 + self._missing, 0
        bars.append(Bar(math.log(price / self._before), self._last_step))

    def dump(self) -> dict[str, Any]:
        """Plain data from which `load` continues."""
        prices = {name: _or_none(getattr(self, name)) for name in PRICES}
        return {name: getattr(self, name) for name in COUNTERS} | prices

    def load(self, data: dict[str, Any]) -> None:
        """Continue where `dump` was taken."""
        for name in COUNTERS:
            setattr(self, name, int(data[name]))
        for name in PRICES:
            setattr(self, name, NAN if data[name] is None else float(data[name]))


COUNTERS = ("_ts_ms", "_end_ms", "_missing", "_last_step")
PRICES = ("_price", "_closed", "_before")


def _or_none(value: float) -> float | None:
    return None if math.isnan(value) else value
