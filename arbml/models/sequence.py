"""The price predictor without its network: sequences, where the output starts, and how far its medians are trusted. Numpy only."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from arbml.errors import NotEnoughData, TrainingDiverged
from arbml.models.scaler import InputScaler

if TYPE_CHECKING:
    from arbml.dataset import Dataset

Floats = NDArray[np.float64]
Float32s = NDArray[np.float32]
Rows = NDArray[np.integer[Any]]

CLIP_TARGET = 5.0         # standard deviations at which the regression's targets are cut: jumps are not its business
RIDGE = (0.01, 0.1, 1.0)  # strengths tried beside "no line at all"
MIN_WIDTH = 0.02          # of a starting interval side, scaled: softplus has no slope left below
SHRINKAGE = (0.0, 0.25, 0.5, 0.75, 1.0)  # of a median; 0 forecasts no change
SHRINKAGE_MARGIN = 1e-3   # relative gain in loss below which a smaller factor is taken


@dataclass(frozen=True, eq=False)
class Windows:
    """Sequences as row numbers into scaled rows: a sixtieth of the memory of the sequences themselves.

    Attributes:
        rows: (m, f) scaled feature rows.
        window: (n, L) row numbers, oldest first.
    """

    rows: Float32s
    window: Rows

    @classmethod
    def of(cls, ds: "Dataset", scaler: InputScaler) -> "Windows":
        """Scale the rows of an lstm data set.

        Raises:
            NotEnoughData: if it has no sequences.
        """
        if ds.rows is None or ds.window is None:
            raise NotEnoughData("sequences in the data set", 0, 1, "build it with arbml.dataset.price_dataset")
        return cls(scaler.transform(ds.rows), ds.window)

    def __len__(self) -> int:
        return len(self.window)

    def take(self, idx: Rows) -> Float32s:
        """Return the (len(idx), L, f) sequences of the rows `idx`."""
        return self.rows[self.window[idx]]

    def last(self) -> Floats:
        """Return the (n, f) last rows of all sequences."""
        return self.rows[self.window[:, -1]].astype(np.float64)


def spread_evenly(n: int, most: int) -> NDArray[np.intp]:
    """Return at most `most` of the numbers 0..n-1, spread evenly.

    >>> spread_evenly(9, 3).tolist(), spread_evenly(2, 3).tolist()
    ([0, 4, 8], [0, 1])
    """
    return np.unique(np.linspace(0, n - 1, min(n, most)).round().astype(np.intp))


def target_scale(y: Floats) -> list[float]:
    """Return the root mean square of each horizon's (n, H) returns, at least a thousandth of the largest.

    Raises:
        TrainingDiverged: if no price ever moved.
    """
    scale = np.sqrt(np.mean(np.square(y), axis=0))
    if not scale.max() > 0:
        raise TrainingDiverged("LSTMPredictor: no price ever moved in the training part; check the source of the ticks")
    return [float(s) for s in np.maximum(scale, 1e-3 * scale.max())]


@dataclass(frozen=True, eq=False)
class Output:
    """Weights of the output layers: (a, median, b) of each horizon, lower = median - softplus(a), upper = median + softplus(b).

    Attributes:
        line: (f, H, 3) from the last row.
        bias: (H, 3).
    """

    line: Floats
    bias: Floats


def starting_output(X: Floats, y: Floats, X_later: Floats, y_later: Floats, quantiles: tuple[float, ...]) -> Output:
    """Return an output that answers with a ridge regression on the last row, and the training quantiles around it.

    Args:
        X, y: (n, f) last rows and (n, H) scaled targets of the training. X_later, y_later: of the validation.
        quantiles: levels of lower, median, upper.
    """
    weights, shift = ridge(X, y, X_later, y_later)
    line, bias = np.zeros((X.shape[1], y.shape[1], 3)), np.zeros((y.shape[1], 3))
    line[:, :, 1], bias[:, 1] = weights, shift
    lower, upper = np.quantile(y - X @ weights - shift, [quantiles[0], quantiles[-1]], axis=0)
    bias[:, 0], bias[:, 2] = _inverse_softplus(-lower), _inverse_softplus(upper)
    return Output(line, bias)


def ridge(X: Floats, y: Floats, X_later: Floats, y_later: Floats) -> tuple[Floats, Floats]:
    """Return weights (f, H) and shifts (H,) of a linear forecast of y by X.

    Each horizon takes the strength, or no line at all, that has the least absolute error on the later rows. The mean of the
    forecasts is kept at zero: a drift of a few days is noise.

    Args:
        X, y: (n, f) and (n, H) of the training, scaled. X_later, y_later: of the validation.
    """
    centre, cut = X.mean(axis=0), np.clip(y, -CLIP_TARGET, CLIP_TARGET)
    Z = X - centre
    gram, moment = Z.T @ Z / len(Z), Z.T @ (cut - cut.mean(axis=0)) / len(Z)
    best = np.zeros((X.shape[1], y.shape[1]))
    least = np.abs(y_later).mean(axis=0)
    for strength in RIDGE:
        line = np.linalg.solve(gram + strength * np.eye(len(gram)), moment)
        error = np.abs(y_later - (X_later - centre) @ line).mean(axis=0)
        best[:, error < least] = line[:, error < least]
        least = np.minimum(error, least)
    return best, -centre @ best


def median_factors(forecast: Floats, y: Floats, quantiles: tuple[float, ...]) -> list[float]:
    """Return for each horizon the factor of the median that has the least pinball loss on later rows.

    Args:
        forecast: (n, H, 3) scaled quantiles; with another median, lower and upper keep their distance from it.
        y: (n, H) scaled targets.
        quantiles: levels of lower, median, upper.

    >>> y = np.random.default_rng(0).normal(size=(500, 1))
    >>> interval = np.array([[[-1.6, 0.0, 1.6]]])
    >>> median_factors(y[:, :, None] + interval, y, (0.05, 0.5, 0.95))
    [1.0]
    >>> median_factors(y[::-1, :, None] + interval, y, (0.05, 0.5, 0.95))
    [0.0]
    """
    levels, losses = np.array(quantiles), []
    for factor in SHRINKAGE:
        error = y[:, :, None] - forecast + (1.0 - factor) * forecast[:, :, 1:2]
        losses.append(np.maximum(levels * error, (levels - 1.0) * error).mean(axis=(0, 2)))
    good = np.array(losses) <= (1.0 + SHRINKAGE_MARGIN) * np.min(losses, axis=0)  # (factors, H)
    return [SHRINKAGE[first] for first in np.argmax(good, axis=0)]


def _inverse_softplus(width: Floats) -> Floats:
    return np.asarray(np.log(np.expm1(np.maximum(width, MIN_WIDTH))), np.float64)
