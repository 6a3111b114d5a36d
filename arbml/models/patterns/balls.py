"""Which rows lie in which balls. Numpy only: the service asks this for one row, detection for all, with the same arithmetic."""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from arbml.models.patterns.conditions import Near
from arbml.models.scaler import ABSURD

Floats: TypeAlias = NDArray[np.float64]
Bools: TypeAlias = NDArray[np.bool_]

CLIP = 4.0          # robust standard deviations: no single wild input decides which cluster a row is in
MIN_KNOWN = 0.75    # part of its inputs that a row must know to be in a cluster at all


def standardised(X: Floats, median: Floats, scale: Floats) -> Floats:
    """Return (n, f) in robust standard deviations, clipped, 0 where not known."""
    known = np.abs(X) < ABSURD  # false for NaN
    z = (np.where(known, X, median) - median) / scale
    np.minimum(z, CLIP, out=z)
    np.maximum(z, -CLIP, out=z)
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
        self._counted = np.zeros(shape)
        self._limit = np.full(len(conditions), -1.0)
        places = {name: i for i, name in enumerate(names)}
        for row, near in enumerate(conditions):
            if all(name in places for name in near.names):
                at = [places[name] for name in near.names]
                self._median[row, at], self._scale[row, at], self._centre[row, at] = near.median, near.scale, near.centre
                self._counted[row, at] = 1.0
                self._limit[row] = near.radius * near.radius
        self._needed = MIN_KNOWN * self._counted.sum(axis=1)

    def inside(self, x: Floats) -> Bools:
        """Return for one row (f,) which balls hold it, (balls,)."""
        return self._within(x[None, :], self._median, self._scale, self._centre, self._counted, self._needed, self._limit)

    def rows_inside(self, X: Floats, ball: int) -> Bools:
        """Return which rows of (n, f) one ball holds, (n,)."""
        one = (self._median[ball], self._scale[ball], self._centre[ball], self._counted[ball], self._needed[ball], self._limit[ball])
        return self._within(X, *one)

    @staticmethod
    def _within(X: Floats, median: Floats, scale: Floats, centre: Floats, counted: Floats, needed: Floats, limit: Floats) -> Bools:
        away = standardised(X, median, scale)
        away -= centre
        np.square(away, out=away)
        known = np.abs(X) < ABSURD
        met: Bools = (away.sum(axis=1) <= limit) & ((known * counted).sum(axis=1) >= needed)
        return met
