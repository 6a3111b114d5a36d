"""Every feature against the slow reference, at every prefix of random series."""

import numpy as np
import pytest

from arbml.features import FEATURE_NAMES, FEATURES, WARM_UP_S, compute_features, kernels, spec
from arbml.frames import frame_to_ticks, in_order
from tests.features.reference import reference_features
from tests.features.series import random_ticks


@pytest.mark.parametrize(
    ("spacing_ms", "venues", "missing", "rows"),
    [
        (4_000.0, 3, 0.1, 700),     # the usual
        (60_000.0, 2, 0.0, 400),    # minute bars
        (400.0, 1, 0.5, 700),       # one venue, half of the inputs missing
        (12_000.0, 6, 0.9, 700),    # nearly nothing but prices
        pytest.param(40.0, 2, 0.05, 3000, marks=pytest.mark.slow),  # so busy that the window is full within a minute
        (150_000.0, 3, 0.1, 300),   # so slow that windows hold few ticks
    ],
)
def test_kernels_equal_the_reference(spacing_ms: float, venues: int, missing: float, rows: int) -> None:
    busy = rows > 2000
    for seed in range(1 if busy else 2):
        ticks = random_ticks(seed, rows, venues, pairs=1 if venues == 1 or busy else 2, spacing_ms=spacing_ms, missing=missing,
                             delay_ms=min(0.3 * spacing_ms, 3_000.0), gap_share=0.0 if busy else 0.005)
        df = compute_features(ticks)
        assert not busy or df.groupby("venue").size().max() > 1100
        expected = reference_features(frame_to_ticks(in_order(ticks)))
        assert df["ts_ms"].tolist() == [tick.ts_ms for tick, _ in expected]
        assert df["venue"].tolist() == [tick.venue for tick, _ in expected]
        for name in FEATURE_NAMES:
            reference = np.array([values[name] for _, values in expected])
            np.testing.assert_allclose(df[name].to_numpy(), reference, rtol=1e-9, atol=1e-12, err_msg=f"{name}, seed {seed}")


def test_series_reach_every_feature() -> None:
    """The comparison above says nothing of a feature that is NaN throughout, or never NaN, or constant."""
    df = compute_features(random_ticks(0, rows=3000))
    for name in FEATURE_NAMES:
        assert df[name].notna().mean() > 0.2, name
        assert df[name].nunique() > 2, name
    assert (df["mempool_congestion"] > 0).any()
    assert (df["searcher_density"] > 0).any()
    assert (df["cross_spread_age_s"] > 0).any()


def test_constants_of_kernels_and_spec_agree() -> None:
    assert len(FEATURES) == kernels.N_FEATURES
    assert kernels.WINDOW == 1000 * spec.WINDOW_S
    assert kernels.MAX_ROWS == spec.MAX_ROWS
    assert 2 * kernels.WINDOW == 1000 * WARM_UP_S
    for position, name in (
        (kernels.MOMENTUM, "momentum_5s"), (kernels.FLOW, "volume_ma"), (kernels.LIQUIDITY, "liquidity_depth"),
        (kernels.SPREAD, "half_spread_bps"), (kernels.GAS_PRICE, "gas_level"), (kernels.VOLATILITY, "realized_volatility"),
        (kernels.TIME, "hour_of_day_sin"), (kernels.PACE, "tick_interval_s"), (kernels.CROSS, "cross_spread_bps"),
        (kernels.MEV, "mempool_congestion"),
    ):
        assert FEATURE_NAMES[position] == name


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 60, 61, 1024])
def test_median_equals_numpy(n: int) -> None:
    rng = np.random.default_rng(n)
    for values in (rng.normal(size=n), rng.integers(3, size=n).astype(float), np.zeros(n), np.sort(rng.normal(size=n))):
        assert kernels._median(values, 0, n, values.copy(), n) == np.median(values)


def test_of_two_equally_far_venues_the_dearer_counts() -> None:
    """Whatever order they came in: the rule must not depend on the numbering of the streams."""
    ts, log_price = np.array([0, 0, 0]), np.array([-0.5, 0.5, 0.0])
    assert kernels._cross_gap(ts, log_price, 0, 3, 2, 1000, 0.0) == (0.5, 2)
    assert kernels._cross_gap(ts, -log_price, 0, 3, 2, 1000, 0.0) == (0.5, 2)
