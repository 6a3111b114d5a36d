"""What a position may lose: filtered historical simulation (Barone-Adesi, Giannopoulos and Vosper 1999)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from arbml.errors import ConfigError
from arbml.models.garch import GarchParams

Floats = NDArray[np.float64]

GRID = 500      # residuals kept with a model
PATHS = 10_000
SEED = 20_240_105


@dataclass(frozen=True, slots=True)
class RiskMetrics:
    """Loss of a position over a horizon, in the unit of the position; positive numbers are losses.

    Attributes:
        value_at_risk: exceeded with probability 1 - confidence.
        expected_shortfall: mean loss where it is exceeded (CVaR).
        volatility: standard deviation of the log-return over the horizon.
    """

    position: float
    horizon: int
    confidence: float
    value_at_risk: float
    expected_shortfall: float
    volatility: float


def residual_grid(residuals: Floats) -> list[float]:
    """Return at most 500 numbers that stand for the standardised residuals: means of equal slices, so that tails count.

    >>> residual_grid(np.array([3.0, -1.0]))
    [-1.0, 3.0]
    """
    slices = np.array_split(np.sort(residuals), min(GRID, len(residuals)))
    return [float(part.mean()) for part in slices]


def simulated_risk(
    params: GarchParams, variance: float, residuals: Sequence[float], position: float, horizon: int, confidence: float
) -> RiskMetrics:
    """Draw past residuals at random, let the variance follow them, and read the losses off the paths.

    The draws are the same on every call, so the same state gives the same answer.

    Args:
        params: of the stream. variance: of its next bar. residuals: of its past, standardised.
        position: value in quote, negative for a short one.
        horizon: bars, at least 1.
        confidence: in (0.5, 1).

    Raises:
        ConfigError: for a horizon or confidence outside of those.
    """
    if horizon < 1 or not 0.5 < confidence < 1:
        raise ConfigError(f"risk metrics: horizon {horizon} bars, confidence {confidence}; need horizon >= 1, 0.5 < confidence < 1")
    draws = np.random.default_rng(SEED).choice(np.asarray(residuals), size=(horizon, PATHS))
    h = np.full(PATHS, variance)
    moved = np.zeros(PATHS)
    for z in draws:
        log_return = np.sqrt(h) * z
        moved += log_return
        h = params.omega + (params.alpha + params.gamma * (log_return < 0)) * np.square(log_return) + params.beta * h
    losses = -position * np.expm1(moved)
    at_risk = float(np.quantile(losses, confidence))
    shortfall = float(losses[losses >= at_risk].mean())
    return RiskMetrics(position, horizon, confidence, at_risk, shortfall, params.total(variance, horizon) ** 0.5)
