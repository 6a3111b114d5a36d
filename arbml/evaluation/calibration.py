"""Do probabilities and intervals keep their word?"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Reliability:
    """What was predicted against what happened, in bins of equal weight.

    Attributes:
        predicted: (bins,) mean probability given, increasing.
        observed: (bins,) share that succeeded.
        counts: (bins,) rows in the bin.
    """

    predicted: Floats
    observed: Floats
    counts: NDArray[np.int64]

    @property
    def error(self) -> float:
        """Expected calibration error: the mean of |predicted - observed|, weighted by rows; 0 is perfect."""
        return float(np.average(np.abs(self.predicted - self.observed), weights=self.counts))


def reliability(success: Floats, probability: Floats, bins: int = 10) -> Reliability:
    """Return the reliability table (Murphy and Winkler 1977), with bins of equal weight.

    Equal weight rather than equal width: successes are rare, so that equal widths would put nearly every row into
    the first bin and judge the others by a handful. Equal probabilities always share a bin.

    Args:
        success: (n,) 0 or 1.
        probability: (n,) in [0, 1].
        bins: number of bins wished; fewer if probabilities repeat or rows are few.

    >>> table = reliability(np.array([0, 0, 1, 1.0]), np.array([0.2, 0.2, 0.9, 0.9]), bins=2)
    >>> table.predicted.tolist(), table.observed.tolist(), round(table.error, 3)
    ([0.2, 0.9], [0.0, 1.0], 0.15)
    """
    success, probability = np.asarray(success, np.float64), np.asarray(probability, np.float64)
    if success.size == 0 or success.shape != probability.shape:
        raise ValueError(f"reliability needs as many outcomes as probabilities, got {success.shape} and {probability.shape}")
    order = np.argsort(probability, kind="stable")
    ranked, outcome = probability[order], success[order]
    wished = np.linspace(0, ranked.size, min(bins, ranked.size) + 1).round().astype(int)[1:-1]
    starts = np.unique(np.concatenate([[0], np.searchsorted(ranked, ranked[wished], side="left")]))
    counts = np.diff(np.append(starts, ranked.size))
    return Reliability(np.add.reduceat(ranked, starts) / counts, np.add.reduceat(outcome, starts) / counts, counts.astype(np.int64))


def coverage(y: Floats, lower: Floats, upper: Floats) -> float:
    """Return the share of `y` inside [lower, upper], borders included.

    >>> coverage(np.array([1.0, 2.0, 3.0, 4.0]), np.full(4, 2.0), np.full(4, 3.0))
    0.5
    """
    return float(np.mean((y >= lower) & (y <= upper)))
