"""The feature engine beside pandas (batch) and numpy (one tick): the peers compute the part of the features they have words for."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from arbml.clock import stopwatch_s
from arbml.features import FEATURE_NAMES, FeatureStream, compute_features
from arbml.frames import TICKS, TickFrame, frame_to_ticks, sort_by_knowing
from arbml.market import Tick
from benchmarks.figures import Figure, median_seconds

Floats = npt.NDArray[np.float64]
VENUES = ("uniswap_v3_5bps", "uniswap_v3_30bps", "sushiswap", "binance")
PEER_FEATURES = 14
FIRST = """
import json, sys
from arbml.clock import stopwatch_s
from arbml.features import FeatureStream
from arbml.market import Tick
start = stopwatch_s()
FeatureStream().update(Tick(0, "a", "B/Q", 2.0, ts_known_ms=0))
print(json.dumps(stopwatch_s() - start))
"""


def run(rows: int = 200_000, updates: int = 20_000, repeats: int = 3) -> list[Figure]:
    """Measure with `rows` ticks in the batch and `updates` ticks one by one, of four venues, one tick each in 5 s."""
    ticks = _ticks(rows)
    compute_features(ticks.head(1000))  # compiled, or loaded, before the clock starts
    ours, peer = median_seconds(repeats, lambda: compute_features(ticks), lambda: _pandas(ticks))
    every = len(FEATURE_NAMES)
    note = f"{rows:,} ticks of four venues, 60 in five minutes; ours {every} features, the peer {PEER_FEATURES} of them, in running sums"
    return [
        Figure("features of a frame, rows", rows / ours, "rows/s", "pandas rolling", rows / peer, note),
        Figure("features of a frame, values", every * rows / ours, "values/s", "pandas rolling", PEER_FEATURES * rows / peer, note),
        *_stream(frame_to_ticks(ticks.head(updates))),
        *_first(),
    ]


def _stream(ticks: list[Tick]) -> list[Figure]:
    ours, peer = _update_us(FeatureStream().update, ticks), _update_us(_NumpyWindows().update, ticks)
    note = f"{len(ticks):,} ticks after each other; ours {len(FEATURE_NAMES)} features, the peer {PEER_FEATURES} of them"
    figures = []
    for name, q in (("median", 50), ("99th percentile", 99)):
        value, peer_value = float(np.percentile(ours, q)), float(np.percentile(peer, q))
        figures.append(Figure(f"features of one tick, {name}", value, "us", "numpy on the window", peer_value, note))
    return figures


def _update_us(update: Callable[[Tick], object], ticks: list[Tick]) -> Floats:
    taken = np.empty(len(ticks))
    for i, tick in enumerate(ticks):
        start = stopwatch_s()
        update(tick)
        taken[i] = stopwatch_s() - start
    return taken[len(ticks) // 5 :] * 1e6  # the first windows are short


def _first() -> list[Figure]:
    with tempfile.TemporaryDirectory(prefix="arbml-bench-") as folder:
        environment = {**os.environ, "NUMBA_CACHE_DIR": folder}
        compiled, loaded = (
            float(json.loads(subprocess.run([sys.executable, "-c", FIRST], env=environment, capture_output=True, check=True).stdout))
            for _ in range(2)
        )
    note = "numba is imported in both; one run each"
    return [Figure("first features of a process", loaded, "s", "the same, to be compiled", compiled, note)]


def _pandas(ticks: TickFrame) -> pd.DataFrame:
    """What a notebook would write: rolling windows by time, venue by venue."""
    parts = []
    for _, rows in ticks.groupby("venue", sort=False):
        df = rows.set_index(pd.to_datetime(rows["ts_ms"], unit="ms"))
        log_price, long, short = np.log(df["price"]), df.rolling("300s"), df.rolling("60s")
        out = {}
        for seconds in (5, 60, 300):
            before = log_price.reindex(df.index - pd.Timedelta(seconds=seconds), method="ffill")
            out[f"momentum_{seconds}"] = log_price - before.to_numpy()
        volume = long["volume"].mean()
        out["volume_ma"], out["volume_ratio"] = np.log1p(volume), df["volume"] / volume
        vwap = (df["volume"] * df["price"]).rolling("300s").sum() / long["volume"].sum()
        out["vwap_deviation"] = np.log(df["price"] / vwap)
        out["liquidity_ratio"] = np.log(df["liquidity"] / long["liquidity"].mean())
        dispersion = log_price.rolling("300s").std()
        out["price_dispersion_bps"] = 1e4 * dispersion
        out["price_dispersion_trend"] = np.log(log_price.rolling("60s").std() / dispersion)
        out["gas_level"] = np.log(df["gas_price_gwei"])
        out["gas_percentile"] = df["gas_price_gwei"].rolling("600s").rank(pct=True)
        out["gas_trend"] = np.log(short["gas_price_gwei"].mean() / long["gas_price_gwei"].mean())
        out["realized_volatility"] = np.sqrt((log_price.diff() ** 2).rolling("300s").sum() / 300)
        out["mempool_congestion"] = (1 - df["gas_price_gwei"].rolling("600s").median() / df["gas_price_gwei"]).clip(lower=0)
        assert len(out) == PEER_FEATURES
        parts.append(pd.DataFrame(out))
    return pd.concat(parts)


@dataclass
class _NumpyWindows:
    """The same part of the features for one tick: numpy on the last ten minutes of its venue."""

    blocks: dict[str, Floats] = field(default_factory=dict)

    def update(self, tick: Tick) -> Floats:
        now = (tick.ts_ms, np.log(tick.price), tick.price, tick.volume, tick.liquidity, tick.gas_price_gwei)
        block = np.vstack((self.blocks.get(tick.venue, np.empty((0, 6))), np.array([now], dtype=np.float64)))
        block = self.blocks[tick.venue] = block[np.searchsorted(block[:, 0], tick.ts_ms - 600_000, "right") :]
        ts, log_price, price, volume, depth, gas = block.T
        limits = [np.searchsorted(ts, tick.ts_ms - h, "right") for h in (5_000, 60_000, 300_000)]
        momentum = [log_price[-1] - log_price[max(i - 1, 0)] for i in limits]
        short, long = slice(limits[1], None), slice(limits[2], None)
        mean, dispersion = volume[long].mean(), log_price[long].std()
        with np.errstate(all="ignore"):
            return np.array([
                *momentum, np.log1p(mean), volume[-1] / mean, np.log(price[-1] * volume[long].sum() / (volume[long] * price[long]).sum()),
                np.log(depth[-1] / depth[long].mean()), 1e4 * dispersion, np.log(log_price[short].std() / dispersion), np.log(gas[-1]),
                (gas <= gas[-1]).mean(), np.log(gas[short].mean() / gas[long].mean()),
                np.sqrt((np.diff(log_price[long]) ** 2).sum() / 300), max(0.0, 1 - np.median(gas) / gas[-1]),
            ])


def _ticks(rows: int) -> TickFrame:
    rng = np.random.default_rng(0)
    step = np.arange(rows) // len(VENUES)
    return sort_by_knowing(TICKS.check(pd.DataFrame({
        "ts_ms": 1_700_000_000_000 + step * 5_000,
        "ts_known_ms": 1_700_000_000_250 + step * 5_000,
        "venue": np.array(VENUES, dtype=object)[np.arange(rows) % len(VENUES)],
        "pair": "WETH/USDC",
        "price": 2_000 * np.exp(np.cumsum(rng.normal(0, 1e-4, rows))),
        "fee_bps": 5.0,
        "volume": rng.exponential(1e4, rows),
        "liquidity": rng.uniform(1e6, 2e6, rows),
        "gas_price_gwei": rng.gamma(20.0, 1.0, rows),
    })))
