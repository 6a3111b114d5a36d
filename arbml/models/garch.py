"""The recursion of the variance: one definition for fitting, evaluation and serving, in plain floats.

    h[t+1] = omega + (alpha + gamma * [r[t] < 0]) * r[t]^2 + beta * h[t]      r in log-return, h in log-return^2

GARCH(1,1): Bollerslev 1986 (gamma = 0). GJR: Glosten, Jagannathan and Runkle 1993. The persistence
phi = alpha + gamma / 2 + beta stays below 1, so a forecast without news goes to the long-run variance omega / (1 - phi).
One step takes well under a microsecond; `arch` computes the same numbers (tested), but only for a whole series.
"""

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
F = TypeVar("F", float, NDArray[np.float64])


@dataclass(frozen=True, slots=True)
class GarchParams:
    """Parameters of one stream.

    Attributes:
        name: e.g. "GARCH-t", "GJR-t", "targeted-0.02-0.995".
        omega: in log-return^2. alpha, gamma, beta: without unit.
        start: variance of the next bar before the first return, log-return^2.
        scale: factor on the log-returns during the fit (the optimiser needs numbers near 1); 1 where nothing was fitted.
        nu: degrees of freedom of Student's t, None for normal errors.
        note: what had to be done to the fit, "" if nothing.

    >>> g = GarchParams("GARCH-normal", omega=0.1, alpha=0.1, gamma=0.0, beta=0.8, start=1.0)
    >>> round(g.after(1.0, 2.0), 6), round(g.long_run, 6), round(g.total(2.0, 2), 6)
    (1.3, 1.0, 3.9)
    """

    name: str
    omega: float
    alpha: float
    gamma: float
    beta: float
    start: float
    scale: float = 1.0
    nu: float | None = None
    note: str = ""

    @property
    def persistence(self) -> float:
        """The share of a shock that is left one bar later."""
        return self.alpha + self.gamma / 2 + self.beta

    @property
    def long_run(self) -> float:
        """The variance of one bar that forecasts end at."""
        return self.omega / (1 - self.persistence)

    def after(self, variance: float, log_return: float) -> float:
        """Return the next bar's variance, given this bar's forecast and what it brought."""
        news = self.alpha + self.gamma if log_return < 0 else self.alpha
        return self.omega + news * log_return * log_return + self.beta * variance

    def ahead(self, variance: float, bars: int) -> float:
        """Return the variance expected `bars` bars after the next one, if nothing is seen in between."""
        return self.long_run + self.persistence**bars * (variance - self.long_run)

    def path(self, variance: float, bars: int) -> Floats:
        """Return the expected variance of each of the next `bars` bars, (bars,)."""
        decay = self.persistence ** np.arange(bars, dtype=np.float64)
        return np.asarray(self.long_run + decay * (variance - self.long_run))

    def total(self, variance: F, bars: float) -> F:
        """Return the expected sum of the next `bars` variances; part of a bar counts as that part of its variance."""
        whole = math.floor(bars)
        kept = self.persistence**whole
        settled = whole * self.long_run + (variance - self.long_run) * (1 - kept) / (1 - self.persistence)
        if bars == whole:
            return settled
        return settled + (bars - whole) * (self.long_run + kept * (variance - self.long_run))

    def to_dict(self) -> dict[str, Any]:
        """Plain data, ready for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Rebuild what `to_dict` wrote."""
        return cls(**data)


def filtered(params: GarchParams, log_returns: Iterable[float], steps: Iterable[int], variance: float) -> Floats:
    """Run the recursion along a series.

    Args:
        params: of the stream.
        log_returns: (n,), of the bars in order of time.
        steps: (n,), bars since the row before; 1 where nothing is missing. Missing bars are bridged by their forecast.
        variance: forecast for the bar after the row before the first.

    Returns:
        (n,), entry i is the variance of the bar after row i, known once row i is.
    """
    out = []
    for log_return, step in zip(log_returns, steps, strict=True):
        if step > 1:
            variance = params.ahead(variance, step - 1)
        variance = params.after(variance, log_return)
        out.append(variance)
    return np.array(out, dtype=np.float64)


def targeted(alpha: float, persistence: float, variance: float) -> GarchParams:
    """Return a GARCH whose long-run variance is the given one (variance targeting, Engle and Mezrich 1996)."""
    return GarchParams(
        name=f"targeted-{alpha:g}-{persistence:g}",
        omega=(1 - persistence) * variance,
        alpha=alpha,
        gamma=0.0,
        beta=persistence - alpha,
        start=variance,
    )
