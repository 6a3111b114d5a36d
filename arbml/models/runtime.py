"""Saved models as the service runs them: numpy and ONNX Runtime, no training library."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from arbml.errors import ModelFileError, NotFitted, SchemaError
from arbml.models.bars import steps_between
from arbml.models.base import ONNX, ModelMeta, ServingModel, check_features, read_file, read_meta
from arbml.models.baseline import BaseRate, RealizedVolatility, ZeroChange
from arbml.models.calibration import Calibration
from arbml.models.ensemble import DEFAULT_ERROR
from arbml.models.garch import GarchParams
from arbml.models.intervals import RatioIntervals
from arbml.models.live import LiveVolatility
from arbml.models.quantiles import finish
from arbml.models.scaler import InputScaler
from arbml.models.session import OnnxSession

if TYPE_CHECKING:
    from arbml.dataset import Dataset

Floats = NDArray[np.float64]

CHUNK = 4096  # rows of one ONNX call: bounds the memory of long datasets


class PriceForecaster:
    """Log-return quantiles from a window of feature rows.

    Args:
        meta: with the params of LSTMPredictor (see `arbml.models.base`).
        onnx: the network.
        source: where it comes from, for messages.
    """

    kind = "lstm"

    def __init__(self, meta: ModelMeta, onnx: bytes, source: str = "LSTMPredictor") -> None:
        self._meta = meta
        self._session = OnnxSession(onnx, source)
        self.scaler = InputScaler.from_dict(meta.params["scaler"])
        self.sequence_length = int(meta.params["sequence_length"])
        self.horizons_s = tuple(int(h) for h in meta.params["horizons_s"])
        self.quantiles = tuple(float(q) for q in meta.params["quantiles"])

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Read a saved LSTMPredictor. Raises ModelFileError."""
        return _load_onnx(cls, directory, "LSTMPredictor")

    @property
    def meta(self) -> ModelMeta:
        """What is known of the model."""
        return self._meta

    def forecast(self, window: Floats) -> Floats:
        """Return (H, 3) log-returns, lower, median, upper, from one window (sequence_length, f), oldest row first."""
        answer: Floats = self.forecast_many(window[None])[0]
        return answer

    def forecast_many(self, windows: Floats) -> Floats:
        """Return (n, H, 3) log-returns from windows (n, sequence_length, f).

        Raises:
            SchemaError: if the windows have another length or other columns than those of the training.
        """
        if windows.ndim != 3 or windows.shape[1] != self.sequence_length:
            raise SchemaError(f"{self._meta.model}: windows of shape {windows.shape}, needs (n, {self.sequence_length}, columns)")
        raw = self._session.run(self.scaler.transform(windows))
        return finish(raw, self._meta.params["target_scale"], self._meta.params["conformal"])

    def predict(self, ds: "Dataset") -> Floats:
        """Return (n, H, 3) for every row of an lstm dataset."""
        check_features(self._meta, ds.feature_names, ds.feature_set_id)
        parts = [np.empty((0, len(self.horizons_s), 3))]
        for start in range(0, len(ds), CHUNK):
            rows = np.arange(start, min(start + CHUNK, len(ds)))
            parts.append(self.forecast_many(ds.sequences(rows, np.float64)))
        return np.concatenate(parts)


class SuccessScorer:
    """Calibrated probability that an opportunity succeeds.

    Args:
        meta: with the params of OpportunityScorer (see `arbml.models.base`).
        onnx: the forest.
        source: where it comes from, for messages.
        calibrated: False gives the share of the votes as it is; training needs that once, to fit the calibration.
    """

    kind = "scorer"

    def __init__(self, meta: ModelMeta, onnx: bytes, source: str = "OpportunityScorer", calibrated: bool = True) -> None:
        self._meta = meta
        self._session = OnnxSession(onnx, source, output="probabilities")
        self.scaler = InputScaler.from_dict(meta.params["scaler"])
        self._calibration = Calibration.from_dict(meta.params["calibration"]) if calibrated else None

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Read a saved OpportunityScorer. Raises ModelFileError."""
        return _load_onnx(cls, directory, "OpportunityScorer")

    @property
    def meta(self) -> ModelMeta:
        """What is known of the model."""
        return self._meta

    @property
    def probability_error(self) -> float:
        """Standard error of a probability, as measured on rows that the forest had not learned from."""
        return float(self._meta.params.get("probability_error", DEFAULT_ERROR))

    def predict_proba(self, X: Floats) -> Floats:
        """Return (n,) probabilities for rows (n, f), all columns of the training in their order, NaN where not known."""
        parts = [np.empty(0)]
        for start in range(0, len(X), CHUNK):
            votes = self._session.run(self.scaler.transform(X[start : start + CHUNK]))[:, 1].astype(np.float64)
            parts.append(votes if self._calibration is None else self._calibration.apply(votes))
        return np.concatenate(parts)

    def predict(self, ds: "Dataset") -> Floats:
        """Return (n,) probabilities for every row of a scorer dataset."""
        check_features(self._meta, ds.feature_names, ds.feature_set_id)
        return self.predict_proba(ds.X)

    def feature_importance(self) -> dict[str, float]:
        """Return {column: share of the impurity decrease in training}, largest first."""
        importance: dict[str, float] = self._meta.params["importance"]
        return dict(sorted(importance.items(), key=lambda item: -item[1]))


class VolatilityFilter(LiveVolatility):
    """GARCH with fixed parameters, one step for each bar; fitted by `arbml.models.volatility`.

    Args:
        meta: with the params of VolatilityPredictor (see `arbml.models.base`).
    """

    def __init__(self, meta: ModelMeta) -> None:
        super().__init__()
        self._meta = meta
        fits = meta.params["streams"] | {"": meta.params["default"]}
        self._garch = {stream: GarchParams.from_dict(fit["garch"]) for stream, fit in fits.items()}
        self._intervals = {stream: RatioIntervals.from_dict(fit["intervals"]) for stream, fit in fits.items()}
        self._trained = {stream: fit["state"] for stream, fit in fits.items() if fit.get("state")}

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Read a saved VolatilityPredictor. Raises ModelFileError."""
        meta = read_meta(directory)
        _require(meta, "VolatilityPredictor", directory)
        return cls(meta)

    @property
    def meta(self) -> ModelMeta:
        """What is known of the model."""
        return self._meta

    @property
    def step_s(self) -> int:
        """Length of a bar, s."""
        return int(self._meta.params["step_s"])

    @property
    def window_s(self) -> int:
        """Horizon of `predict`, s."""
        return int(self._meta.params["window_s"])

    def params(self, stream: str) -> GarchParams:
        """Return the parameters of a stream; those of the default for one not seen in training."""
        return self._garch.get(stream) or self._garch[""]

    def intervals(self, stream: str) -> RatioIntervals:
        """Return how far the realised variance strays from the forecast."""
        return self._intervals.get(stream) or self._intervals[""]

    def path(self, stream: str, bars: int) -> Floats:
        """Return the variance expected of each of the next `bars` bars, (bars,). Raises NotFitted before the first bar."""
        return self.params(stream).path(self.variance(stream), bars)

    def variance(self, stream: str) -> float:
        """Return the variance of the next bar; before any tick, from the end of the training.

        Raises:
            NotFitted: if the stream was neither trained on nor seen.
        """
        live = self._live.get(stream)
        if live is not None and live.state is not None:
            return float(live.state)
        if stream not in self._trained:
            raise NotFitted(f"volatility of {stream}: neither trained nor seen; known are {', '.join(self._trained)}")
        return float(self._trained[stream]["variance"])

    def _start(self, stream: str, ts_ms: int) -> float:
        params, trained = self.params(stream), self._trained.get(stream)
        if trained is None or ts_ms <= trained["ts_ms"]:
            return params.start
        missing = int(steps_between(trained["ts_ms"], ts_ms, self.step_s)) - 1
        return params.ahead(trained["variance"], missing)

    def _after(self, stream: str, state: float, log_return: float, step: int) -> float:
        params = self.params(stream)
        return params.after(params.ahead(state, step - 1) if step > 1 else state, log_return)

    def _total(self, stream: str, state: float, bars: float) -> float:
        return self.params(stream).total(state, bars)


def load_model(directory: Path) -> ServingModel:
    """Read whatever model was saved in `directory`, ready to answer.

    Raises:
        ModelFileError: if it is missing, cut short, changed or of an unknown kind.
    """
    meta = read_meta(directory)
    loaders: dict[str, Any] = {
        "LSTMPredictor": PriceForecaster,
        "OpportunityScorer": SuccessScorer,
        "VolatilityPredictor": VolatilityFilter,
        "ZeroChange": ZeroChange,
        "BaseRate": BaseRate,
        "RealizedVolatility": RealizedVolatility,
    }
    if meta.model not in loaders:
        raise ModelFileError(f"{directory}: model '{meta.model}' is unknown to this version; known are {', '.join(loaders)}")
    model: ServingModel = loaders[meta.model].load(directory)
    return model


def _require(meta: ModelMeta, model: str, directory: Path) -> None:
    if meta.model != model:
        raise ModelFileError(f"{directory}: holds a {meta.model}, not a {model}; give the directory of a {model}")


def _load_onnx(cls: Any, directory: Path, model: str) -> Any:
    meta = read_meta(directory)
    _require(meta, model, directory)
    try:
        return cls(meta, read_file(directory, meta, ONNX), source=str(Path(directory) / ONNX))
    except (KeyError, TypeError, ValueError) as error:
        raise ModelFileError(f"{directory}: params of {model} are incomplete ({error}); train it again") from error
