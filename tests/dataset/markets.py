"""Small markets for the label and data set tests."""

import numpy as np
import pandas as pd

from arbml.config import CostsConfig
from arbml.frames import TICKS, TickFrame
from tests.features.series import START_MS, random_ticks

CHEAP_GAS = CostsConfig(native_price_quote=2_000.0, gas_units_base=100, gas_units_per_leg=100, inclusion_delay_ms=4_000)
"""Gas so cheap that opportunities of random prices both pay and do not."""


def pools(seed: int, rows: int = 400, pairs: int = 2, venues: int = 3, spacing_ms: float = 4_000.0) -> TickFrame:
    """Random ticks, late and missing ones among them, whose reserves, where stated, fit their prices."""
    ticks = random_ticks(seed, rows=rows, pairs=pairs, venues=venues, spacing_ms=spacing_ms)
    return ticks.assign(reserve_quote=ticks["reserve_base"] * ticks["price"], fee_bps=ticks["fee_bps"] / 10)


def regular(n: int, step_s: int, venue: str = "a", seed: int = 0) -> TickFrame:
    """n ticks of one stream, known 100 ms after they happened."""
    ts = START_MS + 1_000 * step_s * np.arange(n)
    price = 2000.0 * np.exp(np.cumsum(np.random.default_rng(seed).normal(0, 3e-4, n)))
    df = pd.DataFrame({"ts_ms": ts, "ts_known_ms": ts + 100, "venue": venue, "pair": "WETH/USDC", "price": price})
    return TICKS.check(df)
