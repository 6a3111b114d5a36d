"""One answer of each served model beside the library that trained it: median time of one call, on one thread."""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arbml.clock import stopwatch_s
from arbml.config import LstmConfig, ScorerConfig, TrainingConfig, VolatilityConfig
from arbml.dataset import Dataset
from arbml.models import LSTMPredictor, OpportunityScorer, PriceForecaster, VolatilityPredictor
from benchmarks.figures import Figure

Floats = NDArray[np.float64]

FEATURES = 40
SEED = 1
TRAINING = TrainingConfig(seed=SEED, max_epochs=1)


def run() -> list[Figure]:
    """Measure scorer, volatility and price; takes about a minute, most of it in the three fits."""
    return [*_scorer(), *_volatility(), *_price()]


def _scorer() -> list[Figure]:
    from sklearn.ensemble import RandomForestClassifier

    ds = _opportunities(6000)
    config = ScorerConfig()
    model = OpportunityScorer(config, TRAINING)
    model.fit(ds.take(np.arange(4500)), ds.take(np.arange(4500, 6000)))
    rows = [ds.X[i : i + 1] for i in range(1500)]
    forest = RandomForestClassifier(
        config.trees, max_depth=config.max_depth, min_samples_leaf=config.min_samples_leaf, random_state=SEED, n_jobs=1
    ).fit(ds.X[:4500], ds.y[:4500, 0])
    ours, theirs = _median_us(model.predict_proba, rows), _median_us(forest.predict_proba, rows[:200])
    note = f"{config.trees} trees, {FEATURES} columns; ours scales, votes and calibrates, the peer only votes"
    return [Figure("scorer, one row", ours, "us", "scikit-learn predict_proba, n_jobs=1", theirs, note)]


def _volatility() -> list[Figure]:
    from arch.univariate import GARCH, ZeroMean

    rng = np.random.default_rng(SEED)
    returns = rng.standard_t(5, size=3000) * 3e-4
    model = VolatilityPredictor(VolatilityConfig())
    model.train(2000 * np.exp(np.cumsum(returns)), step_s=5)
    served = model.filter()
    prices = 2000 * np.exp(np.cumsum(rng.standard_t(5, size=4000) * 3e-4))
    ticks = [(1_700_000_000_000 + 5000 * i, float(price)) for i, price in enumerate(prices)]

    def answer(tick: tuple[int, float]) -> None:
        served.update("prices", *tick)
        served.forecast("prices", (5, 10, 15, 30, 300))

    for tick in ticks[:100]:
        served.update("prices", *tick)
    ours = _median_us(answer, ticks[100:])
    volatility = ZeroMean(returns[-1000:] * 1e3, rescale=False, volatility=GARCH())
    fixed = [0.005, 0.05, 0.90]

    def refiltered(_: int) -> None:
        volatility.fix(fixed).forecast(horizon=60, reindex=False)

    def refitted(_: int) -> None:
        volatility.fit(disp="off", show_warning=False).forecast(horizon=60, reindex=False)

    return [
        Figure(
            "volatility, one tick and five horizons", ours, "us", "arch fix + forecast", _median_us(refiltered, range(100)),
            "a tick and five horizons; the peer filters 1,000 returns again and forecasts 60 bars",
        ),
        Figure(
            "volatility, the same beside a refit", ours, "us", "arch fit + forecast", _median_us(refitted, range(30)),
            "what a service that refits in the request would pay",
        ),
    ]


def _price() -> list[Figure]:
    ds = _sequences(1500)
    config = LstmConfig()
    model = LSTMPredictor(config, TRAINING)
    model.fit(ds.take(np.arange(1200)), ds.take(np.arange(1200, 1500)))
    windows = ds.sequences(np.arange(600), np.float64)
    network = model.build_model(FEATURES, ds.y.shape[1])
    batches = [window[None].astype(np.float32) for window in windows[:200]]
    forecast = _served(model)
    note = f"{config.sequence_length} rows x {FEATURES} columns, LSTM {config.units}; ours scales and conformalises too"
    ours, theirs = _median_us(forecast, list(windows)), _median_us(network.predict_on_batch, batches)
    return [Figure("price, one window", ours, "us", "keras predict_on_batch", theirs, note)]


def _served(model: LSTMPredictor) -> Callable[[Floats], Floats]:
    with tempfile.TemporaryDirectory() as folder:
        model.save(Path(folder) / "lstm")
        return PriceForecaster.load(Path(folder) / "lstm").forecast


def _median_us(call: Callable[[Any], Any], inputs: Sequence[Any]) -> float:
    """Return the median time of a call over the inputs, the first few left out."""
    times = []
    for one in inputs:
        start = stopwatch_s()
        call(one)
        times.append(stopwatch_s() - start)
    return float(np.median(times[len(times) // 10 :]) * 1e6)


def _opportunities(n: int) -> Dataset:
    rng = np.random.default_rng(SEED)
    X = rng.normal(size=(n, FEATURES))
    y = (rng.random(n) < 1 / (1 + np.exp(-X[:, :5].sum(axis=1)))).astype(np.float64)
    return _dataset("scorer", X, y[:, None], ("success",))


def _sequences(n: int) -> Dataset:
    rng = np.random.default_rng(SEED)
    config = LstmConfig()
    rows = rng.normal(size=(n + config.sequence_length - 1, FEATURES))
    window = np.arange(n)[:, None] + np.arange(config.sequence_length)
    y = rng.normal(size=(n, len(config.horizons_s))) * 1e-4
    names = tuple(f"log_return_{h}s" for h in config.horizons_s)
    return _dataset("lstm", rows[window[:, -1]], y, names, window=window, rows=rows)


def _dataset(kind: Any, X: Floats, y: Floats, targets: tuple[str, ...], **more: Any) -> Dataset:
    ts_ms = np.arange(len(X), dtype=np.int64) * 5000
    names = tuple(f"c{i}" for i in range(X.shape[1]))
    return Dataset(kind, X, y, ts_ms, ts_ms + 30_000, names, targets, "bench", ("a|W/U",), ts_ms * 0, np.ones(len(X)), **more)
