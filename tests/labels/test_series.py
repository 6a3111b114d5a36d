"""Streams in order: which ticks count, and the same ones as in the features."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arbml.features import compute_features
from arbml.frames import TICKS, TickFrame, in_order
from arbml.labels import observable_horizons, rows_by_stream, stream_names, stream_series, stream_spacing_ms
from tests.features.series import random_ticks

seeds = st.integers(0, 2**31)


def ticks_of(*rows: tuple[str, int, int, float]) -> TickFrame:
    """Ticks of (venue, ts_ms, ts_known_ms, price)."""
    return TICKS.check(pd.DataFrame(rows, columns=["venue", "ts_ms", "ts_known_ms", "price"]).assign(pair="WETH/USDC"))


@settings(deadline=None, max_examples=25)
@given(seeds)
def test_only_ticks_after_all_known_before_count(seed: int) -> None:
    ticks = in_order(random_ticks(seed, rows=120, delay_ms=8_000.0))
    newest: dict[str, tuple[int, int]] = {}
    expected: dict[str, list[int]] = {}
    for row, (venue, pair, ts_ms, log_index) in enumerate(
        zip(ticks["venue"], ticks["pair"], ticks["ts_ms"], ticks["log_index"], strict=True)
    ):
        stream = f"{venue}|{pair}"
        if stream not in newest or (ts_ms, log_index) > newest[stream]:
            newest[stream] = (ts_ms, log_index)
            expected.setdefault(stream, []).append(row)
    series = stream_series(ticks)
    assert {stream: one.row.tolist() for stream, one in series.items()} == expected
    for stream, one in series.items():
        assert stream == one.stream
        assert np.all(np.diff(one.ts_ms) >= 0)
        assert np.all(np.diff(one.ts_known_ms) >= 0)
        assert np.array_equal(one.price, ticks["price"].to_numpy()[one.row])


@settings(deadline=None, max_examples=25)
@given(seeds)
def test_the_same_ticks_count_as_in_the_features(seed: int) -> None:
    ticks = random_ticks(seed, rows=150, delay_ms=8_000.0)
    features = compute_features(ticks)
    series = stream_series(in_order(ticks))
    rows = rows_by_stream(features)
    assert list(rows) == list(series)
    for stream, one in series.items():
        assert features["ts_ms"].to_numpy()[rows[stream]].tolist() == one.ts_ms.tolist()
        assert features["price"].to_numpy()[rows[stream]].tolist() == one.price.tolist()


@settings(deadline=None, max_examples=25)
@given(seeds)
def test_shuffled_and_doubled_ticks_give_the_same_series(seed: int) -> None:
    ticks = random_ticks(seed, rows=120)
    doubled = pd.concat([ticks, ticks.iloc[::3]])
    doubled["ts_known_ms"] = doubled["ts_known_ms"] + np.r_[np.zeros(len(ticks), np.int64), np.full(len(doubled) - len(ticks), 7_000)]
    straight = stream_series(in_order(ticks))
    shuffled = stream_series(in_order(doubled.sample(frac=1.0, random_state=seed)))
    for stream, one in straight.items():
        for name in ("ts_ms", "ts_known_ms", "price"):
            assert np.array_equal(getattr(one, name), getattr(shuffled[stream], name))


def test_conflicting_ticks_of_one_key_have_one_order() -> None:
    ticks = ticks_of(("a", 5, 5, 2.0), ("a", 5, 5, 1.0), ("b", 5, 5, 3.0))
    assert in_order(ticks)["price"].tolist() == in_order(ticks.iloc[::-1])["price"].tolist() == [1.0, 2.0, 3.0]


def test_names_and_rows_of_streams() -> None:
    df = pd.DataFrame({"venue": ["b", "a", "b", "a"], "pair": ["X/Y", "X/Y", "W/Y", "X/Y"]})
    assert stream_names(df)[0] == ("a|X/Y", "b|W/Y", "b|X/Y")
    assert stream_names(df)[1].tolist() == [2, 0, 1, 0]
    assert {stream: rows.tolist() for stream, rows in rows_by_stream(df).items()} == {"a|X/Y": [1, 3], "b|W/Y": [2], "b|X/Y": [0]}
    assert rows_by_stream(df.iloc[:0]) == {}


def test_settled_waits_for_a_later_tick_or_the_last_of_that_moment() -> None:
    ticks = ticks_of(("a", 10, 11, 1.0), ("a", 20, 21, 2.0), ("a", 20, 25, 3.0), ("a", 30, 31, 4.0)).assign(log_index=[0, 0, 1, 0])
    one = stream_series(in_order(ticks))["a|WETH/USDC"]
    at = np.array([5, 10, 15, 20, 25, 30, 31])
    assert one.asof(at).tolist() == [-1, 0, 0, 2, 2, 3, 3]
    assert one.settled(at).tolist() == [0, 0, 1, 2, 3, 3, 4]


def test_spacing_ignores_late_ticks_and_several_in_one_moment() -> None:
    rows = [("a", 1_000 * i, 1_000 * i, 1.0) for i in (0, 5, 10, 15, 100)] + [("a", 7_000, 20_000, 1.0), ("b", 3_000, 3_000, 1.0)]
    ticks = pd.concat([ticks_of(*rows), ticks_of(("a", 15_000, 15_000, 1.0)).assign(log_index=1)])
    assert stream_spacing_ms(ticks) == {"a|WETH/USDC": 5_000.0, "b|WETH/USDC": math.inf}


@pytest.mark.parametrize(("spacing_s", "expected"), [(1, (5, 10, 30)), (5, (5, 10, 30)), (12, (30,)), (60, ())])
def test_horizons_shorter_than_the_spacing_cannot_be_observed(spacing_s: int, expected: tuple[int, ...]) -> None:
    busy = [("a", 1_000 * spacing_s * i, 1_000 * spacing_s * i, 1.0) for i in range(20)]
    rare = [("b", 1_000 * i, 1_000 * i, 1.0) for i in range(3)]  # dense, but hardly there
    assert observable_horizons(ticks_of(*busy, *rare), (5, 10, 30)) == expected


def test_no_ticks_no_horizons() -> None:
    assert observable_horizons(TICKS.empty(), (5, 10)) == ()
    assert stream_spacing_ms(TICKS.empty()) == {}
