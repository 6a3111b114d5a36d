"""The scaler: what it learns, what it tells, and that JSON keeps every bit of it."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from arbml.errors import NotEnoughData, SchemaError
from arbml.models.scaler import InputScaler

anything = st.floats(allow_nan=True, allow_infinity=True, width=64)


def fit(X: np.ndarray, **more: float) -> InputScaler:
    return InputScaler.fit(X, [f"c{i}" for i in range(X.shape[1])], **more)


def test_standardises_by_median_and_interquartile_range() -> None:
    X = np.random.default_rng(0).normal(50, 3, size=(20_000, 1))
    z = fit(X).transform(X)
    assert z.dtype == np.float32
    assert abs(np.median(z)) < 1e-6
    assert abs(z.std() - 1) < 0.02


def test_an_outlier_does_not_move_the_scale_and_is_clipped() -> None:
    X = np.random.default_rng(0).permutation(np.linspace(-1, 1, 1001))[:, None]
    wild = np.vstack([X, [[1e300]]])
    assert abs(fit(wild).transform(X) - fit(X).transform(X)).max() < 0.01
    assert fit(X).transform(np.array([[1e300], [-1e300]])).tolist() == [[8.0], [-8.0]]


def test_columns_that_say_nothing_are_left_out() -> None:
    X = np.array([[1.0, np.nan, 3.0], [2.0, np.inf, 3.0], [3.0, np.nan, np.nan]])
    scaler = fit(X)
    assert scaler.kept == ("c0",)
    assert scaler.dropped == {"c1": "never known", "c2": "constant"}
    assert scaler.transform(X).shape == (3, 1)
    with pytest.raises(NotEnoughData, match="input columns that vary"):
        fit(X[:, 1:])


def test_not_known_becomes_the_median_and_is_reported() -> None:
    X = np.random.default_rng(0).normal(size=(1000, 3))
    scaler = fit(X)
    row = np.array([np.nan, 0.0, np.inf])
    assert scaler.transform(row)[[0, 2]].tolist() == [0, 0]
    assert scaler.missing(row) == ("c0", "c2")
    assert scaler.missing(X[0]) == ()


def test_out_of_range_names_what_training_never_saw() -> None:
    X = np.random.default_rng(0).uniform(10, 20, size=(1000, 2))
    scaler = fit(X)
    assert sum(bool(scaler.out_of_range(row)) for row in X) == 0
    assert scaler.out_of_range(np.array([15.0, 40.0])) == ("c1",)
    assert scaler.out_of_range(np.array([-5.0, np.nan])) == ("c0",)


def test_rare_events_stay_in_range() -> None:
    X = np.zeros((5000, 1))
    X[:3] = 1.0
    assert fit(X).out_of_range(np.array([0.0])) == ()


def test_wrong_width_is_refused() -> None:
    scaler = fit(np.random.default_rng(0).normal(size=(10, 3)))
    with pytest.raises(SchemaError, match="2 columns, the scaler knows 3"):
        scaler.transform(np.zeros((4, 2)))


@given(arrays(np.float64, st.tuples(st.integers(2, 30), st.just(3)), elements=anything), st.data())
@settings(max_examples=200, deadline=None)
def test_output_is_finite_and_survives_json(X: np.ndarray, data: st.DataObject) -> None:
    try:
        scaler = fit(X)
    except NotEnoughData:
        return
    again = InputScaler.from_dict(json.loads(json.dumps(scaler.to_dict(), allow_nan=False)))
    rows = data.draw(arrays(np.float64, (5, 3), elements=anything))
    z = scaler.transform(rows)
    assert np.isfinite(z).all()
    assert abs(z).max(initial=0) <= 8
    assert np.array_equal(again.transform(rows), z)
    assert np.array_equal(scaler.transform(rows.reshape(1, 5, 3))[0], z)
    assert [again.out_of_range(row) for row in rows] == [scaler.out_of_range(row) for row in rows]


@given(st.lists(st.floats(-1e6, 1e6), min_size=3, max_size=50, unique=True))
@settings(max_examples=100, deadline=None)
def test_order_is_kept(values: list[float]) -> None:
    X = np.array(values)[:, None]
    z = fit(X, clip=1e9).transform(np.sort(X, axis=0))[:, 0]
    assert (np.diff(z) >= 0).all()


@pytest.mark.parametrize(("hours", "kept"), [(16, ["noise", "drifting", "rare"]), (72, ["hour", "noise", "drifting", "rare"])])
def test_a_clock_is_no_feature(hours: int, kept: list[str]) -> None:
    rng = np.random.default_rng(0)
    n = hours * 60
    at = np.arange(n) / 60
    noise = rng.standard_cauchy(size=n)
    columns = {
        "day": np.cos(at / 24 / 7 * 2 * np.pi),
        "hour": np.sin(at / 24 * 2 * np.pi),
        "trend": at + rng.normal(size=n),
        "noise": noise,
        "drifting": np.cumsum(rng.normal(size=n)) * 0.02 + rng.normal(size=n),
        "rare": (rng.random(n) < 0.005).astype(float),
    }
    scaler = InputScaler.fit(np.stack(list(columns.values()), axis=1), list(columns))
    assert list(scaler.kept) == kept
    assert scaler.dropped["day"].startswith("a clock")


def test_a_gap_that_the_training_knew_is_nothing_new() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(1000, 2))
    X[:50, 0] = np.nan
    X[:2, 1] = np.nan
    scaler = InputScaler.fit(X, ["sometimes", "nearly always"])
    assert scaler.missing(np.array([np.nan, np.nan])) == ("nearly always",)
    again = InputScaler.from_dict(scaler.to_dict())
    assert again.missing(np.array([np.nan, np.nan])) == ("nearly always",)
    old = scaler.to_dict()
    for column in old["columns"].values():
        del column["unknown"]
    assert InputScaler.from_dict(old).missing(np.array([np.nan, 0.0])) == ("sometimes",), "as saved before it was counted"
