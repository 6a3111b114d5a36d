"""What the service loads: alone, and with the same answers tick by tick as on a dataset."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import arbml.models
from arbml.config import VolatilityConfig
from arbml.dataset import volatility_dataset
from arbml.errors import FeatureSetMismatch, ModelFileError, NotFitted
from arbml.frames import TICKS, sort_by_knowing
from arbml.models import RealizedVolatility, VolatilityFilter, VolatilityPredictor, load_model
from arbml.models.live import MAX_STREAMS
from arbml.models.runtime import PriceForecaster, SuccessScorer
from arbml.models.session import OnnxSession

FORBIDDEN = ("tensorflow", "keras", "sklearn", "arch", "skl2onnx", "mlflow", "scipy.optimize", "arbml.models.scorer")
CONFIG = VolatilityConfig(window_minutes=1, min_samples=300)


def test_the_service_imports_no_training_library() -> None:
    code = "import sys, json, arbml.models, arbml.models.runtime, arbml.models.ensemble; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = json.loads(done.stdout)
    assert "arbml.models.runtime" in loaded
    assert [name for name in loaded if name.startswith(FORBIDDEN)] == []


def test_names_are_found_late_and_wrong_ones_refused() -> None:
    assert set(arbml.models.__all__) == set(arbml.models._HOME)
    with pytest.raises(AttributeError, match="Oracle"):
        arbml.models.Oracle  # noqa: B018


def walk(n: int, seed: int, price: float, start_ms: int) -> pd.DataFrame:
    """Ticks of one pool at irregular times, some in the same millisecond, one long silence, some of them known late."""
    rng = np.random.default_rng(seed)
    gaps = rng.choice([0, 5000, 5000, 5000, 5000, 4000, 6000, 11_000], size=n)
    gaps[n // 2] = 900_000
    ts_ms = start_ms + np.cumsum(gaps)
    logs = pd.Series(ts_ms).groupby(ts_ms).cumcount().to_numpy()
    return pd.DataFrame(
        {
            "ts_ms": ts_ms, "ts_known_ms": ts_ms, "log_index": logs, "venue": f"v{seed}", "pair": "W/U",
            "price": price * np.exp(np.cumsum(rng.normal(0, 3e-4, n))),
        }
    )


@pytest.fixture(scope="module")
def ticks() -> pd.DataFrame:
    both = pd.concat([walk(2500, 1, 2000.0, 1_700_000_000_000), walk(2500, 2, 2001.0, 1_700_000_001_234)])
    return sort_by_knowing(TICKS.check(both))


@pytest.mark.parametrize("kind", [VolatilityPredictor, RealizedVolatility])
def test_ticks_as_they_come_give_what_the_dataset_gives(kind: Any, ticks: pd.DataFrame, tmp_path: Path) -> None:
    ds = volatility_dataset(ticks, CONFIG)
    model = kind(CONFIG)
    model.fit(ds.take(np.arange(1500)), ds.take(np.arange(1500, 2000)))
    model.save(tmp_path / "m")
    whole = load_model(tmp_path / "m").predict(ds)
    expected = {(int(t), ds.streams[s]): v for t, s, v in zip(ds.ts_ms, ds.stream_of, whole, strict=True)}

    live: Any = load_model(tmp_path / "m")
    answers = {}
    for number, row in enumerate(ticks.itertuples()):
        stream = f"{row.venue}|{row.pair}"
        live.update(stream, int(row.ts_ms), float(row.price))
        if live.ready(stream):
            answers[int(row.ts_ms), stream] = live.forecast(stream, [60])[0].variance
        if number == 3000:
            again: Any = load_model(tmp_path / "m")
            again.restore(json.loads(json.dumps(live.dump(), allow_nan=False)))
            live = again
    both = sorted(answers.keys() & expected.keys())
    assert len(both) > 0.8 * len(expected)
    silence_ms = int(ticks["ts_ms"].iloc[np.argmax(np.diff(ticks["ts_ms"]))])
    ratio = {key: answers[key] / expected[key] for key in both}
    before = [ratio[key] for key in both if key[0] < silence_ms]
    after = [ratio[key] for key in both if key[0] > silence_ms + 3_600_000]
    assert min(len(before), len(after)) > 500
    np.testing.assert_allclose(before, 1, rtol=1e-9)
    # before a silence the dataset lacks the rows whose window reaches into it: what they did to the variance fades away
    np.testing.assert_allclose(after, 1, rtol=1e-3)


def test_not_ready_before_a_window_was_seen(make: Any) -> None:
    model = VolatilityPredictor(CONFIG)
    ds = make.bars(600)
    model.fit(ds.take(np.arange(900)), ds.take(np.arange(900, 1200)))
    live = VolatilityFilter(model.meta)
    with pytest.raises(NotFitted, match="no complete bar"):
        live.forecast("v0|W/U", [5])
    start = int(ds.ts_ms[-1])
    for i in range(12):
        live.update("v0|W/U", start + 5000 * i, 2000.0)
    assert not live.ready("v0|W/U")
    live.update("v0|W/U", start + 60_000, 2000.0)
    assert live.ready("v0|W/U")
    short, half, long = live.forecast("v0|W/U", [5, 7.5, 600])
    assert 0 <= short.lower <= short.variance <= short.upper
    assert short.variance < half.variance < long.variance
    assert half.variance == pytest.approx(short.variance * 1.5, rel=0.05)
    live.update("v0|W/U", start + 3_600_000, 2000.0)
    live.update("v0|W/U", start + 3_620_000, 2000.0)
    assert not live.ready("v0|W/U")  # after an hour of silence it must see a window again


def test_streams_are_bounded(make: Any) -> None:
    model = RealizedVolatility(CONFIG)
    model.fit(make.bars(400), make.bars(50))
    for number in range(MAX_STREAMS + 50):
        model.update(f"s{number}", 0, 1.0)
        model.update("kept", number, 1.0)
    assert len(model.dump()) == MAX_STREAMS
    assert "kept" in model.dump()
    assert "s0" not in model.dump()


def test_bars_of_another_length_are_refused(make: Any) -> None:
    model = RealizedVolatility(CONFIG)
    model.fit(make.bars(400), make.bars(50))
    with pytest.raises(FeatureSetMismatch, match="bars of 5 s, the data has 6 s"):
        model.predict(make.bars(50, step_s=6))


def test_a_directory_of_another_model_is_refused(make: Any, tmp_path: Path) -> None:
    model = RealizedVolatility(CONFIG)
    model.fit(make.bars(400), make.bars(50))
    model.save(tmp_path / "m")
    for loader in (PriceForecaster, SuccessScorer, VolatilityFilter):
        with pytest.raises(ModelFileError, match="holds a RealizedVolatility"):
            loader.load(tmp_path / "m")


def test_what_is_no_network_is_refused() -> None:
    with pytest.raises(ModelFileError, match=r"here\.onnx: ONNX Runtime cannot read it"):
        OnnxSession(b"not a network", "here.onnx")
