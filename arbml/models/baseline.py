"""What every model must beat, and what answers without a model: honest, simple, of the same protocol.

Baselines know all that the models know of the past: they are fitted on training and validation rows together.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from arbml.config import LstmConfig, VolatilityConfig
from arbml.errors import ModelFileError, NotEnoughData, NotFitted
from arbml.models.bars import Series, bar_s, series_of
from arbml.models.base import ModelMeta, check_features, describe, read_meta, writing
from arbml.models.intervals import RatioIntervals, realised
from arbml.models.live import LiveVolatility

if TYPE_CHECKING:
    from arbml.dataset import Dataset

Floats = NDArray[np.float64]

WEIGHTS = (0.0, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0)  # of the mean beside the last window
FLOOR_QUANTILE = 0.05  # of the windows in which anything moved: an idle window must not forecast that nothing ever moves


class _Saved:
    """Keeps the meta, which is all that a baseline has."""

    _meta: ModelMeta | None = None

    @property
    def meta(self) -> ModelMeta:
        """What is known of the fitted baseline. Raises NotFitted before `fit`."""
        if self._meta is None:
            raise NotFitted(f"{type(self).__name__}: predict before fit; call fit(train, validation) or load a saved one")
        return self._meta

    def save(self, directory: Path) -> None:
        """Write `meta.json`, all or nothing."""
        with writing(directory, self.meta):
            pass

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Read a saved baseline. Raises ModelFileError."""
        meta = read_meta(directory)
        if meta.model != cls.__name__:
            raise ModelFileError(f"{directory}: holds a {meta.model}, not a {cls.__name__}; give that of a {cls.__name__}")
        baseline = cls()
        baseline._meta = meta
        return baseline


class ZeroChange(_Saved):
    """The price stays where it is, give or take the quantiles of the training period."""

    kind = "lstm"

    def __init__(self, lstm: LstmConfig | None = None) -> None:
        self._quantiles = (lstm or LstmConfig()).quantiles

    def fit(self, train: "Dataset", validation: "Dataset") -> None:
        """Take the quantiles of the log-return at each horizon; the median is zero.

        Raises:
            NotEnoughData: if a horizon has no targets.
        """
        y = np.concatenate([train.y, validation.y])
        values = []
        for h, name in enumerate(train.target_names):
            known = y[np.isfinite(y[:, h]), h]
            if not len(known):
                raise NotEnoughData(f"targets {name}", 0, 1)
            lower, _, upper = np.quantile(known, self._quantiles)
            values.append([min(float(lower), 0.0), 0.0, max(float(upper), 0.0)])
        params = {"horizons_s": list(train.horizons_s), "quantiles": list(self._quantiles), "values": values}
        self._meta = describe("ZeroChange", train, validation, params=params)

    @property
    def horizons_s(self) -> tuple[int, ...]:
        """The horizons, s."""
        return tuple(self.meta.params["horizons_s"])

    @property
    def quantiles(self) -> tuple[float, ...]:
        """The levels of lower, median and upper."""
        return tuple(self.meta.params["quantiles"])

    def forecast(self, window: Floats) -> Floats:
        """Return (H, 3) log-returns, whatever the window."""
        return self.forecast_many(window[None])[0]

    def forecast_many(self, windows: Floats) -> Floats:
        """Return (n, H, 3) log-returns."""
        return np.repeat(np.array(self.meta.params["values"], dtype=np.float64)[None], len(windows), axis=0)

    def predict(self, ds: "Dataset") -> Floats:
        """Return (n, H, 3) log-returns."""
        check_features(self.meta, ds.feature_names, ds.feature_set_id)
        return self.forecast_many(ds.X)


class BaseRate(_Saved):
    """Every opportunity succeeds as often as those of the training period did: (successes + 1) / (n + 2), after Laplace."""

    kind = "scorer"

    def fit(self, train: "Dataset", validation: "Dataset") -> None:
        """Count; works without any success."""
        y = np.concatenate([train.y[:, 0], validation.y[:, 0]])
        rate = float((y.sum() + 1) / (len(y) + 2))
        self._meta = describe("BaseRate", train, validation, params={"rate": rate})

    def predict_proba(self, X: Floats) -> Floats:
        """Return (n,) times the rate."""
        return np.full(len(X), float(self.meta.params["rate"]))

    def predict(self, ds: "Dataset") -> Floats:
        """Return (n,) times the rate."""
        check_features(self.meta, ds.feature_names, ds.feature_set_id)
        return self.predict_proba(ds.X)


class RealizedVolatility(_Saved, LiveVolatility):
    """The next window is as volatile as the last one was, drawn towards the mean of the training.

    The variance of the last `window_minutes`, and `weight` windows of the stream's mean, are scaled to the horizon; the
    weight is the one that would have done best (QLIKE), for a handful of bars says little. Bars that are missing from the
    window count as the mean; no forecast falls below the 5 % quantile of the training's windows that moved.
    """

    kind = "volatility"

    def __init__(self, volatility: VolatilityConfig | None = None) -> None:
        super().__init__()
        self._window_s = (volatility or VolatilityConfig()).window_minutes * 60

    def fit(self, train: "Dataset", validation: "Dataset") -> None:
        """Take mean, floor and intervals of each stream.

        Raises:
            NotEnoughData: without any row.
        """
        window_s = next(iter(train.horizons_s), self._window_s)
        step_s = bar_s(train)
        series = [*series_of(train), *series_of(validation)]
        if not series:
            raise NotEnoughData("returns", 0, 1)
        bars = max(1, round(window_s / step_s))
        names = {one.stream for one in series}
        streams: dict[str, Any] = {name: _level([one for one in series if one.stream == name], bars) for name in sorted(names)}
        default: dict[str, Any] = {
            key: float(np.median([level[key] for level in streams.values()])) for key in ("prior", "floor", "weight")
        }
        params = {"step_s": step_s, "window_s": window_s, "streams": streams, "default": default}
        self._meta = describe("RealizedVolatility", train, validation, params=params)
        ratios = [*self.ratios(train), *self.ratios(validation)]
        for name, level in streams.items():
            level["intervals"] = RatioIntervals.fit([found for stream, found in ratios if stream == name]).to_dict()
        default["intervals"] = RatioIntervals.fit([found for _, found in ratios]).to_dict()

    @property
    def step_s(self) -> int:
        """Length of a bar, s."""
        return int(self.meta.params["step_s"])

    @property
    def window_s(self) -> int:
        """Horizon of `predict`, and the window that is looked back on, s."""
        return int(self.meta.params["window_s"])

    def intervals(self, stream: str) -> RatioIntervals:
        """Return how far the realised variance strays from the forecast."""
        return RatioIntervals.from_dict(self._of(stream)["intervals"])

    def _of(self, stream: str) -> dict[str, Any]:
        found: dict[str, Any] = self.meta.params["streams"].get(stream) or self.meta.params["default"]
        return found

    def _start(self, stream: str, ts_ms: int) -> list[float]:
        return [self._of(stream)["prior"]] * self.horizon_bars

    def _after(self, stream: str, state: list[float], log_return: float, step: int) -> list[float]:
        missing = [self._of(stream)["prior"]] * min(step - 1, len(state))
        return [*state, *missing, log_return * log_return][-len(state) :]

    def _total(self, stream: str, state: list[float], bars: float) -> float:
        level = self._of(stream)
        window = _drawn(math.fsum(state), level["prior"] * len(state), level["weight"])
        return float(max(window, level["floor"])) / len(state) * bars


def _drawn(window: Any, mean: float, weight: float) -> Any:
    return (window + weight * mean) / (1 + weight)


def _level(parts: Sequence[Series], bars: int) -> dict[str, float]:
    """Return mean of a bar, floor of a window, and the weight of the mean."""
    squares = [np.square(part.log_returns) for part in parts]
    prior = float(np.mean(np.concatenate(squares)))
    past = np.concatenate([_last_windows(square, prior, bars) for square in squares])
    future = np.concatenate([realised(part, bars) for part in parts])
    moved = future[future > 0]
    floor = float(np.quantile(moved, FLOOR_QUANTILE)) if len(moved) else prior * bars
    known = np.isfinite(future)
    losses = {}
    for weight in WEIGHTS if len(moved) else ():
        forecast = np.maximum(_drawn(past[known], prior * bars, weight), floor)
        losses[weight] = float(np.mean(np.log(forecast) + future[known] / forecast))
    return {"prior": prior, "floor": floor, "weight": min(losses, key=losses.__getitem__, default=0.0)}


def _last_windows(squares: Floats, prior: float, bars: int) -> Floats:
    sums = np.cumsum(np.concatenate([np.full(bars, prior), squares]))
    return np.asarray(sums[bars:] - sums[:-bars])
