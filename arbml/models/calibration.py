"""From a forest's vote to a probability: fitted by `arbml.models.scorer`, applied by the same numpy lines everywhere."""

from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

LOGIT_CLIP = 1e-6  # votes of exactly 0 or 1 have no logit
MIN_ERROR = 0.02    # of a probability; nothing is known better than that a day later
ERROR_ROWS = 50     # rows of one block at least
ERROR_BLOCKS = 10   # blocks at most


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


def probability_error(probability: NDArray[np.float64], success: NDArray[Any]) -> float:
    """Return the standard error of calibrated probabilities: how far they are off, on average, for a while.

    The root mean square, over blocks of neighbouring rows, of the mean of (success - probability): chance and the changes
    of the market that calibration on the whole slice averages out. Not below MIN_ERROR.

    Args:
        probability: (n,) of rows in time order that the forest has not learned from.
        success: (n,) 0 or 1.

    >>> calm = np.tile([0.0, 1.0], 250)
    >>> probability_error(np.full(500, 0.5), calm)
    0.02
    >>> probability_error(np.full(500, 0.5), np.sort(calm))
    0.5
    """
    blocks = int(np.clip(len(success) // ERROR_ROWS, 1, ERROR_BLOCKS))
    missed = [float(part.mean()) for part in np.array_split(success - probability, blocks)]
    return max(MIN_ERROR, float(np.sqrt(np.mean(np.square(missed)))))
