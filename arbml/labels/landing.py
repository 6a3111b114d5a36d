"""Where transactions land: the rule that labels and backtests share."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from arbml.labels.series import Array, Series

NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True, eq=False)
class Landing:
    """Where transactions over the same venues land, one for each moment.

    Attributes:
        ts_ms: (n,) event time of landing.
        at: for each of the venues (n,) the number of the tick whose state is met.
        label_end_ms: (n,) when all states were settled. known: (n,) False where the data end before.
    """

    ts_ms: Array
    at: tuple[Array, ...]
    label_end_ms: Array
    known: Array


def land(venues: Sequence[Series], earliest_ms: Array) -> Landing:
    """Return the first event of any of the venues at or after each time, and what all of them were like then.

    Args:
        venues: one or more series, none empty, that a route goes over.
        earliest_ms: (n,) int64, decision plus inclusion delay, UTC ms.
    """
    first = [np.searchsorted(one.ts_ms, earliest_ms, side="left") for one in venues]
    ts_ms = np.minimum.reduce([_at(one.ts_ms, number) for one, number in zip(venues, first, strict=True)])
    label_end_ms = np.maximum.reduce([_at(one.ts_known_ms, one.settled(ts_ms)) for one in venues])
    at = tuple(one.asof(ts_ms) for one in venues)
    return Landing(ts_ms, at, label_end_ms, (label_end_ms < NEVER) & (np.minimum.reduce(at) >= 0))


def _at(values: Array, number: Array) -> Array:
    """Return values[number], NEVER where there are not so many."""
    return np.where(number < len(values), values[np.minimum(number, len(values) - 1)], NEVER)
