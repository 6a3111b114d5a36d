"""From what a quantile network puts out to log-returns with an interval: the same arithmetic in training and in serving."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

MIN_SIDE = 1e-3     # of a side of the interval, in target scales, so that a ratio to it is defined
HALF_LIFE = 0.25    # of the validation period: how fast an old miss loses its say

Factors = Sequence[Sequence[float]]


def finish(raw: ArrayLike, target_scale: Sequence[float], conformal: Factors) -> NDArray[np.float64]:
    """Return the forecast in log-returns, (n, H, 3): lower, median, upper, in that order of size.

    Each side of the interval is the network's, times its conformal factor.

    Args:
        raw: scaled quantiles, (n, H*3) or (n, H, 3).
        target_scale: H factors, log-return = raw * scale.
        conformal: H pairs (lower, upper), not negative.

    >>> finish([[-1.0, 0.0, 1.0]], [0.01], [(1.1, 1.2)]).round(6).tolist()
    [[[-0.011, 0.0, 0.012]]]
    """
    scale = np.asarray(target_scale, dtype=np.float64)
    factors = np.asarray(conformal, dtype=np.float64).reshape(len(scale), 2)
    ordered = np.sort(np.asarray(raw, dtype=np.float64).reshape(-1, len(scale), 3), axis=2) * scale[:, None]
    median = ordered[:, :, 1]
    lower = median - factors[:, 0] * _side(median - ordered[:, :, 0], scale)
    upper = median + factors[:, 1] * _side(ordered[:, :, 2] - median, scale)
    return np.stack([lower, median, upper], axis=2)


def conformal_factors(
    y: NDArray[np.float64], raw: ArrayLike, target_scale: Sequence[float], quantiles: Sequence[float]
) -> list[tuple[float, float]]:
    """Return for each horizon by how much to stretch the lower and the upper side so that each misses as often as promised.

    Conformal prediction with the score |y - median| / side (Lei et al. 2018, section 5.2), so that an interval that is narrow in a
    calm market stays so, and with weights that decay with age (Barber, Candes, Ramdas and Tibshirani 2023, Conformal
    prediction beyond exchangeability), because markets change: an equally weighted, additive offset learned in a wild hour spoils
    every calm one after it.

    Args:
        y: realised log-returns of later rows in time order, (n, H); NaN rows of a horizon are left out.
        raw: the network's output on the same rows, as for `finish`.
        target_scale: as for `finish`.
        quantiles: promised levels (lower, median, upper).

    >>> y = np.linspace(-1, 1, 1001)[:, None] * np.where(np.arange(1001) % 2, 1, -1)[:, None]
    >>> raw = np.tile([-0.5, 0.0, 0.5], (1001, 1))
    >>> [round(x, 1) for x in conformal_factors(y, raw, [1.0], (0.05, 0.5, 0.95))[0]]
    [1.9, 1.9]
    """
    scale = np.asarray(target_scale, dtype=np.float64)
    unstretched = finish(raw, target_scale, [(1.0, 1.0)] * len(scale))
    factors = []
    for h in range(y.shape[1]):
        known = np.isfinite(y[:, h])
        lower, median, upper = unstretched[known, h].T
        miss = y[known, h] - median
        factors.append((
            _weighted_quantile(-miss / _side(median - lower, scale[h]), 1 - quantiles[0]),
            _weighted_quantile(miss / _side(upper - median, scale[h]), quantiles[2]),
        ))
    return factors


def _side(width: NDArray[np.float64], scale: "NDArray[np.float64] | float") -> NDArray[np.float64]:
    return np.maximum(width, MIN_SIDE * np.asarray(scale))


def _weighted_quantile(scores: NDArray[np.float64], level: float) -> float:
    """The smallest score at which `level` of the weight is reached, the row to come counting as an infinite one.

    1, which changes nothing, without scores; never negative: the median stays inside.
    """
    n = len(scores)
    if not n:
        return 1.0
    weights = 0.5 ** ((n - np.arange(n)) / (HALF_LIFE * n))
    order = np.argsort(scores, kind="stable")
    reached = np.cumsum(weights[order]) >= level * (weights.sum() + 1.0)
    at = int(np.argmax(reached)) if reached.any() else n - 1
    return max(float(scores[order[at]]), 0.0)
