"""The feature benchmark: its peers do compute the same features, and it runs."""

import numpy as np
import pandas as pd
import pytest

from arbml.features import compute_features
from arbml.frames import TickFrame, frame_to_ticks
from benchmarks import features as suite


def test_the_peers_compute_the_same() -> None:
    ticks = suite._ticks(2000)
    ours = compute_features(ticks).set_index(ticks["venue"]).iloc[-400:]
    names = ["volume_ma", "volume_ratio", "vwap_deviation", "liquidity_ratio", "gas_level", "gas_trend", "mempool_congestion"]
    for venue, peer in zip(ticks["venue"].unique(), _parts(ticks), strict=True):
        np.testing.assert_allclose(peer[names].iloc[-100:], ours.loc[venue][names], rtol=1e-8, atol=1e-10)
    windows = suite._NumpyWindows()
    rows = np.array([windows.update(tick) for tick in frame_to_ticks(ticks)])[-400:]
    of_numpy = ["momentum_5s", "momentum_1m", "momentum_5m", *names[:4], "price_dispersion_bps", "price_dispersion_trend", "gas_level"]
    np.testing.assert_allclose(rows[:, :10], ours[of_numpy], rtol=1e-8, atol=1e-10)


def _parts(ticks: TickFrame) -> list[pd.DataFrame]:
    whole = suite._pandas(ticks)
    size = len(ticks) // len(suite.VENUES)
    return [whole.iloc[i * size : (i + 1) * size] for i in range(len(suite.VENUES))]


@pytest.mark.slow
def test_it_runs() -> None:
    figures = suite.run(rows=400, updates=100, repeats=1)
    assert len(figures) == 5
    assert all(figure.value > 0 and figure.peer_value for figure in figures)
