"""Gain against risk: Sharpe and Sortino ratios, and how sure one can be of a Sharpe ratio.

A ratio of increments is per block; times the square root of the blocks in a year it is annualised. That rule takes blocks
to be independent (Lo 2002, "The statistics of Sharpe ratios"), and it makes a year of what may be a day: a large figure from
a short test says little, which is what the probabilistic and the deflated ratio are for.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MIN_BLOCKS = 20
EULER = 0.5772156649015329


@dataclass(frozen=True, slots=True)
class Moments:
    """What the ratios are made of: size, mean, standard deviation (n - 1), skewness and kurtosis (3 for a normal) of increments."""

    n: int
    mean: float
    deviation: float
    skewness: float
    kurtosis: float

    @property
    def sharpe(self) -> float:
        """Per block; NaN where nothing varied."""
        return self.mean / self.deviation if self.deviation > 0 else math.nan


def moments(increments: Floats) -> Moments:
    """Return the moments of increments; those that do not exist are NaN.

    >>> moments(np.array([1.0, 2.0, 3.0])).sharpe
    2.0
    """
    x = np.asarray(increments, np.float64)
    n = x.size
    if n < 2:
        return Moments(n, float(x.mean()) if n else math.nan, math.nan, math.nan, math.nan)
    mean = float(x.mean())
    centred = x - mean
    variance = float(np.mean(centred**2))
    if variance <= (1e-12 * max(abs(mean), float(np.abs(x).max()))) ** 2:  # rounding, not variation
        return Moments(n, mean, 0.0, math.nan, math.nan)
    scaled = centred / math.sqrt(variance)
    return Moments(n, mean, math.sqrt(variance * n / (n - 1)), float(np.mean(scaled**3)), float(np.mean(scaled**4)))


def sortino(increments: Floats) -> float:
    """Return mean over downside deviation, per block: only what is below zero counts as risk (Sortino and van der Meer 1991).

    NaN where nothing was ever lost.

    >>> round(sortino(np.array([3.0, -1.0])), 4)
    1.4142
    """
    x = np.asarray(increments, np.float64)
    downside = math.sqrt(float(np.mean(np.minimum(x, 0.0) ** 2))) if x.size else 0.0
    return float(x.mean()) / downside if downside > 0 else math.nan


def probabilistic_sharpe(sharpe: float, n: int, skewness: float, kurtosis: float, benchmark: float = 0.0) -> float:
    """Return the probability that the true Sharpe ratio exceeds a benchmark.

        Phi[(SR - SR*) sqrt(n - 1) / sqrt(1 - skewness SR + (kurtosis - 1) / 4 SR^2)]

    Bailey and Lopez de Prado 2012, "The Sharpe ratio efficient frontier". NaN where it does not exist.

    Args:
        sharpe, benchmark: per block, not annualised.
        n: blocks.
        skewness, kurtosis: of the increments; 0 and 3 for a normal distribution.

    >>> round(probabilistic_sharpe(0.458, 24, -2.448, 10.164), 3)  # the paper's example: 0.913
    0.913
    """
    spread = 1.0 - skewness * sharpe + (kurtosis - 1.0) / 4.0 * sharpe**2
    if n < 2 or not spread > 0:  # also where it is NaN
        return math.nan
    return _phi((sharpe - benchmark) * math.sqrt(n - 1) / math.sqrt(spread))


def expected_best_sharpe(trials: int, variance: float) -> float:
    """Return the Sharpe ratio that the best of so many tries without any skill is expected to show.

        sqrt(V) ((1 - gamma) Phi^-1[1 - 1/N] + gamma Phi^-1[1 - 1/(N e)])

    Bailey and Lopez de Prado 2014, "The deflated Sharpe ratio". 0 for a single try.

    Args:
        trials: how many were tried.
        variance: of their Sharpe ratios, in the unit (per block) that the answer shall have.

    >>> round(expected_best_sharpe(100, 0.5 / 250), 4)  # the paper's example: 0.1132
    0.1132
    """
    if trials < 2:
        return 0.0
    return math.sqrt(variance) * (
        (1.0 - EULER) * _quantile(1.0 - 1.0 / trials) + EULER * _quantile(1.0 - 1.0 / (trials * math.e))
    )


def deflated_sharpe(
    sharpe: float, n: int, skewness: float, kurtosis: float, trials: int, variance: float | None = None
) -> float:
    """Return the probability that the true Sharpe ratio exceeds zero, given that it is the best of `trials` tries.

    Args:
        sharpe, n, skewness, kurtosis: as of `probabilistic_sharpe`.
        trials: how many strategies or settings were tried on these data, this one included.
        variance: of their Sharpe ratios, per block; without it that of a ratio estimated from n blocks where there is no
            skill, 1 / (n - 1).

    >>> round(deflated_sharpe(2.5 / 250**0.5, 1250, -3.0, 10.0, 100, 0.5 / 250), 4)  # the paper's example: 0.9004
    0.9004
    """
    if n < 2:
        return math.nan
    spread = 1.0 / (n - 1) if variance is None else variance
    return probabilistic_sharpe(sharpe, n, skewness, kurtosis, expected_best_sharpe(trials, spread))


def _phi(z: float) -> float:
    return 0.5 * math.erfc(-z / math.sqrt(2.0))


def _quantile(p: float) -> float:
    from statistics import NormalDist

    return NormalDist().inv_cdf(min(p, 1.0 - 1e-16))
