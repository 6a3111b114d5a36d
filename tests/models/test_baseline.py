"""Baselines are simple, and right about what they claim."""

from typing import Any

import numpy as np
import pytest

from arbml.config import LstmConfig, VolatilityConfig
from arbml.errors import NotEnoughData
from arbml.models import BaseRate, RealizedVolatility, ZeroChange

CONFIG = VolatilityConfig(window_minutes=1)


def test_zero_change_has_a_zero_median_and_honest_tails(make: Any) -> None:
    ds = make.prices(3000)
    model = ZeroChange(LstmConfig())
    model.fit(ds.take(np.arange(2000)), ds.take(np.arange(2000, 2200)))
    test = ds.take(np.arange(2200, 3000))
    forecast = model.predict(test)
    assert (forecast[:, :, 1] == 0).all()
    inside = (test.y >= forecast[:, :, 0]) & (test.y <= forecast[:, :, 2])
    assert inside.mean(axis=0) == pytest.approx([0.9, 0.9], abs=0.04)
    assert np.array_equal(model.forecast(ds.sequences(np.array([0]))[0]), forecast[0])
    assert (model.horizons_s, model.quantiles) == ((5, 15), (0.05, 0.5, 0.95))


def test_zero_change_needs_targets(make: Any) -> None:
    ds = make.prices(50)
    with pytest.raises(NotEnoughData, match="log_return_5s"):
        ZeroChange().fit(make.replace(ds, y=ds.y * np.nan), ds.take(np.arange(0)))


def test_base_rate(make: Any) -> None:
    ds = make.opportunities(1000)
    model = BaseRate()
    model.fit(ds.take(np.arange(600)), ds.take(np.arange(600, 1000)))
    assert model.predict_proba(ds.X[:2]).tolist() == [pytest.approx((ds.y.sum() + 1) / 1002)] * 2
    none = make.replace(ds, y=ds.y * 0)
    model.fit(none, none.take(np.arange(0)))
    assert model.predict_proba(ds.X[:1])[0] == pytest.approx(1 / 1002)


def test_realized_volatility_looks_back_one_window(make: Any) -> None:
    ds = make.bars(2000, streams=1)
    model = RealizedVolatility(CONFIG)
    model.fit(ds.take(np.arange(1500)), ds.take(np.arange(1500, 1600)))
    level = model.meta.params["streams"]["v0|W/U"]
    test = ds.take(np.arange(1600, 2000))
    forecast = model.predict(test)
    last = np.array([np.sum(test.X[i - 11 : i + 1, 0] ** 2) for i in range(11, 400)])
    drawn = (last + level["weight"] * level["prior"] * 12) / (1 + level["weight"])
    np.testing.assert_allclose(forecast[11:], np.maximum(drawn, level["floor"]), rtol=1e-12)
    assert level["weight"] in (0.25, 0.5, 1.0, 2.0)


def test_realized_volatility_of_a_window_without_a_trade_has_a_floor(make: Any) -> None:
    ds = make.bars(600, streams=1)
    model = RealizedVolatility(CONFIG)
    model.fit(ds, ds.take(np.arange(0)))
    quiet = make.replace(ds, X=ds.X * 0)
    assert model.predict(quiet).min() >= model.meta.params["streams"]["v0|W/U"]["floor"] > 0


def test_intervals_cover_later_rows(make: Any) -> None:
    ds = make.bars(6000, streams=1)
    model = RealizedVolatility(CONFIG)
    model.fit(ds.take(np.arange(4000)), ds.take(np.arange(4000, 4500)))
    test = ds.take(np.arange(4500, 6000))
    _, lower, upper = model.predict_interval(test).T
    assert ((test.y[:, 0] >= lower) & (test.y[:, 0] <= upper)).mean() == pytest.approx(0.9, abs=0.06)
