"""Writes the golden values of the backtest: `python -m tests.backtest.regenerate` after a deliberate change of what it assumes."""

import json
from pathlib import Path
from typing import Any

from arbml.backtest import Backtester, BacktestResult, GrossStrategy, RuleStrategy, Strategy
from arbml.config import BacktestConfig, CostsConfig
from arbml.frames import TickFrame, sort_by_knowing, ticks_to_frame
from arbml.market import Tick

GOLDEN = Path(__file__).parents[1] / "golden" / "backtest.json"
COSTS = CostsConfig(inclusion_delay_ms=4_000)
CONFIGS: dict[str, dict[str, Any]] = {
    "as it comes": {},
    "linear, average gas, two under way": {"slippage": "linear", "gas": "average", "max_open": 2, "competitors_per_minute": 0.0},
    "inventories, each tick": {"inventory": 3_000.0, "step_ms": 0, "rebalance_s": 60},
}


def ticks() -> TickFrame:
    """Half an hour of three venues, from whole numbers only."""
    out = []
    for i in range(1_800):
        venue, step = i % 3, i // 3
        ts_ms = 1_704_412_800_000 + 3_000 * step + 40 * venue
        slow = step // 5
        wave = (slow * slow * (venue + 3)) % 97 - 48 if (slow // 4) % 3 == venue else 0
        price = 2_000 + wave / 2 + ((step * 7) % 31) / 16
        reserve = 400_000.0 * (venue + 1)
        out.append(Tick(
            ts_ms=ts_ms, ts_known_ms=ts_ms + 100 * ((i * 5) % 9), venue="abc"[venue], pair="WETH/USDC", price=price,
            fee_bps=5.0 + 5 * venue, gas_price_gwei=10.0 + (step // 25) % 6, reserve_quote=reserve, reserve_base=reserve / price,
        ))  # fmt: skip
    return sort_by_knowing(ticks_to_frame(out))


def strategies() -> list[Strategy]:
    """The two that need no model."""
    return [RuleStrategy(COSTS), GrossStrategy(COSTS, amount_in=5_000.0)]


def summary(result: BacktestResult) -> dict[str, Any]:
    """What a run came to, and its first trades."""
    trades = result.trades
    columns = ["request_id", "decided_ms", "landed_ms", "known_ms", "route", "result", "amount_in", "gas_cost", "net_profit", "competed"]
    return {
        "counts": result.counts,
        "n": [result.n_ticks, result.n_moments, result.n_opportunities],
        "period": [result.start_ms, result.end_ms],
        "results": {str(name): int(n) for name, n in trades["result"].value_counts().sort_index().items()},
        "balances": {" ".join(key): atoms for key, atoms in result.ledger.balances.items()},
        "first": json.loads(trades[columns].head(8).to_json(orient="values", double_precision=9)),
    }


def golden() -> dict[str, Any]:
    """All runs by configuration and strategy."""
    return {
        f"{name}: {one.name}": summary(Backtester(COSTS, BacktestConfig(**changes)).run(ticks(), one))
        for name, changes in CONFIGS.items()
        for one in strategies()
    }


if __name__ == "__main__":
    GOLDEN.write_text(json.dumps(golden(), indent=1) + "\n")
