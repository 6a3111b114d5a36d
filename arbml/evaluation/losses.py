"""One number per row that says how wrong a forecast was; each is minimal, on average, at the truth.

* price ("lstm"): pinball loss of the quantiles of the log-return, in basis points (Koenker and Bassett 1978)
* opportunities ("scorer"): Brier score (Brier 1950)
* volatility ("volatility"): QLIKE, log f + y / f, robust to noise in the realized variance y (Patton 2011)
"""

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Kind = Literal["lstm", "scorer", "volatility"]

KINDS: tuple[str, ...] = get_args(Kind)
QUANTILES = (0.05, 0.5, 0.95)
BPS = 1e4
TINY_VARIANCE = 1e-14  # (0.001 bp)^2: nothing traded moves less, and log and division need a floor

LOSS_NAMES = {"lstm": "pinball_bps", "scorer": "brier", "volatility": "qlike"}  # the metric that is the mean loss


def loss(kind: str, y: Floats, prediction: Floats, quantiles: tuple[float, ...] = QUANTILES) -> Floats:
    """Return the loss of every row; lower is better.

    Args:
        kind: "lstm", "scorer" or "volatility".
        y: targets. lstm: (n, H) log-returns; scorer: (n,) or (n, 1), 0 or 1; volatility: (n,) or (n, 1) variances.
        prediction: lstm: (n, H, Q) log-returns; scorer: (n,) probabilities; volatility: (n,) variances.
        quantiles: the Q levels of an lstm prediction.

    Returns:
        (n,) losses; the mean over horizons and quantiles for lstm, in basis points.

    Raises:
        ValueError: for an unknown kind or shapes that do not belong together.

    >>> loss("scorer", np.array([1.0, 0.0]), np.array([0.8, 0.8])).round(2).tolist()
    [0.04, 0.64]
    """
    if kind == "lstm":
        return np.asarray(pinball(y, prediction, quantiles).mean(axis=(1, 2)) * BPS)
    if kind == "scorer":
        return brier(first_target(y), prediction)
    if kind == "volatility":
        return qlike(first_target(y), prediction)
    raise ValueError(f"unknown model kind '{kind}'; one of {', '.join(KINDS)}")


def first_target(y: Floats) -> Floats:
    """Return the first target column as a vector: success of an opportunity, variance of a window."""
    y = np.asarray(y, np.float64)
    return y if y.ndim == 1 else y[:, 0]


def pinball(y: Floats, prediction: Floats, quantiles: tuple[float, ...] = QUANTILES) -> Floats:
    """Return (n, H, Q) pinball losses of (n, H) targets, in the unit of the targets.

    >>> pinball(np.array([[1.0]]), np.array([[[0.0, 0.0, 2.0]]]), (0.05, 0.5, 0.95)).round(2).tolist()
    [[[0.05, 0.5, 0.05]]]
    """
    y, prediction = np.asarray(y, np.float64), np.asarray(prediction, np.float64)
    if prediction.shape != (*y.shape, len(quantiles)):
        raise ValueError(f"forecasts of shape {prediction.shape} do not fit targets {y.shape} and {len(quantiles)} quantiles")
    levels = np.asarray(quantiles)
    error = y[..., None] - prediction
    return np.maximum(levels * error, (levels - 1.0) * error)


def brier(success: Floats, probability: Floats) -> Floats:
    """Return (n,) squared differences between what happened (0 or 1) and the probability given."""
    _same_length(success, probability)
    return np.square(np.asarray(probability, np.float64) - success)


def qlike(variance: Floats, forecast: Floats) -> Floats:
    """Return (n,) log f + y / f; a realized variance of zero is allowed, a forecast is floored at 1e-14.

    >>> y = np.array([1e-8, 4e-8])
    >>> means = [qlike(y, np.full(2, f)).mean() for f in (2.4e-8, 2.5e-8, 2.6e-8)]
    >>> int(np.argmin(means))
    1
    """
    _same_length(variance, forecast)
    floored = np.maximum(np.asarray(forecast, np.float64), TINY_VARIANCE)
    return np.log(floored) + variance / floored


def _same_length(y: Floats, prediction: Floats) -> None:
    if np.shape(y) != np.shape(prediction):
        raise ValueError(f"forecasts of shape {np.shape(prediction)} do not fit targets of shape {np.shape(y)}")
