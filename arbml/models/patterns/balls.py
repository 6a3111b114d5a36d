"""Which rows lie in which balls. Numpy only: the service asks this for one row, detection for all, with the same arithmetic."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from arbml.models.patterns.conditions import Near

CLIP = 4.0          # robust standard deviations: no single wild input decides which cluster a row is in
MIN_KNOWN = 0.75    # part of its inputs that a row must know to be in a cluster at all


def standardised(X: NDArray[np.float64], median: NDArray[np.float64], scale: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (n, f) in robust standard deviations, clipped, 0 where not known."""
    with np.errstate(over="ignore", invalid="ignore"):
        z: NDArray[np.float64] = np.clip((X - median) / scale, -CLIP, CLIP)
    z[~np.isfinite(X)] = 0.0
    return z


class Balls:
    """The balls of several clusters over one list of inputs.

    Args:
        conditions: a cluster with an input that is not among `names` holds no row.
        names: columns of the rows that will be asked about.
    """

    def __init__(self, conditions: Sequence[Near], names: Sequence[str]) -> None:
        shape = (len(conditions), len(names))
        self._median, self._scale, self._centre = np.zeros(shape), np.full(shape, np.inf), np.zeros(shape)
        self._counted = np.zeros(shape, dtype=bool)
        self._limit = np.full(len(conditions), -1.0)
        places = {name: i for i, name in enumerate(names)}
        for row, near in enumerate(conditions):
            if all(name in places for name in near.names):
                at = [places[name] for name in near.names]
                self._median[row, at], self._scale[row, at], self._centre[row, at] = near.median, near.scale, near.centre
                self._counted[row, at] = True
                self._limit[row] = near.radius * near.radius
        self._needed = MIN_KNOWN * self._counted.sum(axis=1)

    def inside(self, x: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return for one row (f,) which balls hold it, (balls,)."""
        row = np.broadcast_to(x, self._median.shape)
        return self._within(row, self._median, self._scale, self._centre, self._counted, self._needed, self._limit)

    def rows_inside(self, X: NDArray[np.float64], ball: int) -> NDArray[np.bool_]:
        """Return which rows of (n, f) one ball holds, (n,)."""
        one = (self._median[ball], self._scale[ball], self._centre[ball], self._counted[ball], self._needed[ball], self._limit[ball])
        return self._within(X, *one)

    @staticmethod
    def _within(
        X: NDArray[np.float64], median: NDArray[np.float64], scale: NDArray[np.float64], centre: NDArray[np.float64],
        counted: NDArray[np.bool_], needed: NDArray[np.float64], limit: NDArray[np.float64],
    ) -> NDArray[np.bool_]:  # fmt: skip
        away = standardised(X, median, scale) - centre
        distance = (away * away).sum(axis=1)
        known = (np.isfinite(X) & counted).sum(axis=1)
        return (distance <= limit) & (known >= needed)
