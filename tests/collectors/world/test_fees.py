"""The fee market of the chains: EIP-1559 to the letter, and blocks that are half full in the long run."""

from functools import cache

import numpy as np
import pandas as pd
import pytest

from arbml.collectors.simulator.world import World, WorldConfig


@cache
def blocks() -> pd.DataFrame:
    """Two days of mainnet, one row for each block."""
    return World(WorldConfig(seed=3, hours=48, interval_ms=12_000)).paths()


def test_the_base_fee_follows_the_rule() -> None:
    """Next = base fee x (1 + (used - target) / target / 8), with a limit of twice the target (EIP-1559, specification)."""
    fee, full = blocks()["base_fee_1"].to_numpy(), blocks()["fullness_1"].to_numpy()
    assert fee[1:] == pytest.approx(fee[:-1] * (1.0 + (2.0 * full[1:] - 1.0) / 8.0), rel=1e-12)
    assert np.diff(np.log(fee)).max() <= np.log(1.125) + 1e-12
    assert np.diff(np.log(fee)).min() >= np.log(0.875) - 1e-12
    assert (full[1:] > 0.0).all()
    assert (full <= 1.0).all()


def test_blocks_are_half_full_on_average_and_often_far_from_it() -> None:
    """Liu et al. 2022 (arXiv 2201.05574): gas used stays at the target on average; it swings between empty and full blocks."""
    full = blocks()["fullness_1"]
    assert full.mean() == pytest.approx(0.5, abs=0.02)
    assert full.std() > 0.1
    assert 0.005 < (full == 1.0).mean() < 0.2


def test_the_base_fee_comes_back_to_where_demand_meets_it() -> None:
    fee = blocks()["base_fee_1"]
    assert 0.7 < fee.median() / 8.0 < 1.5
    assert fee.max() / fee.median() > 2.0
    assert np.log(fee).autocorr(1) > 0.9


def test_nervous_markets_want_more_blockspace() -> None:
    hourly = blocks().groupby(np.arange(len(blocks())) // 100)[["base_fee_1", "volatility_WETH"]].mean()
    assert np.corrcoef(np.log(hourly["base_fee_1"]), np.log(hourly["volatility_WETH"]))[0, 1] > 0.2


def test_each_chain_has_its_own_fees() -> None:
    fast = World(WorldConfig(seed=3, hours=3, interval_ms=2_000)).paths()
    fee, full = fast["base_fee_10"].to_numpy(), fast["fullness_10"].to_numpy()
    assert fee[1:] == pytest.approx(fee[:-1] * (1.0 + (2.0 * full[1:] - 1.0) / 8.0), rel=1e-12)
    assert np.median(fee) < 0.1
    # mainnet makes a block every 12 s, so five of six polls show the same fee
    assert (np.diff(fast["base_fee_1"]) == 0.0).mean() == pytest.approx(5 / 6, abs=0.01)
