"""Small datasets whose truth is known, and every kind of model that can be fitted on them."""

import importlib.util
import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from arbml.config import LstmConfig, ScorerConfig, TrainingConfig, VolatilityConfig
from arbml.dataset import Dataset, hashed
from arbml.models import BaseRate, OpportunityScorer, RealizedVolatility, VolatilityPredictor, ZeroChange

TRAINING = TrainingConfig(seed=7, max_epochs=2, patience=1)
SCORER = ScorerConfig(trees=20, max_depth=5, min_samples=300, min_positive=20)
LSTM = LstmConfig(sequence_length=10, units=(4,), min_samples=100, max_samples=500)
VOLATILITY = VolatilityConfig(window_minutes=1, min_samples=300)


def opportunities(n: int, seed: int = 0, signal: float = 2.0, shuffled: bool = False) -> Dataset:
    """Success depends on the first two columns; 5 % of the inputs are not known, the last column never is."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 6)) * [1, 5, 1e6, 1, 1, 1] + [0, 100, 1e7, 0, 0, 0]
    p = 1 / (1 + np.exp(-signal * (X[:, 0] + (X[:, 1] - 100) / 5)))
    y = (rng.random(n) < p).astype(np.float64)
    X[rng.random((n, 6)) < 0.05] = np.nan
    X[:, 5] = np.nan
    if shuffled:
        y = rng.permutation(y)
    ts_ms = np.arange(n, dtype=np.int64) * 2000
    names = ("edge_bps", "gas_gwei", "depth", "hour", "noise", "never")
    return hashed(
        Dataset("scorer", X, y[:, None], ts_ms, ts_ms + 5000, names, ("success",), "set-1", ("a|W/U",), ts_ms * 0, np.ones(n))
    )


def prices(n: int, seed: int = 0) -> Dataset:
    """Log-returns that follow the first column, in windows of 10 rows."""
    rng = np.random.default_rng(seed)
    m = n + 9
    rows = rng.normal(size=(m, 3))
    rows[rng.random((m, 3)) < 0.02] = np.nan
    window = np.arange(n)[:, None] + np.arange(10)
    X = rows[window[:, -1]]
    drift = np.nan_to_num(X[:, :1]) * 1e-4
    y = drift * [1.0, 1.5] + rng.normal(size=(n, 2)) * [1e-4, 2e-4]
    ts_ms = np.arange(n, dtype=np.int64) * 5000
    return hashed(
        Dataset(
            "lstm", X, y, ts_ms, ts_ms + 15_000, ("momentum", "spread", "volume"), ("log_return_5s", "log_return_15s"), "set-1",
            ("a|W/U",), ts_ms * 0, np.full(n, 2000.0), window=window, rows=rows,
        )
    )


def garch_returns(n: int, seed: int = 0, omega: float = 0.05, alpha: float = 0.12, beta: float = 0.83) -> np.ndarray[Any, Any]:
    """Log-returns of a GARCH(1,1) with normal errors and a standard deviation near 3e-4."""
    rng = np.random.default_rng(seed)
    h, out = omega / (1 - alpha - beta), np.empty(n)
    for i, z in enumerate(rng.normal(size=n)):
        out[i] = z * h**0.5
        h = omega + alpha * out[i] ** 2 + beta * h
    return out * 3e-4


def bars(n: int, seed: int = 0, streams: int = 2, step_s: int = 5, window_s: int = 60, **shape: float) -> Dataset:
    """Bars of some streams, interleaved; targets are the sums of the squared returns of the next window."""
    k = window_s // step_s
    returns = np.stack([garch_returns(n + k, seed + 10 * s, **shape) for s in range(streams)], axis=1)
    squares = np.cumsum(np.vstack([np.zeros(streams), returns**2]), axis=0)
    y = squares[k + 1 :] - squares[1 : n + 1]
    ts_ms = np.repeat(1_700_000_000_000 + np.arange(n, dtype=np.int64) * step_s * 1000, streams)
    price = 2000 * np.exp(np.cumsum(returns[:n], axis=0))
    return hashed(
        Dataset(
            "volatility", returns[:n].reshape(-1, 1), y.reshape(-1, 1), ts_ms, ts_ms + window_s * 1000, ("log_return",),
            (f"realized_variance_{window_s}s",), "set-1", tuple(f"v{s}|W/U" for s in range(streams)),
            np.tile(np.arange(streams), n), price.reshape(-1), step_s=step_s,
        )
    )


@dataclass(frozen=True)
class Case:
    """A model, the data it learns from, and whether its answers depend on the rows before."""

    name: str
    build: Callable[[], Any]
    data: Callable[[int], Dataset]
    rows: int
    recursive: bool = False
    tolerance: float = 0.0  # of one row against the same row among many, relative

    def parts(self) -> tuple[Dataset, Dataset, Dataset]:
        """Training, validation and test, in order of time."""
        ds = self.data(self.rows)
        cuts = [0, int(len(ds) * 0.6), int(len(ds) * 0.8), len(ds)]
        return tuple(ds.take(np.arange(a, b)) for a, b in itertools.pairwise(cuts))  # type: ignore[return-value]


def _lstm() -> Any:
    from arbml.models import LSTMPredictor

    return LSTMPredictor(LSTM, TRAINING)


CASES = [
    Case("ZeroChange", lambda: ZeroChange(LSTM), prices, 300),
    Case("BaseRate", BaseRate, opportunities, 300),
    Case("RealizedVolatility", lambda: RealizedVolatility(VOLATILITY), bars, 600, recursive=True),
    Case("OpportunityScorer", lambda: OpportunityScorer(SCORER, TRAINING), opportunities, 900),
    Case("VolatilityPredictor", lambda: VolatilityPredictor(VOLATILITY), bars, 900, recursive=True),
]
LSTM_CASE = Case("LSTMPredictor", _lstm, prices, 400, tolerance=1e-5)


def _params() -> list[Any]:
    found = [pytest.param(case, id=case.name) for case in CASES]
    if importlib.util.find_spec("arbml.models.lstm"):
        found.append(pytest.param(LSTM_CASE, id="LSTMPredictor", marks=pytest.mark.slow))
    return found


@pytest.fixture(params=_params(), scope="session")
def case(request: pytest.FixtureRequest) -> Case:
    """Every kind of model in turn."""
    return request.param  # type: ignore[no-any-return]


@pytest.fixture(scope="session")
def fitted(case: Case) -> Any:
    """The case's model, fitted once."""
    model = case.build()
    train, validation, _ = case.parts()
    model.fit(train, validation)
    return model


@pytest.fixture(scope="session")
def make() -> Any:
    """The builders of datasets, for tests of one kind."""
    return _Make()


class _Make:
    opportunities = staticmethod(opportunities)
    prices = staticmethod(prices)
    bars = staticmethod(bars)
    garch_returns = staticmethod(garch_returns)
    replace = staticmethod(replace)
