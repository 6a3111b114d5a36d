"""How far the realised variance strays from its forecast: measured on later rows, not derived from a distribution."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from arbml.models.bars import Series

Floats = NDArray[np.float64]

LEVELS = (0.05, 0.95)
NORMAL_95 = 1.6448536269514722  # 95 % quantile of the standard normal


class VarianceForecast(NamedTuple):
    """Variance of the log-return over a horizon, and the interval that its realised value falls into with 90 %."""

    variance: float
    lower: float
    upper: float


@dataclass(frozen=True, slots=True)
class RatioIntervals:
    """Quantiles of realised / forecast variance, by length of the horizon in bars.

    Attributes:
        bars: horizons that were measured, increasing; others are interpolated in their logarithm.
        low, high: 5 % and 95 % quantile of the ratio at each.
        n: rows measured at the shortest.

    >>> RatioIntervals((1, 100), (0.0, 0.8), (4.0, 2.0), 500).around(1.0, 10.0)
    VarianceForecast(variance=1.0, lower=0.4, upper=3.0)
    """

    bars: tuple[int, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    n: int

    @classmethod
    def fit(cls, ratios: Sequence[Mapping[int, Floats]]) -> Self:
        """Take the quantiles over several series of {horizon in bars: ratios}; horizons without ratios are left out."""
        horizons = sorted({bars for found in ratios for bars in found})
        pooled = {bars: np.concatenate([found[bars] for found in ratios if bars in found]) for bars in horizons}
        known = {bars: values[np.isfinite(values)] for bars, values in pooled.items() if np.isfinite(values).any()}
        quantiles = [np.quantile(values, LEVELS) for values in known.values()]
        return cls(
            tuple(known),
            tuple(float(q[0]) for q in quantiles),
            tuple(float(q[1]) for q in quantiles),
            max((len(values) for values in known.values()), default=0),
        )

    def around(self, variance: float, bars: float) -> VarianceForecast:
        """Return the forecast with its interval for a horizon of `bars`.

        Without any measurement the ratio is taken as chi-square with `bars` degrees of freedom, as for normal returns.
        """
        if not self.bars:
            low, high = (_chi_square(bars, z) for z in (-NORMAL_95, NORMAL_95))
        else:
            at, where = np.log(self.bars), np.log(max(bars, 1e-9))
            low, high = (float(np.interp(where, at, side)) for side in (self.low, self.high))
        return VarianceForecast(variance, variance * low, variance * high)

    def to_dict(self) -> dict[str, Any]:
        """Plain data, ready for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Rebuild what `to_dict` wrote."""
        return cls(tuple(data["bars"]), tuple(data["low"]), tuple(data["high"]), data["n"])


def _chi_square(degrees: float, z: float) -> float:
    """Quantile of chi-square / degrees at the normal quantile z (Wilson and Hilferty 1931)."""
    spread = 2 / (9 * max(degrees, 1.0))
    return max(1 - spread + z * spread**0.5, 0.0) ** 3


def measured_horizons(longest: int) -> tuple[int, ...]:
    """Return the horizons, in bars, at which the ratio is measured.

    >>> measured_horizons(60)
    (1, 2, 4, 8, 16, 32, 60)
    """
    return (*(2**i for i in range(longest.bit_length()) if 2**i < longest), longest)


def realised(series: Series, bars: int) -> Floats:
    """Return the sum of the squared log-returns of the `bars` bars after each row, NaN where one of them is missing."""
    squares = np.concatenate([[0.0], np.cumsum(np.square(series.log_returns))])
    position = np.concatenate([[0], np.cumsum(series.steps[1:])])
    n = len(series.rows)
    out = np.full(n, np.nan)
    whole = np.arange(n - bars) if n > bars else np.arange(0)
    whole = whole[position[whole + bars] - position[whole] == bars]
    out[whole] = squares[whole + bars + 1] - squares[whole + 1]
    return np.maximum(out, 0.0)
