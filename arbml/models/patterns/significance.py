"""Does a hit rate lie above the base rate, when neighbouring opportunities share their fate?

The statistic is the score of a difference of two rates: the sum over all compared rows of (m - mean m)(y - mean y), with m
for meeting the condition and y for success. Successes come in regimes (volatility, competition), so rows are gathered into
blocks of time and the signs of whole blocks are drawn at random: the wild cluster bootstrap of the score with the null
hypothesis imposed (Kline and Santos 2012, "A score based approach to wild bootstrap inference"; Cameron, Gelbach and Miller
2008), which with few blocks that meet the condition errs on the side of not confirming (MacKinnon and Webb 2017).

Blocks are three integrated autocorrelation times of the score itself long (window of Sokal 1997, "Monte Carlo methods in
statistical mechanics"), never shorter than a label. For a time of day a block is a day, so that one lucky afternoon counts
once, not a hundred times; for a day of the week whole days are permuted.
"""

import math
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from arbml.models.patterns.conditions import DAY_MS
from arbml.models.patterns.pattern import Sample
from arbml.models.proportion import wilson

Floats: TypeAlias = NDArray[np.float64]
Bools: TypeAlias = NDArray[np.bool_]
Ints: TypeAlias = NDArray[np.int64]
By: TypeAlias = Literal["blocks", "days", "weekdays"]

MOST_BINS = 512      # finest division of a period
LEAST_BLOCKS = 16    # a block never takes more than a sixteenth of the period
LEAST_DAYS = 7       # a time of day is tested on at least so many days
LEAST_OF_A_KIND = 3  # a day of the week on at least so many of its own days, and twice as many others
SOKAL_WINDOW = 5.0
BLOCK_TIMES = 3.0    # integrated autocorrelation times in a block


@dataclass(frozen=True, eq=False)
class Period:
    """The opportunities of one period, n rows in the order of knowing.

    Attributes:
        ts_ms: (n,) when each was judged. success: (n,). profit: (n,) NaN where not recorded.
        horizon_ms: how long a label takes to be known.
        rounds: bootstrap draws, a multiple of four. seed: same seed, same p-values.
    """

    ts_ms: Ints
    success: Floats
    profit: Floats
    horizon_ms: int
    rounds: int
    seed: int
    _drawn: dict[str, Any] = field(default_factory=dict)

    def measure(self, meets: Bools, among: Bools | None = None, by: By = "blocks") -> Sample | None:
        """Return what a condition comes to in this period; None if the period cannot tell.

        Args:
            meets: (n,) rows that meet the condition.
            among: (n,) rows that they are compared with; all without it.
            by: what the independent units are.
        """
        rows = np.flatnonzero(meets | (among if among is not None else True))
        m, y, ts_ms = meets[rows], self.success[rows], self.ts_ms[rows]
        if not m.any() or m.all() or y.min() == y.max():
            return None
        score = (m - m.mean()) * (y - y.mean())
        block = self._days(ts_ms) if by != "blocks" else self._blocks(ts_ms, score)
        if block is None:
            return None
        p_value = self._by_permutation(block, m, y) if by == "weekdays" else self._by_signs(block, score)
        if p_value is None:
            return None
        own, hits = block[m], y[m]
        low, high = hit_rate_interval(hits, own)
        token = self.profit[rows][m]
        profit = mean_interval(token[np.isfinite(token)], own[np.isfinite(token)])
        return Sample(
            int(ts_ms[0]), int(ts_ms[-1]), int(m.sum()), int(hits.sum()), len(rows), int(y.sum()), low, high,
            int(block.max()) + 1, p_value, *profit,
        )  # fmt: skip

    def _blocks(self, ts_ms: Ints, score: Floats) -> Ints | None:
        """Return the block of each row, numbered in order of time; None if the period is too short for enough of them."""
        start, span = int(ts_ms[0]), int(ts_ms[-1] - ts_ms[0]) + 1
        bins = min(MOST_BINS, span // max(1, self.horizon_ms))
        if bins < LEAST_BLOCKS:
            return None
        at = (ts_ms - start) * bins // span
        length = block_bins(np.bincount(at, score, minlength=bins).astype(np.float64))
        return at // length

    def _days(self, ts_ms: Ints) -> Ints | None:
        days = np.unique(ts_ms // DAY_MS, return_inverse=True)[1]
        return days if days[-1] + 1 >= LEAST_DAYS else None

    def _by_signs(self, block: Ints, score: Floats) -> float:
        sums = np.bincount(block, score)
        drawn = sums.astype(np.float32) @ self._signs(len(sums))
        return _share_at_least(drawn, float(sums.sum()))

    def _by_permutation(self, day: Ints, m: Bools, y: Floats) -> float | None:
        excess = np.bincount(day, y - y.mean())
        chosen = np.bincount(day, m) > 0
        own, others = int(chosen.sum()), int((~chosen).sum())
        if own < LEAST_OF_A_KIND or others < 2 * LEAST_OF_A_KIND:
            return None
        rng = np.random.default_rng(self.seed)
        order = np.argsort(rng.random((self.rounds, len(excess))), axis=1)[:, :own]
        return _share_at_least(excess[order].sum(axis=1), float(excess[chosen].sum()))

    def _signs(self, blocks: int) -> NDArray[np.float32]:
        """Return (blocks, rounds) of +1 and -1; more blocks only append, so that no test depends on those before it."""
        held = self._drawn.get("signs")
        if held is None or len(held) < blocks:
            shape = (1 << (blocks - 1).bit_length(), self.rounds)
            drawn = np.random.default_rng(self.seed).integers(0, 2, shape, dtype=np.int8)
            held = self._drawn["signs"] = np.where(drawn, np.float32(1), np.float32(-1))
        return held[:blocks]


def block_bins(series: Floats) -> int:
    """Return how many bins a block takes: a power of two, at least three integrated autocorrelation times of the series.

    >>> block_bins(np.random.default_rng(0).normal(size=512))
    4
    """
    n = len(series)
    centred = series - series.mean()
    spectrum = np.abs(np.fft.rfft(centred, 2 * n)) ** 2
    covariance = np.fft.irfft(spectrum)[: n // 4]
    longest = max(1, n // LEAST_BLOCKS)
    if covariance[0] <= 0.0:
        return 1
    times = 2.0 * np.cumsum(covariance / covariance[0]) - 1.0
    settled = np.flatnonzero(np.arange(len(times)) >= SOKAL_WINDOW * times)
    time = times[settled[0]] if len(settled) else times[-1]
    wanted = max(1.0, BLOCK_TIMES * max(1.0, float(time)))
    return int(2 ** min(math.ceil(math.log2(wanted)), math.floor(math.log2(longest))))


def hit_rate_interval(hits: Floats, block: Ints) -> tuple[float, float]:
    """Return the 95 % Wilson score interval of a share, on the effective number of rows.

    Rows of one block count for less than as many independent ones: their number is divided by the design effect, the variance
    of the share by blocks over that of independent rows (Korn and Graubard 1998), where that is above 1.

    >>> low, high = hit_rate_interval(np.repeat([1.0, 0.0], [70, 30]), np.arange(100))
    >>> round(low, 3), round(high, 3)
    (0.604, 0.781)
    """
    n, share = len(hits), float(hits.mean())
    sums = np.bincount(block, hits - share)
    blocks = len(np.unique(block))
    clustered = float(sums @ sums) * blocks / max(1, blocks - 1) / n**2
    independent = share * (1.0 - share) / n
    low, high = wilson(share, n / max(1.0, clustered / independent) if independent > 0.0 else n)
    return float(low), float(high)


def mean_interval(values: Floats, block: Ints) -> tuple[float | None, float | None, float | None]:
    """Return a mean and its 95 % interval by blocks (Student, as many degrees of freedom as blocks less one).

    Three times None with fewer than two blocks.
    """
    blocks = len(np.unique(block))
    if blocks < 2:
        return None, None, None
    mean = float(values.mean())
    sums = np.bincount(block, values - mean)
    error = math.sqrt(float(sums @ sums) * blocks / (blocks - 1)) / len(values)
    half = float(student.ppf(0.975, blocks - 1)) * error
    return mean, mean - half, mean + half


def q_values(p_values: Floats) -> Floats:
    """Return the Benjamini-Hochberg (1995) adjusted p-values: each the smallest rate at which its hypothesis is rejected.

    >>> q_values(np.array([0.01, 0.04, 0.03, 0.5])).round(4).tolist()
    [0.04, 0.0533, 0.0533, 0.5]
    """
    m = len(p_values)
    order = np.argsort(p_values, kind="stable")
    scaled = p_values[order] * m / np.arange(1, m + 1)
    adjusted = np.empty(m)
    adjusted[order] = np.minimum(1.0, np.minimum.accumulate(scaled[::-1])[::-1])
    return adjusted


def _share_at_least(drawn: NDArray[Any], value: float) -> float:
    # the observed arrangement is one of those that could have been; ties by rounding count
    return (1.0 + float(np.count_nonzero(drawn >= value - 1e-6 * max(1.0, abs(value))))) / (1.0 + len(drawn))
