"""The interval arithmetic that training and serving share."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from arbml.models.quantiles import conformal_factors, finish

LEVELS = (0.05, 0.5, 0.95)


@given(arrays(np.float32, (4, 6), elements=st.floats(-100, 100, width=32)), st.floats(0, 9), st.floats(0, 9))
@settings(max_examples=200, deadline=None)
def test_quantiles_never_cross(raw: np.ndarray, lower: float, upper: float) -> None:
    out = finish(raw, [0.1, 2.0], [(lower, upper), (upper, lower)])
    assert out.shape == (4, 2, 3)
    assert (np.diff(out, axis=2) >= 0).all()
    assert np.array_equal(out, finish(raw.reshape(4, 2, 3), [0.1, 2.0], [(lower, upper), (upper, lower)]))


def test_a_factor_of_one_changes_nothing() -> None:
    raw = np.array([[-1.0, 0.5, 2.0]])
    assert finish(raw, [0.01], [(1.0, 1.0)])[0, 0] == pytest.approx(raw[0] * 0.01)


def test_factors_give_the_promised_coverage_on_later_rows() -> None:
    rng = np.random.default_rng(0)
    y = rng.standard_t(3, size=(8000, 2)) * [1.0, 5.0]
    narrow = np.tile([-0.5, 0.0, 3.0], (8000, 2, 1))
    factors = conformal_factors(y[:4000], narrow[:4000], [1.0, 1.0], LEVELS)
    stretched = finish(narrow, [1.0, 1.0], factors)
    below = (y < stretched[..., 0])[4000:].mean(axis=0)
    above = (y > stretched[..., 2])[4000:].mean(axis=0)
    assert below == pytest.approx([0.05, 0.05], abs=0.015)
    assert above == pytest.approx([0.05, 0.05], abs=0.015)


def test_an_interval_that_adapts_stays_narrow_in_a_calm_market() -> None:
    rng = np.random.default_rng(1)
    volatility = np.where(np.arange(4000) < 2000, 5.0, 1.0)[:, None]
    y = rng.normal(size=(4000, 1)) * volatility
    raw = volatility[:, :, None] * np.array([-1.0, 0.0, 1.0])  # knows the volatility, but promises too little
    calm = finish(raw[-1:], [1.0], conformal_factors(y, raw, [1.0], LEVELS))[0, 0]
    assert calm[2] - calm[0] == pytest.approx(2 * 1.645, rel=0.1)


def test_the_latest_misses_count_most() -> None:
    rng = np.random.default_rng(2)
    y = rng.normal(size=(4000, 1)) * np.where(np.arange(4000) < 2000, 5.0, 1.0)[:, None]
    flat = np.tile([-1.0, 0.0, 1.0], (4000, 1))
    upper = conformal_factors(y, flat, [1.0], LEVELS)[0][1]
    equally = np.quantile(y[:, 0], 0.95)
    assert 1.645 < upper < 0.8 * equally


def test_unknown_targets_are_left_out() -> None:
    y = np.array([[np.nan, 1.0], [np.nan, 2.0]])
    factors = conformal_factors(y, np.tile([-1.0, 0.0, 1.0], (2, 2, 1)), [1.0, 1.0], LEVELS)
    assert factors == [(1.0, 1.0), (0.0, 2.0)]
