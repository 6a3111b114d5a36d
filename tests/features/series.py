"""Random market data for the feature tests: gaps, ticks in the same millisecond, late ticks, missing inputs, several venues."""

import numpy as np
import pandas as pd

from arbml.frames import TICKS, TickFrame, sort_by_knowing

START_MS = 1_704_412_823_000


def random_ticks(
    seed: int, rows: int = 400, venues: int = 3, pairs: int = 2, spacing_ms: float = 4000.0, missing: float = 0.1, delay_ms: float = 3000.0,
    gap_share: float = 0.005,
) -> TickFrame:
    """Return checked ticks in the order of knowing.

    Args:
        seed: of everything.
        rows: in all streams together.
        spacing_ms: mean time between two ticks of one stream.
        missing: share of values that each optional column lacks.
        delay_ms: mean time from happening to knowing; makes some ticks late.
        gap_share: share of ticks before which nothing happens for 2 to 15 minutes.
    """
    rng = np.random.default_rng(seed)
    steps = rng.exponential(spacing_ms / (venues * pairs), rows)
    steps[rng.random(rows) < 0.1] = 0.0
    gaps = rng.random(rows) < gap_share
    steps[gaps] = rng.uniform(120_000, 900_000, gaps.sum())
    ts_ms = START_MS + np.cumsum(steps).astype(np.int64)
    venue, pair = rng.integers(venues, size=rows), rng.integers(pairs, size=rows)
    log_price = np.cumsum(rng.normal(0, 3e-4, rows)) + pair * 3.0 + rng.normal(0, 8e-4, rows) * (rng.random(rows) < 0.5)

    def optional(values: "np.typing.NDArray[np.float64]") -> "np.typing.NDArray[np.float64]":
        return np.where(rng.random(rows) < missing, np.nan, values)

    df = pd.DataFrame({
        "ts_known_ms": ts_ms + rng.exponential(delay_ms, rows).astype(np.int64) if delay_ms else ts_ms,
        "ts_ms": ts_ms,
        "venue": [f"venue{v}" for v in venue],
        "pair": [f"BASE{p}/USD" for p in pair],
        "price": 100.0 * np.exp(log_price),
        "fee_bps": optional(rng.choice([1.0, 5.0, 30.0], rows)),
        "volume": optional(rng.exponential(1000.0, rows) * (rng.random(rows) < 0.8)),
        "liquidity": optional(rng.uniform(1e4, 1e6, rows)),
        "gas_price_gwei": optional(rng.choice([0.0, 10.0, 12.5, 20.0, 33.0], rows)),
        "reserve_base": optional(rng.uniform(10, 100, rows)),
        "reserve_quote": optional(rng.uniform(1e4, 1e6, rows)),
        "block_number": optional(np.floor((ts_ms - START_MS) / 12_000)),
        "log_index": rng.integers(3, size=rows),
    })
    return sort_by_knowing(TICKS.check(df))
