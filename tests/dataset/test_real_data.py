"""The recordings that the project is judged on, where they lie beside the checkout."""

import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from arbml.collectors import FileCollector
from arbml.config import Config
from arbml.dataset import opportunity_dataset, price_dataset, require_enough, volatility_dataset, walk_forward
from arbml.errors import NotEnoughData
from arbml.features import compute_features
from arbml.frames import TickFrame

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
CONFIG = Config()


def ticks_of(name: str) -> TickFrame:
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"no ../shared/data/{name} beside the checkout: the real recordings are not part of the project")
    return pd.concat(FileCollector(path).ticks(), ignore_index=True)


@pytest.fixture(scope="module")
def uniswap() -> TickFrame:
    return ticks_of("uniswap_v3_weth_usdc_2024-01-05_blocks.parquet")


@pytest.fixture(scope="module")
def polygon() -> TickFrame:
    return ticks_of("weth_usdc_polygon_minute_2022.parquet")


def test_blocks_show_only_the_longer_horizons(uniswap: TickFrame) -> None:
    ds = price_dataset(uniswap, compute_features(uniswap), CONFIG.lstm)
    assert ds.horizons_s == (15, 30)
    assert ds.notes == ("horizons 5,10 s are left out: the data's events are further apart",)
    assert len(ds.streams) == 2
    require_enough(ds, CONFIG)
    assert len(walk_forward(ds, CONFIG.training)) == CONFIG.training.folds


def test_no_opportunity_between_the_two_pools_paid_that_day(uniswap: TickFrame) -> None:
    features = compute_features(uniswap)
    started = time.process_time()
    ds = opportunity_dataset(uniswap, features, None, CONFIG.costs, CONFIG.scorer)
    assert time.process_time() - started < 3.0
    assert len(ds) > 6_000
    assert ds.y.sum() == 0
    assert ds.economics is not None
    assert ds.economics["net_profit"].max() < 0
    with pytest.raises(NotEnoughData, match="successful opportunities to train the scorer: have 0, need 30"):
        require_enough(ds, CONFIG)


def test_minute_bars_show_no_default_horizon_and_no_opportunity(polygon: TickFrame) -> None:
    features = compute_features(polygon)
    with pytest.raises(NotEnoughData) as caught:
        price_dataset(polygon, features, CONFIG.lstm)
    assert "horizons 5,10,15,30 s are shorter than the data's spacing of 60 s" in str(caught.value)
    assert "ML_LSTM__HORIZONS_S=60,120,300" in str(caught.value)
    with pytest.raises(NotEnoughData, match="second venue"):
        opportunity_dataset(polygon, features, None, CONFIG.costs, CONFIG.scorer)


def test_both_recordings_give_volatility_bars(uniswap: TickFrame, polygon: TickFrame) -> None:
    for ticks, step_s in ((uniswap, 12), (polygon, 60)):
        ds = volatility_dataset(ticks, CONFIG.volatility)
        assert (ds.step_s, ds.horizons_s) == (step_s, (300,))
        require_enough(ds, CONFIG)
        annual = np.sqrt(ds.y.mean() * 365 * 24 * 12)
        assert 0.1 < annual < 3.0
