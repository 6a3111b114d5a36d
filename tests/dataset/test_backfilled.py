"""A backfill teaches what the same blocks, collected live, would have taught; nothing else is touched."""

import numpy as np
import pandas as pd
from pandas.testing import assert_frame_equal

from arbml.config import VolatilityConfig
from arbml.dataset import as_if_live, volatility_dataset
from arbml.frames import TICKS, TickFrame, sort_by_knowing

LAG = 2_000


def ticks_of(n: int, known_ms: "np.ndarray | int", rng: np.random.Generator) -> TickFrame:
    """Two pools of one chain, each with a tick in every block of 5 s."""
    blocks = np.repeat(np.arange(n), 2)
    return sort_by_knowing(TICKS.check(pd.DataFrame({
        "ts_ms": blocks * 5_000, "ts_known_ms": known_ms, "venue": np.tile(["a", "b"], n), "pair": "WETH/USDC",
        "price": 2_000 * np.exp(np.cumsum(rng.normal(0, 1e-4, 2 * n))), "chain_id": 1.0, "block_number": blocks.astype(float),
        "log_index": blocks * 65_536, "fee_bps": 5.0,
    })))  # fmt: skip


def blocks_of(ticks: TickFrame) -> pd.DataFrame:
    named = ticks.rename(columns={"block_number": "number"})
    return named[["chain_id", "number", "ts_ms", "ts_known_ms"]].drop_duplicates().astype("int64")


def test_a_backfill_gives_the_data_set_that_live_collection_would_have_given() -> None:
    n = 4_000
    live = ticks_of(n, np.repeat(np.arange(n) * 5_000 + LAG, 2), np.random.default_rng(1))
    read_later = ticks_of(n, 10**9 + np.repeat(np.arange(n), 2), np.random.default_rng(1))
    seen = as_if_live(read_later, blocks_of(read_later), LAG)
    assert_frame_equal(seen, live)
    one, other = (volatility_dataset(ticks, VolatilityConfig()) for ticks in (live, seen))
    assert one.data_hash == other.data_hash


def test_only_ticks_read_with_a_late_block_change() -> None:
    ticks = ticks_of(6, 10**9, np.random.default_rng(1))
    # a file may name the same blocks, and says itself when it was known
    live = TICKS.check(ticks.assign(venue="file", ts_known_ms=ticks["ts_ms"] + 3_600_000))
    other = TICKS.check(ticks.assign(venue="sim", chain_id=np.nan, block_number=np.nan))
    every = sort_by_knowing(pd.concat([ticks, live, other], ignore_index=True))
    seen = as_if_live(every, blocks_of(ticks), LAG).set_index(["venue", "log_index"])["ts_known_ms"].sort_index()
    was = every.set_index(["venue", "log_index"])["ts_known_ms"].sort_index()
    assert (seen[["file", "sim"]] == was[["file", "sim"]]).all()
    assert (seen[["a"]] == np.arange(6) * 5_000 + LAG).all()


def test_nothing_becomes_known_later_than_it_was_and_no_late_blocks_change_nothing() -> None:
    ticks = ticks_of(3, np.repeat(np.arange(3) * 5_000 + 100, 2), np.random.default_rng(1))
    assert_frame_equal(as_if_live(ticks, blocks_of(ticks), LAG), ticks)
    assert as_if_live(ticks, blocks_of(ticks).iloc[:0], LAG) is ticks
