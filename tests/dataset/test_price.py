"""Sequences and their returns."""

import numpy as np
import pandas as pd
import pytest

from arbml.config import LstmConfig
from arbml.dataset import Dataset, price_dataset
from arbml.errors import NotEnoughData
from arbml.features import FEATURE_NAMES, compute_features, feature_set_id
from arbml.frames import TICKS, TickFrame
from arbml.labels import forward_returns
from tests.dataset.markets import regular
from tests.features.series import random_ticks

LSTM = LstmConfig(sequence_length=12, horizons_s=(5, 15, 30))


def built(ticks: TickFrame, lstm: LstmConfig = LSTM) -> Dataset:
    return price_dataset(ticks, compute_features(ticks), lstm)


def test_rows_windows_and_targets_fit_the_features() -> None:
    ticks = random_ticks(5, rows=900, spacing_ms=2_500.0)
    features = compute_features(ticks)
    ds = price_dataset(ticks, features, LSTM)
    assert (ds.kind, ds.feature_set_id, ds.horizons_s) == ("lstm", feature_set_id(), (5, 15, 30))
    assert ds.feature_names == tuple(FEATURE_NAMES)
    assert np.isfinite(ds.y).all()
    assert np.all(np.diff(ds.ts_ms) >= 0)
    assert np.all(ds.label_end_ms >= ds.ts_ms)
    labels = forward_returns(ticks, features, (5, 15, 30))
    names = features["venue"] + "|" + features["pair"]
    values = features[list(FEATURE_NAMES)].to_numpy()
    assert ds.rows is not None
    assert ds.window is not None
    assert np.array_equal(ds.rows, values, equal_nan=True)
    for row in range(0, len(ds), 7):
        window = ds.window[row]
        stream = ds.streams[ds.stream_of[row]]
        mine = np.flatnonzero(names == stream)
        assert window.tolist() == mine[mine <= window[-1]][-12:].tolist()  # the last 12 of its own stream, none left out
        assert np.array_equal(ds.X[row], values[window[-1]], equal_nan=True)
        assert ds.ts_ms[row] == features["ts_known_ms"][window[-1]]
        assert ds.prices[row] == features["price"][window[-1]]
        assert ds.label_end_ms[row] == labels["label_end_ms"][window[-1]]
        assert ds.y[row].tolist() == labels.iloc[window[-1]][["log_return_5s", "log_return_15s", "log_return_30s"]].tolist()
    complete = labels["log_return_30s"].notna().to_numpy() & (names.groupby(names).cumcount().to_numpy() >= 11)
    assert len(ds) == complete.sum()


def test_order_and_double_collection_do_not_change_the_hash() -> None:
    ticks = random_ticks(6, rows=500)
    again = pd.concat([ticks, ticks.iloc[50:200]]).sample(frac=1.0, random_state=1)
    shuffled = price_dataset(again, compute_features(again).sample(frac=1.0, random_state=2), LSTM)
    straight = built(ticks)
    assert shuffled.data_hash == straight.data_hash
    assert len(straight.data_hash) == 64
    moved = ticks.assign(price=np.where(np.arange(len(ticks)) == 0, ticks["price"] * 1.001, ticks["price"]))
    assert built(moved).data_hash != straight.data_hash


def test_horizons_that_cannot_be_observed_are_left_out_and_said() -> None:
    ds = built(regular(60, step_s=12))
    assert ds.horizons_s == (15, 30)
    assert ds.notes == ("horizons 5 s are left out: the data's events are further apart",)
    assert built(regular(60, step_s=5)).notes == ()


def test_a_slow_stream_is_left_out_and_said() -> None:
    ds = built(pd.concat([regular(60, step_s=5), regular(30, step_s=20, venue="slow")], ignore_index=True))
    assert {ds.streams[k] for k in np.unique(ds.stream_of)} == {"a|WETH/USDC"}
    assert ds.notes == ("slow|WETH/USDC is left out: its events are 20 s apart",)


def test_no_horizon_no_window_no_ticks() -> None:
    with pytest.raises(NotEnoughData) as caught:
        built(regular(60, step_s=60))
    assert "horizons 5,15,30 s are shorter than the data's spacing of 60 s" in str(caught.value)
    assert "set horizons of at least 60 s, e.g. ML_LSTM__HORIZONS_S=60,120,300" in str(caught.value)
    with pytest.raises(NotEnoughData, match="have 12, need 13; collect longer than 12 ticks and 30 s"):
        built(regular(12, step_s=5))
    with pytest.raises(NotEnoughData, match="ticks to see any return: have 0"):
        built(TICKS.empty())
