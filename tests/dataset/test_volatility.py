"""Bars and the variance that followed."""

import numpy as np
import pandas as pd
import pytest

from arbml.config import VolatilityConfig
from arbml.dataset import volatility_dataset
from arbml.errors import NotEnoughData
from arbml.frames import TICKS, TickFrame, in_order
from arbml.labels import stream_series
from tests.dataset.markets import regular
from tests.features.series import random_ticks

CONFIG = VolatilityConfig(window_minutes=1)


def test_by_hand() -> None:
    ticks = regular(10, step_s=20)
    returns = np.diff(np.log(ticks["price"].to_numpy()))
    ds = volatility_dataset(ticks, CONFIG)
    assert (ds.step_s, ds.target_names, ds.feature_names, ds.horizons_s) == (20, ("realized_variance_60s",), ("log_return",), (60,))
    assert ds.X[:, 0] == pytest.approx(returns[:6])
    assert ds.y[:, 0] == pytest.approx([np.sum(returns[i + 1 : i + 4] ** 2) for i in range(6)])
    assert ds.ts_ms.tolist() == ticks["ts_known_ms"].tolist()[1:7]
    assert ds.label_end_ms.tolist() == ticks["ts_known_ms"].tolist()[4:]
    assert ds.prices.tolist() == ticks["price"].tolist()[1:7]
    assert ds.notes == ("bars are 20 s apart",)


def test_equals_a_slow_reference_on_irregular_ticks() -> None:
    ticks = random_ticks(8, rows=900, venues=2, pairs=1, spacing_ms=4_000.0)
    ds = volatility_dataset(ticks, CONFIG)
    assert ds.step_s is not None
    step_ms, ahead = ds.step_s * 1_000, 60 // ds.step_s
    checked = 0
    for number, stream in enumerate(ds.streams):
        one = stream_series(in_order(ticks))[stream]
        grid = list(range(int(one.ts_ms[0]), int(one.ts_ms[-1]) + 1, step_ms))
        last = [max(i for i, t in enumerate(one.ts_ms) if t <= at) for at in grid]
        gap = [at - one.ts_ms[i] > 600_000 for at, i in zip(grid, last, strict=True)]
        expected = []
        for bar in range(1, len(grid) - ahead):
            if any(gap[bar - 1 : bar + ahead + 1]):
                continue
            logs = np.log(one.price[last[bar - 1 : bar + ahead + 1]])
            expected.append((logs[1] - logs[0], np.sum(np.diff(logs[1:]) ** 2), one.price[last[bar]]))
        mine = ds.stream_of == number
        got = np.column_stack([ds.X[mine, 0], ds.y[mine, 0], ds.prices[mine]])
        assert np.allclose(got, np.array(expected), rtol=1e-9, atol=1e-18)
        checked += len(got)
    assert checked == len(ds) > 200
    assert np.all(np.diff(ds.ts_ms) >= 0)
    assert np.all(ds.label_end_ms >= ds.ts_ms)


def test_a_gap_makes_no_bars_and_is_counted() -> None:
    ticks = regular(200, step_s=20)
    later = np.arange(200) >= 100
    ticks = ticks.assign(ts_ms=ticks["ts_ms"] + 3_600_000 * later, ts_known_ms=ticks["ts_known_ms"] + 3_600_000 * later)
    ds = volatility_dataset(ticks, CONFIG)
    assert np.abs(ds.X).max() < 0.002                       # no return over the hour
    assert ds.notes[1].startswith("a|WETH/USDC: 1")
    assert ds.notes[1].endswith("bars are left out beside gaps in the data")
    quiet = int(np.sum(ds.X[:, 0] == 0.0))
    assert quiet == 600 // 20 - 3                           # carried over ten minutes; the last three would look into the gap


def test_a_slow_stream_and_later_ticks() -> None:
    both = pd.concat([regular(200, step_s=5), regular(40, step_s=25, venue="slow", seed=1)], ignore_index=True)
    ds = volatility_dataset(both, CONFIG)
    assert ds.streams == ("a|WETH/USDC",)
    assert "slow|WETH/USDC is left out: its events are 25 s apart" in ds.notes
    assert ds.data_hash == volatility_dataset(both.sample(frac=1.0, random_state=3), CONFIG).data_hash
    cut = both[both["ts_ms"] <= both["ts_ms"].iloc[150]]
    less = volatility_dataset(cut, CONFIG)
    assert np.array_equal(less.X, ds.X[: len(less)])
    assert np.array_equal(less.y, ds.y[: len(less)])


def test_two_venues_are_two_streams_in_the_order_of_knowing() -> None:
    ds = volatility_dataset(pd.concat([regular(50, 10), regular(50, 10, "b", seed=2)], ignore_index=True), CONFIG)
    assert ds.streams == ("a|WETH/USDC", "b|WETH/USDC")
    assert ds.stream_of.tolist() == [0, 1] * (len(ds) // 2)


@pytest.mark.parametrize(
    ("ticks", "text"),
    [
        (regular(50, step_s=120), "bars are 120 s apart, the window is 1 min: have 0, need 1; set ML_VOLATILITY__WINDOW_MINUTES to 2"),
        (regular(4, step_s=20), "ticks of one stream for 1 min of bars: have 4, need 5"),
        (regular(1, step_s=20), "ticks of one stream to see a return: have 1, need 2"),
        (TICKS.empty(), "ticks of one stream to see a return: have 0, need 2"),
    ],
)
def test_too_little_is_refused(ticks: TickFrame, text: str) -> None:
    with pytest.raises(NotEnoughData, match=text):
        volatility_dataset(ticks, CONFIG)
