"""Raw features to numbers that a model can use, learnt from the training rows only."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from arbml.errors import NotEnoughData, SchemaError

RANGE_QUANTILES = (0.001, 0.999)
RANGE_MARGIN = 0.5  # of the range, on each side: with dozens of features, a bare 0.1 % tail would refuse one row in ten
CLOCK_ROWS = 50
CLOCK_TAILS = (0.01, 0.99)
CLOCK_RANGES = 4  # two cycles, each up and down: below, an hour of the day has not come back often enough to mean anything
RARELY_UNKNOWN = 0.005  # share of the training: below it, the model has hardly learned what to make of a gap
ABSURD = 1e100  # nothing measured is that large, and its square overflows
NORMAL_IQR = 1.349  # interquartile range of a standard normal


@dataclass(frozen=True, slots=True)
class ColumnScale:
    """One column in its own unit: out = (x - median) / scale; training values lie in [low, high], a share was unknown."""

    median: float
    scale: float
    low: float
    high: float
    unknown: float = 0.0


class InputScaler:
    """Median imputation and robust standardisation; a column that says nothing in training is left out.

    Attributes:
        names: all input columns, in order.
        kept: those that the model sees, in order.
        columns: {kept name: its scale}.
        dropped: {other name: why: never known, constant, or a clock}.
        clip: largest |output|, in robust standard deviations.

    >>> scaler = InputScaler.fit(np.array([[1.0, 5.0], [2.0, 5.0], [3.0, 5.0]]), ["a", "b"])
    >>> scaler.kept, scaler.dropped
    (('a',), {'b': 'constant'})
    >>> scaler.transform(np.array([[np.nan, 1.0]])).tolist()
    [[0.0]]
    """

    def __init__(self, names: Sequence[str], columns: dict[str, ColumnScale], dropped: dict[str, str], clip: float = 8.0) -> None:
        self.names = tuple(names)
        self.columns = columns
        self.dropped = dropped
        self.clip = clip
        self.kept = tuple(name for name in self.names if name in columns)
        scales = [columns[name] for name in self.kept]
        self._index = np.array([self.names.index(name) for name in self.kept], dtype=np.intp)
        self._median = np.array([s.median for s in scales])
        self._scale = np.array([s.scale for s in scales])
        self._low = np.array([s.low for s in scales])
        self._high = np.array([s.high for s in scales])
        self._expected = np.array([s.unknown < RARELY_UNKNOWN for s in scales])

    @classmethod
    def fit(cls, X: NDArray[np.float64], names: Sequence[str], clip: float = 8.0) -> Self:
        """Learn from training rows.

        Args:
            X: (n, f) in order of time, NaN or infinite where a value is not known.
            names: f column names.
            clip: largest |output|.

        Raises:
            NotEnoughData: if no column varies.
        """
        columns: dict[str, ColumnScale] = {}
        dropped: dict[str, str] = {}
        for i, name in enumerate(names):
            values = X[np.abs(X[:, i]) < ABSURD, i]
            if not len(values):
                dropped[name] = "never known"
            elif values.min() == values.max():
                dropped[name] = "constant"
            elif _is_clock(values):
                dropped[name] = "a clock: it tells early from late"
            else:
                columns[name] = _column_scale(values, 1.0 - len(values) / len(X))
        if not columns:
            raise NotEnoughData(f"input columns that vary, of {len(names)}", 0, 1, "check the features of this period")
        return cls(names, columns, dropped, clip)

    def transform(self, X: NDArray[np.float64]) -> NDArray[np.float32]:
        """Return the kept columns, standardised, 0 where not known: (..., f) -> (..., len(kept)).

        Raises:
            SchemaError: if the last axis is not the f columns of the training.
        """
        if X.shape[-1] != len(self.names):
            raise SchemaError(f"model input has {X.shape[-1]} columns, the scaler knows {len(self.names)}; give all, in order")
        values = X[..., self._index]
        with np.errstate(over="ignore", invalid="ignore"):  # absurd values end at the clip, unknown ones at the median
            z = np.clip((values - self._median) / self._scale, -self.clip, self.clip)
        return np.where(np.isfinite(values), z, 0.0).astype(np.float32)

    def missing(self, x: NDArray[np.float64]) -> tuple[str, ...]:
        """Return the kept columns that are not known in one row (f,), though (nearly) all rows of the training knew them.

        A gap that the training had too, such as the ratio of two dispersions while the price stands still, is nothing new.
        """
        bad = ~np.isfinite(np.asarray(x, dtype=np.float64)[self._index]) & self._expected
        return tuple(self.kept[i] for i in np.flatnonzero(bad))

    def out_of_range(self, x: NDArray[np.float64]) -> tuple[str, ...]:
        """Return the kept columns whose value in one row (f,) lies well outside of what the training saw.

        The range is the 0.1 % and 99.9 % quantiles of the training, widened by half of their distance on each side.
        """
        values = np.asarray(x, dtype=np.float64)[self._index]
        bad = (values < self._low) | (values > self._high)
        return tuple(self.kept[i] for i in np.flatnonzero(bad))

    def to_dict(self) -> dict[str, Any]:
        """Plain data, ready for JSON; floats survive unchanged."""
        return {
            "names": list(self.names),
            "clip": self.clip,
            "columns": {name: asdict(scale) for name, scale in self.columns.items()},
            "dropped": dict(self.dropped),
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Rebuild what `to_dict` wrote."""
        columns = {name: ColumnScale(**scale) for name, scale in data["columns"].items()}
        return cls(data["names"], columns, dict(data["dropped"]), data["clip"])


def _is_clock(values: NDArray[np.float64]) -> bool:
    """Say whether a column only tells the time, as the day of the week does in data of one day.

    A model would learn the date by it, and every row after the training would lie outside of what it saw. Two signs: early
    and late values never meet, or the column wandered over its range fewer than twice up and down.
    """
    third = len(values) // 3
    if third < CLOCK_ROWS:
        return False
    (low, high), (later_low, later_high) = (np.quantile(part, CLOCK_TAILS) for part in (values[:third], values[-third:]))
    if high < later_low or later_high < low:
        return True
    low, high = np.quantile(values, CLOCK_TAILS)
    way = np.abs(np.diff(np.clip(values, low, high))).sum()  # clipped: one wild value would be the whole range
    return bool(way < CLOCK_RANGES * (high - low))


def _column_scale(values: NDArray[np.float64], unknown: float) -> ColumnScale:
    """Scale by the interquartile range; by the standard deviation where more than half of the values are equal."""
    q1, median, q3 = np.quantile(values, [0.25, 0.5, 0.75])
    scale = float((q3 - q1) / NORMAL_IQR) or float(values.std()) or 1.0
    low, high = np.quantile(values, RANGE_QUANTILES)
    margin = RANGE_MARGIN * max(float(high - low), scale)
    return ColumnScale(float(median), scale, float(low) - margin, float(high) + margin, unknown)
