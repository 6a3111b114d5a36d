"""Forward returns: exactly the as-of price, known exactly when they say."""

import math

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from arbml.features import compute_features
from arbml.frames import TICKS, TickFrame, in_order
from arbml.labels import forward_returns, stream_series
from tests.features.series import random_ticks

HORIZONS = (5, 15, 30)


def ticks_of(*rows: tuple[int, int, float]) -> TickFrame:
    """Ticks of (ts_ms, ts_known_ms, price) of one stream."""
    return TICKS.check(pd.DataFrame(rows, columns=["ts_ms", "ts_known_ms", "price"]).assign(venue="a", pair="WETH/USDC"))


def test_the_label_is_the_price_as_of_the_horizon_and_nothing_else() -> None:
    ticks = ticks_of((0, 0, 100.0), (4_999, 5_010, 101.0), (5_000, 5_020, 102.0), (5_001, 5_030, 103.0), (11_000, 11_400, 104.0))
    labels = forward_returns(ticks, ticks, (5, 10))
    assert math.isclose(labels["log_return_5s"][0], math.log(102.0 / 100.0))
    assert math.isclose(labels["log_return_10s"][0], math.log(103.0 / 100.0))  # carried forward from 5.001 s
    assert labels["label_end_ms"][0] == 11_400                                 # nobody knew before that nothing came till 10 s
    assert labels.iloc[-1].isna().all()


def test_a_late_tick_changes_no_label() -> None:
    rows = [(0, 0, 100.0), (5_000, 5_000, 102.0), (10_000, 10_000, 104.0)]
    labels = forward_returns(ticks_of(*rows), ticks_of(*rows), (5,))
    late = ticks_of(*rows, (4_999, 20_000, 999.0), (5_000, 30_000, 888.0))
    pd.testing.assert_frame_equal(forward_returns(late, ticks_of(*rows), (5,)), labels)


def test_another_stream_changes_no_label_and_an_unknown_one_has_none() -> None:
    ticks = ticks_of((0, 0, 100.0), (5_000, 5_000, 102.0), (10_000, 10_000, 104.0))
    both = pd.concat([ticks, ticks.assign(venue="b", price=ticks["price"] * 2, ts_ms=ticks["ts_ms"] + 1)], ignore_index=True)
    pd.testing.assert_frame_equal(forward_returns(both, ticks, (5,)), forward_returns(ticks, ticks, (5,)))
    assert forward_returns(ticks, ticks.assign(venue="c"), (5,)).isna().all(axis=None)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**31))
def test_equals_a_slow_reference(seed: int) -> None:
    ticks = random_ticks(seed, rows=150)
    features = compute_features(ticks)
    labels = forward_returns(ticks.sample(frac=1.0, random_state=seed), features, HORIZONS)
    series = stream_series(in_order(ticks))
    for row in range(len(features)):
        one = series[f"{features['venue'][row]}|{features['pair'][row]}"]
        for horizon in HORIZONS:
            at = features["ts_ms"][row] + 1_000 * horizon
            before = [p for t, p in zip(one.ts_ms, one.price, strict=True) if t <= at]
            expected = math.log(before[-1] / features["price"][row]) if one.ts_ms[-1] >= at else math.nan
            assert np.isclose(labels[f"log_return_{horizon}s"][row], expected, rtol=1e-12, atol=1e-15, equal_nan=True)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**31))
def test_a_label_is_known_at_its_end_and_not_before(seed: int) -> None:
    ticks = in_order(random_ticks(seed, rows=150, spacing_ms=9_000.0))
    features = compute_features(ticks)
    labels = forward_returns(ticks, features, HORIZONS)
    for row in np.random.default_rng(seed).integers(0, len(features), 5).tolist():
        end = labels["label_end_ms"][row]
        if np.isnan(end):
            assert np.isnan(labels["log_return_30s"][row])
            continue
        then = forward_returns(ticks[ticks["ts_known_ms"] <= end], features.iloc[[row]].reset_index(drop=True), HORIZONS)
        if ticks["ts_known_ms"].eq(end).sum() == 1:
            before = forward_returns(ticks[ticks["ts_known_ms"] < end], features.iloc[[row]].reset_index(drop=True), HORIZONS)
            assert np.isnan(before["log_return_30s"][0])
        pd.testing.assert_frame_equal(then, labels.iloc[[row]].reset_index(drop=True))
