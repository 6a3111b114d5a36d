"""From what a quantile network puts out to log-returns with an interval: the same arithmetic in training and in serving."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray


def finish(raw: ArrayLike, target_scale: Sequence[float], conformal: Sequence[Sequence[float]]) -> NDArray[np.float64]:
    """Return the forecast in log-returns, (n, H, 3): lower, median, upper, in that order of size.

    Conformalised quantile regression (Romano, Patterson and Candes 2019) with one offset for each side:
    lower - conformal[h][0], upper + conformal[h][1].

    Args:
        raw: scaled quantiles, (n, H*3) or (n, H, 3).
        target_scale: H factors, log-return = raw * scale.
        conformal: H pairs (lower, upper) in log-return.

    >>> finish([[-1.0, 0.0, 1.0]], [0.01], [(0.001, 0.002)]).round(6).tolist()
    [[[-0.011, 0.0, 0.012]]]
    """
    scale = np.asarray(target_scale, dtype=np.float64)
    offsets = np.asarray(conformal, dtype=np.float64).reshape(len(scale), 2)
    ordered = np.sort(np.asarray(raw, dtype=np.float64).reshape(-1, len(scale), 3), axis=2) * scale[:, None]
    median = ordered[:, :, 1]
    lower = np.minimum(ordered[:, :, 0] - offsets[:, 0], median)
    upper = np.maximum(ordered[:, :, 2] + offsets[:, 1], median)
    return np.stack([lower, median, upper], axis=2)


def conformal_offsets(
    y: NDArray[np.float64], forecast: NDArray[np.float64], quantiles: Sequence[float]
) -> list[tuple[float, float]]:
    """Return for each horizon by how much to widen the lower and the upper side so that each misses as often as promised.

    Args:
        y: realised log-returns of later rows, (n, H); NaN rows of a horizon are left out.
        forecast: `finish` with zero offsets on the same rows, (n, H, 3).
        quantiles: promised levels (lower, median, upper).

    >>> y = np.linspace(-1, 1, 1001)[:, None]
    >>> flat = np.zeros((1001, 1, 3))
    >>> [round(x, 2) for x in conformal_offsets(y, flat, (0.05, 0.5, 0.95))[0]]
    [0.9, 0.9]
    """
    offsets = []
    for h in range(y.shape[1]):
        known = np.isfinite(y[:, h])
        below = forecast[known, h, 0] - y[known, h]
        above = y[known, h] - forecast[known, h, 2]
        offsets.append((_corrected(below, 1 - quantiles[0]), _corrected(above, quantiles[2])))
    return offsets


def _corrected(scores: NDArray[np.float64], level: float) -> float:
    """The ceil((n+1) level)-th smallest score: split conformal with its finite-sample correction."""
    if not len(scores):
        return 0.0
    rank = min(int(np.ceil((len(scores) + 1) * level)), len(scores))
    return float(np.sort(scores)[rank - 1])
