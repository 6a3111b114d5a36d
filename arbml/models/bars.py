"""Streams as regular bars: from a dataset's rows in training, from irregular ticks in the service."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from arbml.errors import SchemaError

if TYPE_CHECKING:
    from arbml.dataset import Dataset

Floats = NDArray[np.float64]


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
        steps = np.concatenate([[1], steps_between(ts_ms[:-1], ts_ms[1:], bar_s(ds))]).astype(np.int64)
        yield Series(stream, rows, ts_ms, ds.X[rows, 0], steps, bar_s(ds))


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


@dataclass(frozen=True, slots=True)
class Completed:
    """Bars that one tick completed.

    Attributes:
        first_end_ms: end of the first of them.
        log_returns: of each; all but the first are zero, because the last known price was carried forward.
        restarted: the stream was silent for so long that its past was dropped; then there are no returns.
    """

    first_end_ms: int
    log_returns: tuple[float, ...] = ()
    restarted: bool = False


class RegularBars:
    """Turns irregular ticks of one stream into log-returns of bars that end at whole multiples of the step.

    A bar closes at the last price with ts_ms <= its end; where nothing was traded the price before is carried forward, as in
    `arbml.dataset.volatility_dataset`. A bar is complete once a tick after its end is seen.

    Args:
        step_s: length of a bar, s.
        max_carry: most bars that a price is carried forward; after longer silence the stream starts afresh.

    >>> bars = RegularBars(5)
    >>> [bars.update(t, p).log_returns for t, p in ((1000, 1.0), (4000, 1.0), (6000, 1.1), (17000, 1.2))]
    [(), (), (), (0.09531017980432493, 0.0)]
    """

    def __init__(self, step_s: float, max_carry: int = 10_000) -> None:
        self._step_ms = round(step_s * 1000)
        self._max_carry = max_carry
        self._ts_ms = 0
        self._end_ms = 0
        self._price = math.nan   # last seen
        self._closed = math.nan  # at the end of the bar before the open one

    def update(self, ts_ms: int, price: float) -> Completed:
        """Take a tick; a tick older than the last one, or without a positive price, changes nothing."""
        if not price > 0 or math.isinf(price) or ts_ms < self._ts_ms:
            return Completed(self._end_ms)
        due = -(-ts_ms // self._step_ms) * self._step_ms  # end of the bar that the tick belongs to
        carried = (due - self._end_ms) // self._step_ms
        completed = Completed(self._end_ms)
        if math.isnan(self._price):
            pass
        elif carried > self._max_carry:
            completed, self._closed = Completed(self._end_ms, restarted=True), math.nan
        elif carried > 0:
            completed = self._close(carried)
        self._ts_ms, self._end_ms, self._price = ts_ms, due, price
        return completed

    def _close(self, count: int) -> Completed:
        before, self._closed = self._closed, self._price
        if math.isnan(before):  # the first bar has a price, but no return
            return Completed(self._end_ms + self._step_ms, (0.0,) * (count - 1))
        return Completed(self._end_ms, (math.log(self._price / before),) + (0.0,) * (count - 1))

    def dump(self) -> dict[str, Any]:
        """Plain data from which `load` continues."""
        return {"ts_ms": self._ts_ms, "end_ms": self._end_ms, "price": _or_none(self._price), "closed": _or_none(self._closed)}

    def load(self, data: dict[str, Any]) -> None:
        """Continue where `dump` was taken."""
        self._ts_ms, self._end_ms = int(data["ts_ms"]), int(data["end_ms"])
        self._price = math.nan if data["price"] is None else float(data["price"])
        self._closed = math.nan if data["closed"] is None else float(data["closed"])


def _or_none(value: float) -> float | None:
    return None if math.isnan(value) else value
