"""Is one model better than another? The mean paired loss difference with its block bootstrap interval.

Losses of neighbouring rows depend on each other: their labels overlap and volatility clusters. Resampling single rows
would call noise significant; resampling whole blocks keeps the dependence inside a block (Kuensch 1989, "The jackknife
and the bootstrap for general stationary observations"). The plain version is too bold where data is scarce or losses are
skewed, as those of rare successes are. So the block grows with the persistence of the differences themselves, and the
bootstrap is studentised: each resample is measured in its own standard error (Goetze and Kuensch 1996). The one-sided 5 %
bound then errs in 5-8 % of the cases on AR(1) noise with n = 100..1500 and phi = 0..0.8, whether it is symmetric,
exponential, or made by one row in twenty; the plain version, with blocks of sqrt(n), in 6-13 %.
"""

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arbml.errors import NotEnoughData

Floats = NDArray[np.float64]

MIN_PAIRS = 10      # fewer pairs cannot hold two blocks worth the name
MIN_BLOCKS = 5      # a block never takes more than a fifth of the rows


@dataclass(frozen=True, slots=True)
class Interval:
    """The mean of a paired difference and how sure we are of it.

    Attributes:
        mean: mean of a - b, in the unit of the losses.
        low, high: two-sided interval at `confidence`.
        lower_bound, upper_bound: one-sided bounds, each valid alone at `confidence`.
        n: number of pairs.
        block: rows in one resampled block.
        confidence: e.g. 0.95.
    """

    mean: float
    low: float
    high: float
    lower_bound: float
    upper_bound: float
    n: int
    block: int
    confidence: float

    @property
    def is_lower(self) -> bool:
        """True if a is lower than b (a better loss) with one-sided `confidence`."""
        return self.upper_bound < 0.0

    @property
    def is_higher(self) -> bool:
        """True if a is higher than b with one-sided `confidence`."""
        return self.lower_bound > 0.0

    def to_dict(self) -> dict[str, Any]:
        """Plain data, ready for JSON."""
        return asdict(self)


def paired_difference(
    a: Floats, b: Floats, *, block: int | None = None, rounds: int = 2000, confidence: float = 0.95, seed: int = 0,
) -> Interval:
    """Return the mean of a - b with its interval; rows are pairs, in time order.

    Args:
        a: (n,) losses of one model.
        b: (n,) losses of the other on the same rows.
        block: least rows in a block, e.g. the rows that one label overlaps; it grows to sqrt(n) and to what the
            persistence of the differences asks for, and is capped at a fifth of n.
        rounds: resamples.
        confidence: of the two-sided interval, and of each one-sided bound.
        seed: same seed, same interval.

    Raises:
        ValueError: if the shapes differ or a value is not finite.
        NotEnoughData: with fewer than 10 pairs.

    >>> better, worse = np.full(200, 1.0), np.linspace(1.9, 2.1, 200)
    >>> paired_difference(better, worse).is_lower
    True
    >>> paired_difference(worse, worse).is_lower
    False
    """
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if a.shape != b.shape or a.ndim != 1:
        raise ValueError(f"paired losses must be two vectors of one length, got {a.shape} and {b.shape}")
    if a.size < MIN_PAIRS:
        raise NotEnoughData("paired losses", a.size, MIN_PAIRS, "take a longer test block")
    difference = a - b
    if not np.isfinite(difference).all():
        raise ValueError(f"paired losses: row {int(np.flatnonzero(~np.isfinite(difference))[0])} is not finite")

    size = block_length(difference, block or 1)
    mean, tail = float(difference.mean()), 1.0 - confidence
    ratios, error = _studentised(difference, size, rounds, np.random.default_rng(seed))
    # A resample that lies too high by its ratio tells by how much the mean itself may lie too high: so its upper tail
    # gives the lower end, and the other way round.
    levels = np.array([1.0 - tail / 2, tail / 2, confidence, tail])
    ends = mean - np.quantile(ratios, levels) * error
    low, high, lower, upper = (float(end) for end in np.where(levels > 0.5, np.minimum(ends, mean), np.maximum(ends, mean)))
    return Interval(mean, low, high, lower, upper, difference.size, size, confidence)


def block_length(difference: Floats, least: int = 1) -> int:
    """Return rows per block: the largest of `least`, sqrt(n) and 1.5 x Andrews' (1991) AR(1) bandwidth; at most n / 5.

    >>> block_length(np.random.default_rng(0).normal(size=400))
    20
    """
    n = difference.size
    centred = difference - difference.mean()
    power = float(centred @ centred)
    rho = float(np.clip(centred[1:] @ centred[:-1] / power, -0.97, 0.97)) if power > 0 else 0.0
    persistence = 4.0 * rho**2 / ((1.0 - rho) ** 2 * (1.0 + rho) ** 2)
    bandwidth = 1.5 * 1.1447 * (persistence * n) ** (1.0 / 3.0)
    return max(1, min(max(least, math.ceil(math.sqrt(n)), math.ceil(bandwidth)), n // MIN_BLOCKS))


def overlap_rows(ts_ms: NDArray[np.int64], label_end_ms: NDArray[np.int64]) -> int:
    """Return how many rows, at the 95th percentile, start before the label of a row is known.

    Args:
        ts_ms: (n,) time of knowing of each row, UTC ms, in time order.
        label_end_ms: (n,) time at which its label is known, UTC ms.

    >>> overlap_rows(np.arange(0, 100_000, 5_000), np.arange(30_000, 130_000, 5_000))
    6
    """
    if len(ts_ms) == 0:
        return 1
    ahead = np.searchsorted(ts_ms, label_end_ms, side="left") - np.arange(len(ts_ms))
    return max(1, int(np.quantile(ahead, 0.95)))


def _studentised(difference: Floats, size: int, rounds: int, rng: np.random.Generator) -> tuple[Floats, float]:
    """Return (rounds,) errors of resampled means, each in its own standard errors, and the standard error of the mean."""
    n = difference.size
    running = np.concatenate([[0.0], np.cumsum(difference - difference.mean())])
    sums = running[size:] - running[:-size]
    sums -= sums.mean()  # rows near the ends are in fewer blocks; without this the errors would not be centred
    blocks = math.ceil(n / size)
    error = float(np.std(sums)) / math.sqrt(blocks - 1)  # in sums of a block, as all that follows
    if error == 0.0:
        return np.zeros(rounds), 0.0
    drawn = sums[rng.integers(0, sums.size, (rounds, blocks))]
    errors = np.std(drawn, axis=1) / math.sqrt(blocks - 1)
    ratios = drawn.mean(axis=1) / np.maximum(errors, 0.1 * error)  # a resample without variation has no error to divide by
    return ratios, error * math.sqrt(blocks / (size * n))
