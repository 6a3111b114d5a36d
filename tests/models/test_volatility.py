"""The volatility predictor: right where the truth is known, safe where the fit is fragile."""

from typing import Any

import numpy as np
import pytest

from arbml.config import VolatilityConfig
from arbml.errors import ConfigError, NotEnoughData, NotFitted, SchemaError, TrainingDiverged
from arbml.models import RealizedVolatility, VolatilityPredictor
from arbml.models.volatility import MAX_PERSISTENCE

CONFIG = VolatilityConfig(window_minutes=1, min_samples=300)


def qlike(forecast: np.ndarray[Any, Any], ds: Any) -> float:
    return float(np.mean(np.log(forecast) + ds.y[:, 0] / forecast))


def heavy(n: int, seed: int) -> np.ndarray[Any, Any]:
    """Almost integrated variance, t errors with 2.6 degrees of freedom, one bar in ten without a trade, prices in steps."""
    rng = np.random.default_rng(seed)
    h, out = 1.0, np.empty(n)
    for i in range(n):
        out[i] = h**0.5 * rng.standard_t(2.6) / 2
        h = min(0.002 + 0.10 * out[i] ** 2 + 0.898 * h, 400.0)
    out[rng.random(n) < 0.1] = 0.0
    return np.asarray(np.round(out * 5) * 1e-4)


@pytest.fixture(scope="module")
def learnt(make: Any) -> tuple[VolatilityPredictor, Any, Any]:
    ds = make.bars(5000, streams=2, omega=0.01, alpha=0.09, beta=0.90)
    train, validation, test = (ds.take(np.arange(*cut)) for cut in ((0, 6000), (6000, 8000), (8000, 10_000)))
    model = VolatilityPredictor(CONFIG)
    model.fit(train, validation)
    return model, train, test


def test_it_finds_the_parameters_of_a_known_process(make: Any) -> None:
    model = VolatilityPredictor(VolatilityConfig(window_minutes=5))
    model.train(2000 * np.exp(np.cumsum(make.garch_returns(20_000, seed=9))), step_s=5)
    found = model.filter().params("prices")
    assert found.alpha + found.gamma / 2 == pytest.approx(0.12, abs=0.03)
    assert found.persistence == pytest.approx(0.95, abs=0.02)
    assert found.long_run == pytest.approx(9e-8, rel=0.2)


def test_it_beats_its_baseline_where_variance_clusters(learnt: Any) -> None:
    model, train, test = learnt
    baseline = RealizedVolatility(CONFIG)
    baseline.fit(train, test.take(np.arange(0)))
    constant = np.full(len(test), train.y.mean())
    assert qlike(model.predict(test), test) < qlike(baseline.predict(test), test) - 0.005
    assert qlike(baseline.predict(test), test) < qlike(constant, test)


def test_forecasts_are_near_the_true_variance(learnt: Any) -> None:
    model, _, test = learnt
    ratio = test.y[:, 0].sum() / model.predict(test).sum()
    assert ratio == pytest.approx(1, abs=0.15)


def test_intervals_hold_on_later_rows(learnt: Any) -> None:
    model, _, test = learnt
    forecast, lower, upper = model.predict_interval(test).T
    assert (lower < forecast).all()
    assert (forecast < upper).all()
    assert ((test.y[:, 0] >= lower) & (test.y[:, 0] <= upper)).mean() == pytest.approx(0.9, abs=0.05)


def test_it_goes_on_from_the_end_of_its_training(learnt: Any, make: Any) -> None:
    model, _, test = learnt
    at_once = model.predict(test)
    first = model.filter().params("v0|W/U")
    state = model.meta.params["streams"]["v0|W/U"]["state"]
    assert state["ts_ms"] < test.ts_ms[0]
    expected = first.total(first.after(state["variance"], test.X[0, 0]), 12)
    assert at_once[0] == pytest.approx(expected, rel=1e-12)
    much_later = make.replace(test, ts_ms=test.ts_ms + 86_400_000)
    forgotten = first.total(first.after(first.long_run, test.X[0, 0]), 12)
    assert model.predict(much_later)[0] == pytest.approx(forgotten, rel=1e-9)


def test_a_stream_that_was_not_in_the_training(learnt: Any, make: Any) -> None:
    model, _, test = learnt
    other = make.replace(test, streams=("new|W/U", "other|W/U"))
    assert np.isfinite(model.predict_interval(other)).all()
    assert qlike(model.predict(other), other) < qlike(model.predict(test), test) + 0.3


def test_fragile_fits_stay_stationary(make: Any) -> None:
    for seed in range(3):
        returns = heavy(6000, seed)
        model = VolatilityPredictor(VolatilityConfig(window_minutes=60))
        model.train(2000 * np.exp(np.cumsum(returns)), step_s=60)
        params = model.filter().params("prices")
        assert params.persistence <= MAX_PERSISTENCE
        assert 0.2 < params.long_run / np.mean(returns**2) < 5
        forecast = model.forecast(600)
        assert np.isfinite(forecast).all()
        assert forecast[-1].variance < 600 * 100 * np.mean(returns**2)
        assert "QLIKE" in model.meta.notes[0]


def test_a_capped_fit_says_so() -> None:
    from arbml.models.garch import GarchParams
    from arbml.models.volatility import _capped

    wild = GarchParams("GARCH-t", omega=1e-12, alpha=0.2, gamma=0.0, beta=0.8, start=1.0)
    capped = _capped(wild, variance=4.0)
    assert capped.persistence == pytest.approx(MAX_PERSISTENCE)
    assert capped.long_run == pytest.approx(4.0)
    assert capped.alpha / capped.beta == pytest.approx(0.25)
    assert "1.00000 capped at 0.999" in capped.note
    tame = GarchParams("GARCH-t", omega=1e-12, alpha=0.1, gamma=0.1, beta=0.8, start=1.0)
    assert _capped(tame, variance=9.0) is tame


def test_a_short_stream_gets_an_average_and_a_still_one_the_default(make: Any) -> None:
    ds = make.bars(700, streams=3)
    X = ds.X.copy()
    X[2::3] = 0.0
    rows = np.flatnonzero((ds.stream_of != 1) | (ds.ts_ms < ds.ts_ms[600]))
    part = make.replace(ds, X=X).take(rows)
    model = VolatilityPredictor(CONFIG)
    model.fit(part.take(np.arange(1300)), part.take(np.arange(1300, len(part))))
    notes = {note.partition(": ")[0]: note for note in model.meta.notes}
    assert "GARCH not fitted" not in notes["v0|W/U"]
    assert "GARCH not fitted: 200 returns, needs 300" in notes["v1|W/U"]
    assert "no moves" in notes["v2|W/U"]
    assert np.isfinite(model.predict(part)).all()


def test_forecast_for_every_step(learnt: Any) -> None:
    model = learnt[0]
    steps = model.forecast(12, "v1|W/U")
    variances = [step.variance for step in steps]
    assert len(steps) == 12
    assert variances == sorted(variances)
    assert all(step.lower <= step.variance <= step.upper for step in steps)
    params = model.filter().params("v1|W/U")
    assert variances[-1] == pytest.approx(params.total(model.filter().variance("v1|W/U"), 12))
    with pytest.raises(NotFitted, match=r"nowhere.*v0\|W/U"):
        model.forecast(3, "nowhere")


def test_risk_of_a_position(learnt: Any) -> None:
    model = learnt[0]
    long, short = model.calculate_risk_metrics(1000.0), model.calculate_risk_metrics(-1000.0)
    assert 0 < long.value_at_risk < long.expected_shortfall
    assert short.value_at_risk == pytest.approx(long.value_at_risk, rel=0.1)
    assert long.value_at_risk == pytest.approx(1000 * 1.645 * long.volatility, rel=0.1)
    assert long.expected_shortfall == pytest.approx(1000 * 2.063 * long.volatility, rel=0.1)
    assert model.calculate_risk_metrics(1000.0) == long
    assert model.calculate_risk_metrics(2000.0).value_at_risk == pytest.approx(2 * long.value_at_risk)
    assert model.calculate_risk_metrics(1000.0, confidence=0.99).value_at_risk > long.value_at_risk
    assert model.calculate_risk_metrics(1000.0, horizon=100).value_at_risk > 5 * long.value_at_risk
    with pytest.raises(ConfigError, match=r"confidence 0\.2"):
        model.calculate_risk_metrics(1000.0, confidence=0.2)


def test_value_at_risk_is_exceeded_as_often_as_it_says(make: Any) -> None:
    from arbml.models.risk import residual_grid, simulated_risk

    model = VolatilityPredictor(CONFIG)
    returns = make.garch_returns(12_000, seed=21)
    model.train(np.exp(np.cumsum(returns[:9000])), step_s=5)
    params, state = model.filter().params("prices"), model.filter().variance("prices")
    residuals = model.meta.params["streams"]["prices"]["residuals"]
    unit = simulated_risk(params, 1e-8, residuals, 1.0, 1, 0.95).value_at_risk / 1e-4  # one bar: proportional to sigma
    exceeded = []
    for log_return in returns[9000:]:
        exceeded.append(-np.expm1(log_return) > unit * state**0.5)
        state = params.after(state, log_return)
    assert np.mean(exceeded) == pytest.approx(0.05, abs=0.012)
    assert len(residual_grid(np.arange(10_000.0))) == 500


def test_wrong_inputs(make: Any) -> None:
    model = VolatilityPredictor(CONFIG)
    with pytest.raises(NotEnoughData, match="returns to fit the volatility: have 200, need 300"):
        model.fit(make.bars(100), make.bars(50))
    with pytest.raises(SchemaError, match="positive, finite prices"):
        model.train([1.0, 2.0, 0.0] * 200)
    with pytest.raises(TrainingDiverged, match="no price ever moved"):
        model.train([5.0] * 2000)
    with pytest.raises(SchemaError, match="step_s"):
        model.fit(make.replace(make.bars(400), step_s=None), make.bars(50))
    with pytest.raises(NotFitted):
        model.forecast(3)
