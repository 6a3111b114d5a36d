"""Batch and stream give the same bits, wherever the stream was interrupted and wherever it started."""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arbml.features import FEATURE_NAMES, WARM_UP_S, FeatureExtractor, FeatureStream, check_parity, compute_features
from arbml.frames import TICKS, TickFrame, frame_to_ticks
from tests.features.series import random_ticks


def bits(ticks: TickFrame) -> bytes:
    """The whole feature frame as bytes, without the names of the streams."""
    df = compute_features(ticks)
    return df.drop(columns=["venue", "pair"]).to_numpy(np.float64).tobytes() + "".join(df["venue"] + df["pair"]).encode()


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("spacing_ms", [50.0, 4000.0, 60_000.0])
def test_batch_equals_stream(seed: int, spacing_ms: float) -> None:
    report = check_parity(random_ticks(seed, rows=3000, spacing_ms=spacing_ms), restarts=5)
    assert report.equal, report.text()
    assert report.late > 0
    assert report.rows + report.late == 3000
    assert len(report.restarts_at) == 5


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), venues=st.integers(1, 5), spacing_ms=st.sampled_from([30.0, 1000.0, 5000.0, 90_000.0]), data=st.data())
def test_a_stream_saved_anywhere_goes_on_with_the_same_bits(seed: int, venues: int, spacing_ms: float, data: st.DataObject) -> None:
    ticks = random_ticks(seed, rows=600, venues=venues, spacing_ms=spacing_ms)
    cut = data.draw(st.integers(0, len(ticks)))
    stream = FeatureStream(history=20)
    for tick in frame_to_ticks(ticks.iloc[:cut]):
        stream.update(tick)
    loaded = FeatureStream.load(stream.dump())
    assert loaded.streams == stream.streams
    for tick in frame_to_ticks(ticks.iloc[cut:]):
        one, other = stream.update(tick), loaded.update(tick)
        assert (one is None) == (other is None)
        if one is not None and other is not None:
            assert one.values.tobytes() == other.values.tobytes()
    for name in stream.streams:
        assert stream.window(name, 20).tobytes() == loaded.window(name, 20).tobytes()
    assert stream.dump() == loaded.dump()


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), spacing_ms=st.sampled_from([8000.0, 20_000.0, 60_000.0]), share=st.floats(0.0, 0.5))
def test_a_path_may_start_anywhere_after_the_warm_up(seed: int, spacing_ms: float, share: float) -> None:
    ticks = random_ticks(seed, rows=2000, spacing_ms=spacing_ms)
    start = int(share * len(ticks))
    whole, later = compute_features(ticks), compute_features(ticks.iloc[start:])
    warm_ms = int(ticks["ts_known_ms"].iloc[start]) + 1000 * WARM_UP_S
    whole, later = (df[df["ts_ms"] >= warm_ms].reset_index(drop=True) for df in (whole, later))
    assert whole.equals(later)
    assert np.array_equal(*(df[list(FEATURE_NAMES)].to_numpy().view(np.int64) for df in (whole, later)))
    assert len(whole) > 0


def test_a_shorter_warm_up_would_not_do() -> None:
    """The test above can fail: ten minutes less, and rows differ."""
    differs = False
    for seed in range(20):
        ticks = random_ticks(seed, rows=800, venues=2, pairs=1, spacing_ms=40_000.0)
        whole, later = compute_features(ticks), compute_features(ticks.iloc[200:])
        early_ms = int(ticks["ts_known_ms"].iloc[200]) + 1000 * (WARM_UP_S - 600)
        whole, later = (df[df["ts_ms"] >= early_ms].reset_index(drop=True) for df in (whole, later))
        differs |= not whole.equals(later)
    assert differs


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), order=st.randoms(use_true_random=False))
def test_the_order_of_the_rows_given_is_irrelevant(seed: int, order: random.Random) -> None:
    ticks = random_ticks(seed, rows=300, spacing_ms=10_000.0)
    doubled = ticks.loc[ticks.index.repeat(2)].reset_index(drop=True)  # rows that no key tells apart, some in conflict
    doubled.loc[::6, "price"] *= 1.01
    shuffled = list(range(len(doubled)))
    order.shuffle(shuffled)
    assert bits(doubled.iloc[shuffled]) == bits(doubled)
    assert bits(ticks.sample(frac=1.0, random_state=seed % 1000)) == bits(ticks)


def test_a_difference_of_one_bit_is_named() -> None:
    ticks = random_ticks(3, rows=500)
    features = compute_features(ticks)
    row = int(np.flatnonzero(features["atr"].notna())[7])
    value = features.loc[row, "atr"]
    features.loc[row, "atr"] = np.nextafter(value, 1.0)
    features.loc[row + 5, "momentum_5s"] = 1.0
    first = check_parity(ticks, features).first_difference
    assert first is not None
    assert (first.row, first.feature, first.ts_ms) == (row, "atr", features["ts_ms"][row])
    assert first.stream == f"{features['venue'][row]}|{features['pair'][row]}"
    assert (first.batch_value, first.stream_value) == (np.nextafter(value, 1.0), value)
    text = check_parity(ticks, features).text()
    assert f"row {row}, {first.stream}" in text
    assert "atr" in text
    assert "\n" not in text


def test_missing_rows_zeros_and_wrong_streams_are_differences() -> None:
    ticks = random_ticks(4, rows=1000)
    features = compute_features(ticks)
    first = check_parity(ticks, features.iloc[:-3]).first_difference
    assert first is not None
    assert (first.feature, first.row) == ("number of rows", len(features) - 3)
    swapped = features.assign(venue=features["venue"].replace("venue1", "venue9"))
    first = check_parity(ticks, swapped).first_difference
    assert first is not None
    assert first.feature == "stream"
    zeros = features.copy()
    row = int(np.flatnonzero(zeros["mempool_congestion"] == 0)[0])
    zeros.loc[row, "mempool_congestion"] = -0.0
    first = check_parity(ticks, zeros).first_difference
    assert first is not None
    assert (first.row, first.feature) == (row, "mempool_congestion")


def test_report_of_an_equal_frame() -> None:
    ticks = random_ticks(5, rows=100)
    report = FeatureExtractor().check_parity(ticks)
    assert report.equal
    assert report.restarts_at[0] <= 50
    assert report.text().startswith(f"batch equals stream bit for bit: {report.rows} rows x 35 columns")
    assert check_parity(TICKS.empty()).equal
