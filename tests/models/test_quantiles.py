"""The interval arithmetic that training and serving share."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from arbml.models.quantiles import conformal_offsets, finish

LEVELS = (0.05, 0.5, 0.95)


@given(arrays(np.float32, (4, 6), elements=st.floats(-100, 100, width=32)), st.floats(-1, 1), st.floats(-1, 1))
@settings(max_examples=200, deadline=None)
def test_quantiles_never_cross(raw: np.ndarray, lower: float, upper: float) -> None:
    out = finish(raw, [0.1, 2.0], [(lower, upper), (upper, lower)])
    assert out.shape == (4, 2, 3)
    assert (np.diff(out, axis=2) >= 0).all()
    assert np.array_equal(out, finish(raw.reshape(4, 2, 3), [0.1, 2.0], [(lower, upper), (upper, lower)]))


def test_conformal_offsets_give_the_promised_coverage_on_later_rows() -> None:
    rng = np.random.default_rng(0)
    y = rng.standard_t(3, size=(4000, 2)) * [1.0, 5.0]
    narrow = np.tile([-0.5, 0.0, 3.0], (4000, 2, 1))
    offsets = conformal_offsets(y[:2000], narrow[:2000], LEVELS)
    widened = finish(narrow, [1.0, 1.0], offsets)
    below = (y < widened[..., 0])[2000:].mean(axis=0)
    above = (y > widened[..., 2])[2000:].mean(axis=0)
    assert below == pytest.approx([0.05, 0.05], abs=0.015)
    assert above == pytest.approx([0.05, 0.05], abs=0.015)


def test_unknown_targets_are_left_out() -> None:
    y = np.array([[np.nan, 1.0], [np.nan, 2.0]])
    assert conformal_offsets(y, np.zeros((2, 2, 3)), LEVELS) == [(0.0, 0.0), (-1.0, 2.0)]
