"""How a registered model answers through MLflow: `mlflow.pyfunc.load_model("models:/arbml-scorer@champion").predict(...)`.

    scorer      a frame with the feature columns, one row per opportunity -> (n,) calibrated probabilities of success
    lstm        an array (n, sequence length, features) of feature rows, oldest first -> (n, H, 3) log-return quantiles
    volatility  a frame of ticks (stream, ts_ms, price) in order of time -> a frame with one row per stream: horizon_s and
                the variance of the log-return over it with its interval, after the last complete bar

It is for people and tools that know MLflow and not arbml; the service loads the same files directly. MLflow names this
module in the logged model and calls `_load_pyfunc`, so arbml must be installed where the model is loaded.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from arbml.models.base import read_meta
from arbml.models.runtime import load_model

TICK_COLUMNS = ["stream", "ts_ms", "price"]


class ScorerAnswer:
    """Probabilities for a frame of features."""

    def __init__(self, directory: Path) -> None:
        self._model: Any = load_model(directory)

    def predict(self, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> NDArray[np.float64]:
        """Return (n,) probabilities; columns may come in any order."""
        X = model_input[list(self._model.meta.feature_names)].to_numpy(np.float64)
        return np.asarray(self._model.predict_proba(X))


class PriceAnswer:
    """Log-return quantiles for feature sequences."""

    def __init__(self, directory: Path) -> None:
        self._model: Any = load_model(directory)

    def predict(self, model_input: NDArray[np.float64], params: dict[str, Any] | None = None) -> NDArray[np.float64]:
        """Return (n, H, 3) for (n, sequence length, features)."""
        return np.asarray(self._model.forecast_many(np.asarray(model_input, np.float64)))


class VolatilityAnswer:
    """Variances for ticks. Every call starts from the state at the end of the training."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def predict(self, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """Return stream, horizon_s, variance, lower, upper; a stream without a complete bar has no row."""
        model: Any = load_model(self._directory)
        for stream, ts_ms, price in model_input[TICK_COLUMNS].itertuples(index=False):
            model.update(str(stream), int(ts_ms), float(price))
        streams = [stream for stream, state in model.dump().items() if state["seen"]]
        answers = [(stream, float(model.window_s), *model.forecast(stream, [model.window_s])[0]) for stream in streams]
        return pd.DataFrame(answers, columns=["stream", "horizon_s", "variance", "lower", "upper"])


def load(directory: Path) -> Any:
    """Return the object that answers for a saved model.

    Raises:
        ModelFileError: if the directory is not a complete model.
    """
    answers = {"scorer": ScorerAnswer, "lstm": PriceAnswer, "volatility": VolatilityAnswer}
    return answers[read_meta(directory).kind](directory)


def _load_pyfunc(data_path: str) -> Any:
    return load(Path(data_path))
