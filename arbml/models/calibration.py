"""From a forest's vote to a probability: fitted by `arbml.models.scorer`, applied by the same numpy lines everywhere."""

from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

LOGIT_CLIP = 1e-6  # votes of exactly 0 or 1 have no logit


@dataclass(frozen=True, slots=True)
class Calibration:
    """A non-decreasing map from vote to probability, as plain numbers.

    Attributes:
        method: "isotonic" (piecewise linear through x, y) or "platt" (sigmoid of slope * logit(vote) + intercept).
        n: rows it was fitted on; probabilities stay inside [1/(n+2), 1 - 1/(n+2)], for n rows cannot prove certainty.
        x, y: knots of the isotonic map, both non-decreasing; empty for Platt.
        slope, intercept: of the sigmoid; slope >= 0, where 0 says that the votes rank nothing.

    >>> Calibration("isotonic", 98, x=(0.2, 0.8), y=(0.1, 0.7)).apply([0.0, 0.5, 1.0]).round(3).tolist()
    [0.1, 0.4, 0.7]
    >>> Calibration("platt", 98, slope=0.0, intercept=0.0).apply([0.1, 0.9]).tolist()
    [0.5, 0.5]
    """

    method: str
    n: int
    x: tuple[float, ...] = ()
    y: tuple[float, ...] = ()
    slope: float = 1.0
    intercept: float = 0.0

    def apply(self, votes: ArrayLike) -> NDArray[np.float64]:
        """Return the probabilities of votes in [0, 1], same shape."""
        votes = np.asarray(votes, dtype=np.float64)
        if self.method == "isotonic":
            p = np.interp(votes, self.x, self.y)
        else:
            p = 0.5 + 0.5 * np.tanh(0.5 * (self.slope * logit(votes) + self.intercept))  # the sigmoid, without overflow
        margin = 1.0 / (self.n + 2)
        return np.clip(p, margin, 1.0 - margin)

    def to_dict(self) -> dict[str, Any]:
        """Plain data, ready for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Rebuild what `to_dict` wrote."""
        return cls(**{**data, "x": tuple(data["x"]), "y": tuple(data["y"])})


def logit(votes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return log(v / (1 - v)), with v kept inside (0, 1)."""
    clipped = np.clip(votes, LOGIT_CLIP, 1 - LOGIT_CLIP)
    odds: NDArray[np.float64] = np.log(clipped) - np.log1p(-clipped)
    return odds
