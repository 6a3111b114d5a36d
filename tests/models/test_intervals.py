"""Intervals of the realised variance."""

from typing import Any

import numpy as np
import pytest

from arbml.models.bars import series_of
from arbml.models.intervals import RatioIntervals, realised


def test_realised_is_the_dataset_target(make: Any) -> None:
    ds = make.bars(100, streams=2, window_s=60)
    for series in series_of(ds):
        ours = realised(series, 12)
        known = np.isfinite(ours)
        assert known.sum() == 88
        np.testing.assert_allclose(ours[known], ds.y[series.rows, 0][known], rtol=1e-9)


def test_no_sum_reaches_over_a_hole(make: Any) -> None:
    ds = make.bars(100, streams=1).take(np.r_[0:40, 60:100])
    ours = realised(next(series_of(ds)), 12)
    assert np.flatnonzero(np.isfinite(ours)).tolist() == [*range(28), *range(40, 68)]


def test_quantiles_are_pooled_and_unknown_ratios_left_out() -> None:
    a = {1: np.linspace(0, 1, 101), 4: np.full(10, np.nan)}
    b = {1: np.linspace(1, 2, 101), 4: np.array([np.inf])}
    fitted = RatioIntervals.fit([a, b])
    assert fitted.bars == (1,)
    assert (fitted.low[0], fitted.high[0]) == (pytest.approx(0.1, abs=0.01), pytest.approx(1.9, abs=0.01))
    assert RatioIntervals.from_dict(fitted.to_dict()) == fitted


@pytest.mark.parametrize(("bars", "low", "high"), [(1, 0.0039, 3.84), (10, 0.394, 1.831), (60, 0.720, 1.318)])
def test_without_measurements_the_ratio_is_chi_square(bars: int, low: float, high: float) -> None:
    forecast = RatioIntervals.fit([]).around(2.0, bars)
    assert forecast.lower == pytest.approx(2 * low, abs=0.03)
    assert forecast.upper == pytest.approx(2 * high, rel=0.03)
