"""Small markets for the tests of the backtest, and strategies that do one thing."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from arbml.backtest import Order, View, Wake
from arbml.config import BacktestConfig, CostsConfig, changed
from arbml.frames import TICKS, TickFrame, sort_by_knowing
from arbml.market import Execution, Opportunity, Tick, best_opportunity

START_MS = 1_704_412_800_000
COSTS = CostsConfig(native_price_quote=2_000.0, inclusion_delay_ms=5_000)
PLAIN = BacktestConfig(competitors_per_minute=0.0, impact_half_life_s=0.0, priority_gwei=0.0, gas_percentile=100.0)
"""Nothing but delay, fees, swap mathematics and gas."""


def two_venues(
    *rows: tuple[float, float, float], fee_bps: float = 0.0, depth: float | None = None, gas: float = 10.0, pair: str = "WETH/USDC"
) -> TickFrame:
    """Ticks of (second, price on a, price on b), known at once; with `depth`, pools of so much quote."""
    frames = [
        pd.DataFrame({"ts_ms": [START_MS + round(1_000 * r[0]) for r in rows], "venue": venue, "price": [r[k] for r in rows]})
        for k, venue in ((1, "a"), (2, "b"))
    ]
    ticks = pd.concat(frames).assign(pair=pair, fee_bps=fee_bps, gas_price_gwei=gas, ts_known_ms=lambda df: df["ts_ms"])
    if depth is not None:
        ticks = ticks.assign(reserve_quote=depth, reserve_base=lambda df: depth / df["price"])
    return sort_by_knowing(TICKS.check(ticks))


def walk(seed: int = 0, steps: int = 2_000, step_s: float = 2.0, venues: int = 3, latency_ms: int = 300) -> TickFrame:
    """Pools that follow one price with gaps of their own that close again, and gas prices that drift."""
    rng = np.random.default_rng(seed)
    ts = START_MS + (1_000 * step_s * np.arange(steps)).astype(np.int64)
    level = np.cumsum(rng.normal(0, 3e-4, steps))
    gas = 10.0 * np.exp(np.cumsum(rng.normal(0, 0.01, steps)))
    frames = []
    for venue in range(venues):
        gap = np.zeros(steps)
        for i in range(1, steps):
            gap[i] = 0.97 * gap[i - 1] + rng.normal(0, 6e-4)
        price, depth = 2_000.0 * np.exp(level + gap), 1e6 * (1 + venue)
        frames.append(pd.DataFrame({
            "ts_ms": ts, "ts_known_ms": ts + rng.integers(0, latency_ms + 1, steps), "venue": f"venue{venue}", "pair": "WETH/USDC",
            "price": price, "fee_bps": 5.0, "gas_price_gwei": gas, "reserve_quote": depth, "reserve_base": depth / price,
            "chain_id": 1.0, "volume": rng.exponential(1e3, steps),
        }))  # fmt: skip
    return sort_by_knowing(TICKS.check(pd.concat(frames)))


class Scripted:
    """Sends what a function says; keeps what it saw and learnt."""

    wakes = Wake.ALL
    listens = True

    def __init__(self, send: Callable[[View, int], Sequence[Order]], name: str = "scripted", **attributes: Any) -> None:
        self.name, self._send = name, send
        self.ticks: list[Tick] = []
        self.log: list[tuple[str, Any]] = []
        self.executions: list[Execution] = []
        for key, value in attributes.items():
            setattr(self, key, value)

    def start(self, view: View) -> None:
        self.view = view

    def observe(self, ticks: Sequence[Tick]) -> None:
        self.ticks += ticks
        self.log.append(("observe", [tick.ts_known_ms for tick in ticks]))

    def decide(self, now_ms: int) -> Sequence[Order]:
        self.log.append(("decide", now_ms))
        return self._send(self.view, now_ms)

    def settle(self, execution: Execution) -> None:
        self.executions.append(execution)
        self.log.append(("settle", execution.ts_known_ms))


def found(view: View, costs: CostsConfig = COSTS, amount_in: float | None = None, pair: str = "WETH/USDC") -> Opportunity | None:
    """The best opportunity that a strategy sees."""
    return best_opportunity(view.pools(pair), costs, view.now_ms, amount_in)


def once(at_s: float = 0.0, amount_in: float | None = None, costs: CostsConfig = COSTS, bid_gwei: float | None = None) -> Scripted:
    """Sends the best opportunity of one moment."""

    def send(view: View, now_ms: int) -> list[Order]:
        best = found(view, costs, amount_in) if now_ms == START_MS + round(1_000 * at_s) else None
        return [Order("one", best, bid_gwei=bid_gwei)] if best is not None else []

    return Scripted(send)


def settings(**changes: Any) -> BacktestConfig:
    """PLAIN, but for the changes."""
    return changed(PLAIN, **changes)
