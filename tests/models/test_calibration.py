"""A calibration never turns the order around and never claims certainty."""

import json

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from arbml.models.calibration import Calibration

votes = st.lists(st.floats(0, 1), min_size=1, max_size=50)
knots = st.lists(st.floats(0, 1), min_size=1, max_size=20, unique=True).map(sorted)


@st.composite
def calibrations(draw: st.DrawFn) -> Calibration:
    n = draw(st.integers(1, 5000))
    if draw(st.booleans()):
        return Calibration("platt", n, slope=draw(st.floats(0, 50)), intercept=draw(st.floats(-50, 50)))
    x = draw(knots)
    y = sorted(draw(st.lists(st.floats(0, 1), min_size=len(x), max_size=len(x))))
    return Calibration("isotonic", n, x=tuple(x), y=tuple(y))


@given(calibrations(), votes)
@settings(max_examples=300, deadline=None)
def test_monotone_bounded_and_kept_by_json(calibration: Calibration, values: list[float]) -> None:
    p = calibration.apply(np.sort(values))
    assert (np.diff(p) >= -1e-15).all()
    margin = 1 / (calibration.n + 2)
    assert ((p >= margin) & (p <= 1 - margin)).all()
    again = Calibration.from_dict(json.loads(json.dumps(calibration.to_dict())))
    assert np.array_equal(again.apply(np.sort(values)), p)


def test_extreme_votes_have_a_probability() -> None:
    p = Calibration("platt", 1000, slope=3.0, intercept=0.0).apply([0.0, 1.0])
    assert np.allclose(p, [1 / 1002, 1001 / 1002])
