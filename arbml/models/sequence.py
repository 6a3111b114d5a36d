"""Sequences for the price predictor, and the straight line that it starts from. Numpy only."""

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
