"""The batch: order, late ticks, schema, units."""

import numpy as np
import pandas as pd
import pytest

from arbml.errors import SchemaError
from arbml.features import FEATURE_NAMES, FEATURE_SCHEMA, FeatureExtractor, compute_features, feature_set_id
from arbml.frames import TICKS, in_order, sort_by_knowing
from tests.features.series import random_ticks


def test_one_row_for_each_tick_that_is_not_late() -> None:
    ticks = random_ticks(0, rows=1000)
    extractor = FeatureExtractor()
    df = extractor.compute(ticks)
    assert list(df.columns) == FEATURE_SCHEMA.names
    assert 0 < len(df) < len(ticks)
    for _, rows in df.groupby(["venue", "pair"]):
        assert rows["ts_ms"].is_monotonic_increasing
    assert df["ts_known_ms"].is_monotonic_increasing
    pd.testing.assert_frame_equal(FEATURE_SCHEMA.check(df), df)
    assert extractor.names == FEATURE_NAMES
    assert extractor.feature_set_id == feature_set_id()


def test_the_input_frame_is_left_alone() -> None:
    ticks = random_ticks(0, rows=200).sample(frac=1.0, random_state=1)
    before = ticks.copy()
    compute_features(ticks)
    pd.testing.assert_frame_equal(ticks, before)


def test_no_ticks_no_features() -> None:
    df = compute_features(TICKS.empty())
    assert list(df.columns) == FEATURE_SCHEMA.names
    assert df.empty


def test_order_is_that_of_sort_by_knowing() -> None:
    for seed in range(5):
        ticks = random_ticks(seed, rows=300).drop_duplicates(["venue", "pair", "ts_ms", "log_index"])
        shuffled = ticks.sample(frac=1.0, random_state=seed)
        pd.testing.assert_frame_equal(in_order(shuffled), sort_by_knowing(shuffled))
        assert in_order(sort_by_knowing(shuffled)).equals(sort_by_knowing(shuffled))


def test_unchecked_frames_are_refused() -> None:
    ticks = random_ticks(0, rows=20)
    with pytest.raises(SchemaError, match=r"columns price, volume are missing; pass the frame through TICKS\.check"):
        compute_features(ticks.drop(columns=["price", "volume"]))
    for bad in (0.0, -1.0, np.nan, np.inf):
        wrong = ticks.copy()
        wrong.loc[7, "price"] = bad
        with pytest.raises(SchemaError, match=r"column 'price', row 7: .* must be a positive number"):
            compute_features(wrong)


@pytest.mark.parametrize(
    ("columns", "shifted"),
    [
        (("price", "reserve_base"), ()),
        (("volume", "liquidity", "reserve_quote"), ("liquidity_depth", "volume_ma")),
        (("gas_price_gwei",), ("gas_level",)),
    ],
)
def test_only_levels_know_the_unit(columns: tuple[str, ...], shifted: tuple[str, ...]) -> None:
    """Another token, another price level: the features stay, but for the stated levels, which are logarithms."""
    ticks = random_ticks(0, rows=2000, missing=0.05)
    scaled = ticks.assign(**{name: ticks[name] * 1024.0 for name in columns})
    before, after = compute_features(ticks), compute_features(scaled)
    for name in FEATURE_NAMES:
        if name in shifted:
            assert not np.allclose(before[name], after[name], equal_nan=True)
        else:
            np.testing.assert_allclose(after[name], before[name], rtol=1e-6, atol=1e-9, err_msg=name)
    for name in set(shifted) - {"volume_ma"}:
        np.testing.assert_allclose(after[name], before[name] + np.log(1024.0), rtol=1e-12)


def test_what_a_source_lacks_is_nan_and_never_invented() -> None:
    ticks = random_ticks(0, rows=1500, venues=1, missing=1.0)
    df = compute_features(ticks)
    lacking = [
        "volume_ma", "volume_ratio", "vwap_deviation", "liquidity_depth", "liquidity_ratio", "half_spread_bps",
        "gas_level", "gas_percentile", "gas_trend", "mempool_congestion", "searcher_density", "mev_risk",
        "cross_spread_bps", "cross_spread_mean_1m", "cross_spread_trend", "cross_spread_age_s",
    ]
    assert df[lacking].isna().all(axis=None)
    assert (df["cross_venues"] == 0).all()
    rest = [name for name in FEATURE_NAMES if name not in lacking]
    assert df[rest].notna().any().all()
