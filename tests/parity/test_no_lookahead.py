"""What comes later, in the order of knowing, changes no bit of an earlier feature."""

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from arbml.features import FEATURE_NAMES, FeatureStream, compute_features
from arbml.frames import TICKS, TickFrame, frame_to_ticks, sort_by_knowing
from tests.features.series import random_ticks

CHANGEABLE = ("price", "fee_bps", "volume", "liquidity", "gas_price_gwei", "reserve_base", "reserve_quote")


def known_by(df: pd.DataFrame, ts_ms: int) -> bytes:
    """Bits of all rows known before `ts_ms`, names of the streams included."""
    df = df[df["ts_known_ms"] < ts_ms]
    return df[["ts_ms", "price", *FEATURE_NAMES]].to_numpy(np.float64).tobytes() + "".join(df["venue"] + df["pair"]).encode()


def changed_after(ticks: TickFrame, ts_ms: int, seed: int) -> TickFrame:
    """Ticks known from `ts_ms` on are changed in every value, some dropped, and others added that happened long before."""
    rng = np.random.default_rng(seed)
    later = ticks["ts_known_ms"] >= ts_ms
    out = ticks.copy()
    for name in CHANGEABLE:
        out.loc[later, name] *= rng.uniform(0.1, 10.0, later.sum())
    out = out[~(later & (rng.random(len(out)) < 0.2))]
    backfilled = ticks.sample(min(50, len(ticks)), random_state=seed % 1000).copy()
    backfilled["ts_known_ms"] = ts_ms + rng.integers(0, 600_000, len(backfilled))
    backfilled["ts_ms"] -= rng.integers(0, 5_000, len(backfilled))
    backfilled["price"] *= 3.0
    backfilled.loc[backfilled.index[::2], "venue"] = "unheard_of"
    return sort_by_knowing(TICKS.check(pd.concat([out, backfilled])))


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), share=st.floats(0.0, 1.0), spacing_ms=st.sampled_from([500.0, 8000.0, 60_000.0]))
def test_the_future_changes_no_feature(seed: int, share: float, spacing_ms: float) -> None:
    ticks = random_ticks(seed, rows=600, spacing_ms=spacing_ms)
    ts_ms = int(ticks["ts_known_ms"].iloc[int(share * (len(ticks) - 1))])
    expected = known_by(compute_features(ticks), ts_ms)
    assert known_by(compute_features(changed_after(ticks, ts_ms, seed)), ts_ms) == expected
    assert known_by(compute_features(ticks[ticks["ts_known_ms"] < ts_ms]), ts_ms) == expected


def test_the_past_does_change_features() -> None:
    """The test above can fail: the same change, one tick earlier, is seen."""
    ticks = random_ticks(1, rows=600, spacing_ms=8000.0)
    ts_ms = int(ticks["ts_known_ms"].iloc[550])
    early_ms = int(ticks["ts_known_ms"].iloc[500])
    assert known_by(compute_features(changed_after(ticks, early_ms, 1)), ts_ms) != known_by(compute_features(ticks), ts_ms)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_a_late_tick_changes_nothing(seed: int) -> None:
    ticks = frame_to_ticks(random_ticks(seed, rows=300, delay_ms=20_000.0))
    stream = FeatureStream()
    late = []
    for tick in ticks:
        before = stream.dump() if len(late) < 5 else b""
        if stream.update(tick) is None:
            late.append(tick)
            assert not before or stream.dump() == before
    assert late
    kept = FeatureStream()
    assert kept.replay([tick for tick in ticks if tick not in late]) == len(ticks) - len(late)
    assert kept.dump() == stream.dump()
