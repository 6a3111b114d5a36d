"""How far the price will move: GARCH fitted by `arch`, answered from filtered state. Never refitted in a request.

Returns of a pool are heavy-tailed, with jumps and bars in which nothing trades. Maximum likelihood is fragile there: it
fails to converge, or ends almost integrated, where long forecasts run away. So every stream gets candidates: three GARCH
fits, with the persistence capped and the variance targeted where the optimum lies on the edge, and a grid of targeted
ones that cannot fail. `arbml.models.selection` says which one answers, and why.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from arbml.config import VolatilityConfig
from arbml.errors import NotEnoughData, NotFitted, SchemaError, TrainingDiverged
from arbml.models.bars import Series, bar_s, series_of
from arbml.models.base import ModelMeta, describe, writing
from arbml.models.garch import GarchParams, targeted
from arbml.models.intervals import RatioIntervals, VarianceForecast, realised
from arbml.models.risk import RiskMetrics, simulated_risk
from arbml.models.runtime import VolatilityFilter
from arbml.models.selection import StreamFit, choose, continued

if TYPE_CHECKING:
    from arbml.dataset import Dataset

Floats = NDArray[np.float64]

MAX_PERSISTENCE = 0.999  # half of a shock gone after 693 bars; nearer to 1 the long-run variance means nothing
ALPHAS = (0.01, 0.02, 0.04, 0.08, 0.15)
PERSISTENCES = (0.95, 0.98, 0.99, 0.995, 0.998, 0.999)
UNSEEN = (0.04, 0.99)    # alpha and persistence for a stream that was not in the training
MIN_RATIOS = 100         # later rows from which a stream's intervals are its own
PRICES = "prices"        # name of the stream that `train` makes of an array of prices


class VolatilityPredictor:
    """Variance of the log-return per stream; implements `arbml.models.base.Model`.

    Predictions come from `arbml.models.runtime.VolatilityFilter`, the same code that serves.
    """

    kind = "volatility"

    def __init__(self, volatility: VolatilityConfig) -> None:
        self._volatility = volatility
        self._served: VolatilityFilter | None = None

    @property
    def meta(self) -> ModelMeta:
        """What is known of the fitted model. Raises NotFitted before `fit`."""
        return self.filter().meta

    def filter(self) -> VolatilityFilter:
        """Return the filter at the end of the training, the one that a saved model serves."""
        if self._served is None:
            raise NotFitted("VolatilityPredictor: predict before fit; call fit(train, validation), train(prices) or load one")
        return self._served

    def fit(self, train: "Dataset", validation: "Dataset") -> None:
        """Fit each stream on `train`, choose among its candidates, and measure the intervals on `validation`.

        A stream with fewer than `min_samples` returns is not given to `arch`; it has the targeted candidates only.

        Args:
            train, validation: kind "volatility": X[:, 0] log-return of a bar, y[:, 0] realised variance of the window after it.

        Raises:
            NotEnoughData: if there are fewer returns than `min_samples` in all.
            TrainingDiverged: if the returns have no variance at all.
        """
        if len(train) < self._volatility.min_samples:
            raise NotEnoughData("returns to fit the volatility", len(train), self._volatility.min_samples)
        later = {series.stream: series for series in series_of(validation)}
        fits = self._fit_streams(train, validation, later)
        params: dict[str, Any] = {
            "step_s": bar_s(train),
            "window_s": self._window_s(train),
            "streams": {stream: fit.to_dict() for stream, fit in fits.items()},
            "default": _default(list(fits.values())),
        }
        silent = [stream for stream in train.streams if stream not in fits]
        notes = tuple(f"{stream}: {fit.why}" for stream, fit in fits.items())
        notes += tuple(f"{stream}: no rows or no moves in training, answered by the default" for stream in silent)
        unmeasured = describe("VolatilityPredictor", train, validation, notes=notes, params=_with_intervals(params, []))
        params = _with_intervals(params, VolatilityFilter(unmeasured).ratios(validation))
        for stream, fit in fits.items():
            params["streams"][stream]["state"] = _state_after(fit, later.get(stream))
        self._served = VolatilityFilter(dataclasses.replace(unmeasured, params=params))

    def _fit_streams(self, train: "Dataset", validation: "Dataset", later: dict[str, Series]) -> dict[str, StreamFit]:
        bars = max(1, round(self._window_s(train) / bar_s(train)))
        fits = {}
        for series in series_of(train):
            candidates, missing = _candidates(series.log_returns[-self._volatility.max_samples :], self._volatility.min_samples)
            found = choose(candidates, series, train.y[:, 0], later.get(series.stream), validation.y[:, 0], bars)
            if found is not None:
                fits[series.stream] = dataclasses.replace(found, why="; ".join([found.why, *missing]))
        if not fits:
            raise TrainingDiverged("VolatilityPredictor: no price ever moved in the training part; check the source of the ticks")
        return fits

    def _window_s(self, ds: "Dataset") -> int:
        return next(iter(ds.horizons_s), self._volatility.window_minutes * 60)

    def train(self, prices: Sequence[float] | NDArray[np.floating[Any]], step_s: int = 60) -> None:
        """Fit on one series of regular prices; the last fifth chooses the candidate and measures the intervals.

        Args:
            prices: (n,) positive, oldest first, `step_s` apart.
            step_s: seconds between two of them.

        Raises:
            NotEnoughData, TrainingDiverged: as `fit`.
        """
        train, validation = _price_datasets(np.asarray(prices, dtype=np.float64), step_s, self._volatility)
        self.fit(train, validation)

    def predict(self, ds: "Dataset") -> Floats:
        """Return (n,) the forecast of the window's variance after each row, by the filter; see LiveVolatility.predict."""
        return self.filter().predict(ds)

    def predict_interval(self, ds: "Dataset") -> Floats:
        """Return (n, 3): forecast, lower and upper end of its 90 % interval."""
        return self.filter().predict_interval(ds)

    def forecast(self, horizon: int, stream: str | None = None) -> tuple[VarianceForecast, ...]:
        """Return for every step 1..horizon (bars) the variance of the log-return up to it, with its 90 % interval.

        Args:
            horizon: bars.
            stream: which one; the first without it. The forecast starts at the last return of the training.
        """
        stream = stream or self._first()
        served = self.filter()
        totals = np.cumsum(served.path(stream, horizon))
        intervals = served.intervals(stream)
        return tuple(intervals.around(float(total), bars) for bars, total in enumerate(totals, start=1))

    def calculate_risk_metrics(
        self, position: float, horizon: int = 1, confidence: float = 0.95, stream: str | None = None
    ) -> RiskMetrics:
        """Return value at risk and expected shortfall of a position held over `horizon` bars; see `arbml.models.risk`.

        Args:
            position: value in quote; negative for a short one.
            horizon: bars.
            confidence: of the value at risk, in (0.5, 1).
            stream: which one; the first without it.
        """
        stream = stream or self._first()
        served = self.filter()
        residuals = served.meta.params["streams"][stream]["residuals"]
        return simulated_risk(served.params(stream), served.variance(stream), residuals, position, horizon, confidence)

    def save(self, directory: Path) -> None:
        """Write `meta.json`, all or nothing."""
        with writing(directory, self.meta):
            pass

    def _first(self) -> str:
        return str(next(iter(self.filter().meta.params["streams"])))


def _candidates(log_returns: Floats, min_samples: int) -> tuple[list[GarchParams], list[str]]:
    """Return parameters fitted on the log-returns (n,) of one stream, and why others are missing; none if it never moved."""
    variance = float(np.mean(np.square(log_returns)))
    if not variance > 0:
        return [], []
    fitted, missing = [targeted(alpha, kept, variance) for alpha in ALPHAS for kept in PERSISTENCES], []
    if len(log_returns) < min_samples:
        return fitted, [f"GARCH not fitted: {len(log_returns)} returns, needs {min_samples}"]
    for name, asymmetry, student in (("GARCH-normal", 0, False), ("GARCH-t", 0, True), ("GJR-t", 1, True)):
        try:
            fitted.append(_fitted_by_arch(name, log_returns, asymmetry, student))
        except TrainingDiverged as error:
            missing.append(str(error))
    return fitted, missing


def _fitted_by_arch(name: str, log_returns: Floats, asymmetry: int, student: bool) -> GarchParams:
    """Return a maximum likelihood fit, made safe to forecast with.

    Raises:
        TrainingDiverged: where the optimiser found none.
    """
    from arch.univariate import GARCH, Normal, StudentsT, ZeroMean

    variance = float(np.mean(np.square(log_returns)))
    scale = variance**-0.5  # the optimiser's tolerances suit numbers near 1
    model = ZeroMean(log_returns * scale, rescale=False, volatility=GARCH(p=1, o=asymmetry, q=1))
    model.distribution = StudentsT() if student else Normal()
    try:
        result = model.fit(disp="off", show_warning=False, options={"maxiter": 300})
    except (ValueError, ArithmeticError, np.linalg.LinAlgError) as error:
        raise TrainingDiverged(f"{name}: arch failed ({error})") from error
    found = {key.removesuffix("[1]"): float(value) for key, value in result.params.items()}
    if result.convergence_flag != 0 or not np.isfinite(list(found.values())).all():
        raise TrainingDiverged(f"{name}: arch did not converge (flag {result.convergence_flag})")
    params = GarchParams(
        name=name,
        omega=found["omega"] / scale**2,
        alpha=found["alpha"],
        gamma=found.get("gamma", 0.0),
        beta=found["beta"],
        start=float(result.conditional_volatility[0] / scale) ** 2,
        scale=scale,
        nu=found.get("nu"),
    )
    return _capped(params, variance)


def _capped(params: GarchParams, variance: float) -> GarchParams:
    """Return parameters that are surely stationary, with the long-run variance at the sample's where they were not."""
    if params.persistence <= MAX_PERSISTENCE:
        return params
    shrink = MAX_PERSISTENCE / params.persistence
    return dataclasses.replace(
        params,
        omega=(1 - MAX_PERSISTENCE) * variance,
        alpha=params.alpha * shrink,
        gamma=params.gamma * shrink,
        beta=params.beta * shrink,
        note=f"persistence {params.persistence:.5f} capped at {MAX_PERSISTENCE}, variance targeted",
    )


def _with_intervals(params: dict[str, Any], ratios: list[tuple[str, dict[int, Floats]]]) -> dict[str, Any]:
    """Return the params with intervals: of the stream where it has later rows, else of all streams together."""
    pooled = RatioIntervals.fit([found for _, found in ratios])
    streams = {}
    for stream, fit in params["streams"].items():
        own = RatioIntervals.fit([found for name, found in ratios if name == stream])
        streams[stream] = fit | {"intervals": (own if own.n >= MIN_RATIOS else pooled).to_dict()}
    return params | {"streams": streams, "default": params["default"] | {"intervals": pooled.to_dict()}}


def _state_after(fit: StreamFit, later: Series | None) -> dict[str, Any]:
    if later is None:
        return {"ts_ms": fit.ts_ms, "variance": fit.variance}
    variances = continued(fit.params, (fit.ts_ms, fit.variance), later)
    return {"ts_ms": int(later.ts_ms[-1]), "variance": float(variances[-1])}


def _default(fits: Sequence[StreamFit]) -> dict[str, Any]:
    """A stream that was not in the training starts at the variance that is usual among those that were."""
    usual = float(np.median([fit.params.long_run for fit in fits]))
    return {"garch": targeted(*UNSEEN, usual).to_dict()}


def _price_datasets(prices: Floats, step_s: int, volatility: VolatilityConfig) -> tuple["Dataset", "Dataset"]:
    """Return training and validation rows of one series of prices; the targets of the last window are NaN."""
    from arbml.dataset import Dataset

    if prices.ndim != 1 or not (np.isfinite(prices) & (prices > 0)).all():
        raise SchemaError(f"train(prices): needs one series of positive, finite prices, got shape {prices.shape}")
    n = max(len(prices) - 1, 0)
    window_s = volatility.window_minutes * 60
    ts_ms = (np.arange(n, dtype=np.int64) + 1) * step_s * 1000
    returns = np.diff(np.log(prices))
    series = Series(PRICES, np.arange(n), ts_ms, returns, np.ones(n, dtype=np.int64), step_s)
    whole = Dataset(
        kind="volatility",
        X=returns[:, None],
        y=realised(series, max(1, round(window_s / step_s)))[:, None],
        ts_ms=ts_ms,
        label_end_ms=ts_ms + window_s * 1000,
        feature_names=("log_return",),
        target_names=(f"realized_variance_{window_s}s",),
        feature_set_id=PRICES,
        streams=(PRICES,),
        stream_of=np.zeros(n, dtype=np.int64),
        prices=prices[1:],
        step_s=step_s,
    )
    cut = n - n // 5
    return whole.take(np.arange(cut)), whole.take(np.arange(cut, n))
