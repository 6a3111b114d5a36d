"""The LSTM learns what is there and nothing else; what it saves is what it learnt."""

import hashlib
import itertools
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from arbml.config import LstmConfig, TrainingConfig, changed
from arbml.dataset import Dataset, hashed
from arbml.errors import NotEnoughData, TrainingDiverged
from arbml.evaluation import loss, paired_difference
from arbml.models import LSTMPredictor, ZeroChange, load_model
from arbml.models.lstm import _checked_difference, _fused_layer, _load_tensorflow
from arbml.models.sequence import ridge, spread_evenly, starting_output, target_scale

LSTM = LstmConfig(sequence_length=20, units=(16,), min_samples=500)
TRAINING = TrainingConfig(seed=3, max_epochs=12, patience=4)
HORIZONS_S = (5, 15)


def market(n: int, speed: float, seed: int = 0) -> Dataset:
    """A venue that closes `speed` of its gap to a faster one per row; the gap and the volatility are among five inputs.

    Without speed the returns are noise of constant size, and no input says anything.
    """
    rng = np.random.default_rng(seed)
    m = n + LSTM.sequence_length + 3
    swing = np.convolve(rng.normal(size=m), np.ones(50) / 7, "same") * (0.5 if speed else 0.0)
    size = np.exp(swing) * 2e-4
    fast = np.cumsum(rng.normal(size=m) * size)
    slow = np.zeros(m)
    for i in range(1, m):
        pull = speed * (fast[i - 1] - slow[i - 1]) if speed else 0.0
        slow[i] = slow[i - 1] + pull + rng.normal() * size[i] * (0.3 if speed else 1.0)
    rows = rng.normal(size=(m, 5))
    if speed:
        rows[:, 0], rows[:, 1] = (fast - slow) * 1e4, swing
    rows[rng.random((m, 5)) < 0.01] = np.nan
    end = np.arange(LSTM.sequence_length - 1, LSTM.sequence_length - 1 + n)
    window = end[:, None] - np.arange(LSTM.sequence_length - 1, -1, -1)
    y = np.stack([slow[end + h // 5] - slow[end] for h in HORIZONS_S], axis=1)
    ts_ms = np.arange(n, dtype=np.int64) * 5000
    return hashed(
        Dataset(
            "lstm", rows[end], y, ts_ms, ts_ms + 15_000, ("cross_spread_bps", "volatility", "a", "b", "c"),
            tuple(f"log_return_{h}s" for h in HORIZONS_S), "set-1", ("slow|W/U",), ts_ms * 0, np.exp(slow[end]), window=window, rows=rows,
        )
    )


def parts(ds: Dataset) -> tuple[Dataset, Dataset, Dataset]:
    cuts = [0, int(len(ds) * 0.6), int(len(ds) * 0.75), len(ds)]
    return tuple(ds.take(np.arange(a, b)) for a, b in itertools.pairwise(cuts))  # type: ignore[return-value]


def fitted(train: Dataset, validation: Dataset, lstm: LstmConfig = LSTM, training: TrainingConfig = TRAINING) -> LSTMPredictor:
    model = LSTMPredictor(lstm, training)
    model.fit(train, validation)
    return model


@pytest.fixture(scope="module")
def lagging() -> tuple[Dataset, Dataset, Dataset]:
    return parts(market(4000, speed=0.3))


@pytest.fixture(scope="module")
def learnt(lagging: tuple[Dataset, Dataset, Dataset]) -> LSTMPredictor:
    return fitted(*lagging[:2])


@pytest.mark.slow
def test_it_learns_a_venue_that_lags(lagging: tuple[Dataset, Dataset, Dataset], learnt: LSTMPredictor) -> None:
    train, validation, test = lagging
    baseline = ZeroChange(LSTM)
    baseline.fit(train, validation)
    forecast = learnt.predict(test)
    own, other = loss("lstm", test.y, forecast), loss("lstm", test.y, baseline.predict(test))
    assert paired_difference(own, other, block=3).is_lower
    assert own.mean() < 0.8 * other.mean()
    assert (np.abs(test.y - forecast[:, :, 1]).mean(axis=0) < 0.9 * np.abs(test.y).mean(axis=0)).all()


@pytest.mark.slow
def test_its_intervals_hold_as_often_as_promised_and_follow_the_volatility(
    lagging: tuple[Dataset, Dataset, Dataset], learnt: LSTMPredictor
) -> None:
    test = lagging[2]
    forecast = learnt.predict(test)
    inside = (test.y >= forecast[:, :, 0]) & (test.y <= forecast[:, :, 2])
    assert np.abs(inside.mean(axis=0) - 0.9).max() < 0.04
    width = forecast[:, 0, 2] - forecast[:, 0, 0]
    known = np.isfinite(test.X[:, 1])
    assert np.corrcoef(np.log(width[known]), test.X[known, 1])[0, 1] > 0.6


@pytest.mark.slow
def test_it_learns_nothing_from_noise() -> None:
    train, validation, test = parts(market(4000, speed=0.0, seed=1))
    model, baseline = fitted(train, validation), ZeroChange(LSTM)
    baseline.fit(train, validation)
    own, other = loss("lstm", test.y, model.predict(test)), loss("lstm", test.y, baseline.predict(test))
    assert not paired_difference(own, other, block=3, confidence=0.99).is_lower
    assert own.mean() < 1.01 * other.mean()  # and does no harm either
    assert np.abs(model.predict(test)[:, :, 1]).mean() < 0.05 * test.y.std()


@pytest.mark.slow
def test_what_is_known_of_the_fit(lagging: tuple[Dataset, Dataset, Dataset], learnt: LSTMPredictor, tmp_path: Path) -> None:
    params = learnt.meta.params
    assert learnt.meta.onnx_max_difference is not None
    assert learnt.meta.onnx_max_difference < 1e-5
    assert (params["sequence_length"], params["horizons_s"], params["quantiles"]) == (20, [5, 15], [0.05, 0.5, 0.95])
    assert all(0.82 < share < 0.97 for share in params["coverage"]["conformal"])
    assert min(learnt.history["val_loss"]) < learnt.history["val_loss"][0]
    assert len(learnt.history["loss"]) == len(learnt.history["val_loss"]) <= TRAINING.max_epochs + 1
    learnt.save_model(tmp_path / "model")
    assert (tmp_path / "model" / "model.onnx").stat().st_size < 100_000  # a loop over the rows, not twenty copies of it
    assert np.array_equal(load_model(tmp_path / "model").predict(lagging[2]), learnt.predict(lagging[2]))


SCRIPT = """
import hashlib, sys
import numpy as np
sys.path.insert(0, {folder!r})
from test_lstm import LSTM, TRAINING, fitted, market, parts
train, validation, test = parts(market(1200, speed=0.3))
print(hashlib.sha256(fitted(train, validation).predict(test).tobytes()).hexdigest())
"""


@pytest.mark.slow
def test_another_process_learns_the_same_bits_and_is_quiet() -> None:
    script = SCRIPT.format(folder=str(Path(__file__).parent))
    other = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=200, check=False)
    train, validation, test = parts(market(1200, speed=0.3))
    here = hashlib.sha256(fitted(train, validation).predict(test).tobytes()).hexdigest()
    assert (other.stdout.strip(), other.stderr) == (here, "")


@pytest.mark.slow
def test_more_layers_fewer_rows_and_another_seed() -> None:
    train, validation, test = parts(market(1200, speed=0.3))
    deep = changed(LSTM, units=(8, 4), max_samples=100)
    first = fitted(train, validation, deep, changed(TRAINING, max_epochs=2))
    second = fitted(train, validation, deep, changed(TRAINING, max_epochs=2, seed=4))
    assert first.meta.onnx_max_difference is not None
    assert first.meta.onnx_max_difference < 1e-5
    assert not np.array_equal(first.predict(test), second.predict(test))


@pytest.mark.slow
def test_the_fused_kernel_is_a_keras_lstm() -> None:
    """Forward and backward; TensorFlow's other fused kernel, BlockLSTMV2, fails here in its gradients."""
    tensorflow, keras = _load_tensorflow(TRAINING)
    keras.utils.set_random_seed(0)
    x = np.random.default_rng(0).normal(size=(7, 12, 5)).astype(np.float32)
    for sequences in (False, True):
        plain, fused = keras.layers.LSTM(6, return_sequences=sequences), _fused_layer()(6, return_sequences=sequences)
        plain.build(x.shape)
        fused.build(x.shape)
        weights = [part + 0.1 * np.arange(part.shape[-1], dtype=np.float32) / part.shape[-1] for part in plain.get_weights()]
        plain.set_weights(weights)
        fused.set_weights(weights)
        gradients = []
        for layer in (plain, fused):
            with tensorflow.GradientTape() as tape:
                total = tensorflow.reduce_sum(tensorflow.square(layer(x)))
            gradients.append(tape.gradient(total, layer.trainable_variables))
        np.testing.assert_allclose(fused(x), plain(x), rtol=1e-4, atol=1e-6)
        for ours, theirs in zip(gradients[1], gradients[0], strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-5)


def test_too_few_rows_are_refused_before_tensorflow_is_loaded() -> None:
    train, validation, _ = parts(market(600, speed=0.3))
    with pytest.raises(NotEnoughData, match=r"labelled sequences: have 450, need 500.*ML_LSTM__MIN_SAMPLES"):
        fitted(train, validation)
    with pytest.raises(NotEnoughData, match="validation"):
        fitted(parts(market(1200, speed=0.3))[0], validation.take(np.arange(0)))


def test_a_price_that_never_moved_is_refused() -> None:
    train, validation, _ = parts(market(1200, speed=0.3))
    with pytest.raises(TrainingDiverged, match="no price ever moved"):
        fitted(replace(train, y=train.y * 0), validation)


@pytest.mark.parametrize("exported", [np.full((5, 2, 3), 2e-3), np.full((5, 2, 3), np.nan)])
def test_an_export_that_says_something_else_is_refused(exported: np.ndarray[Any, Any]) -> None:
    with pytest.raises(TrainingDiverged, match=r"ONNX differs from Keras by .* on 5 validation rows"):
        _checked_difference(np.zeros((5, 2, 3)), exported)


def test_the_start_is_the_baseline() -> None:
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(2000, 4)), rng.standard_t(4, size=(2000, 2))
    start = starting_output(X[:1500], y[:1500], X[1500:], y[1500:], (0.05, 0.5, 0.95))
    median = X[:1500] @ start.line[:, :, 1] + start.bias[:, 1]
    lower, upper = median - np.log1p(np.exp(start.bias[:, 0])), median + np.log1p(np.exp(start.bias[:, 2]))
    assert (start.line[:, :, [0, 2]] == 0).all()
    assert np.abs((y[:1500] < lower).mean(axis=0) - 0.05).max() < 0.002
    assert np.abs((y[:1500] > upper).mean(axis=0) - 0.05).max() < 0.002
    assert np.abs(median.mean()) < 1e-9


def test_the_line_is_found_where_there_is_one_and_only_there() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(3000, 10)) + 1.0
    y = np.stack([0.5 * (X[:, 0] - 1.0) + rng.normal(size=3000), rng.normal(size=3000) ** 3], axis=1)
    weights, shift = ridge(X[:2000], y[:2000], X[2000:], y[2000:])
    assert weights[0, 0] == pytest.approx(0.5, abs=0.05)
    assert np.abs(weights[1:, 0]).max() < 0.1
    assert np.abs(weights[:, 1]).max() < 0.1
    assert X[:2000].mean(axis=0) @ weights + shift == pytest.approx(0.0, abs=1e-12)


def test_rows_are_spread_over_the_whole_period() -> None:
    chosen = spread_evenly(50_000, 12_000)
    assert (chosen[0], chosen[-1], len(chosen)) == (0, 49_999, 12_000)
    assert set(np.diff(chosen)) == {4, 5}


def test_a_horizon_that_hardly_moves_keeps_a_usable_scale() -> None:
    y = np.stack([np.zeros(100), np.full(100, 2.0)], axis=1)
    assert target_scale(y) == [0.002, 2.0]


def test_importing_the_module_loads_no_tensorflow() -> None:
    code = "import sys, arbml.models.lstm; assert not {'tensorflow', 'keras', 'onnx', 'sklearn'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
