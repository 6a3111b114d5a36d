"""Results of backtests made by hand, so that every figure can be worked out on paper."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from arbml.backtest.ledger import CAPITAL, CASH, MARKET, Ledger, to_atoms
from arbml.backtest.results import BacktestResult, EquityPoint, Trade, frame_of

START_MS = 1_704_067_200_000
HOUR_MS = 3_600_000
CAPITAL_USDC = 10_000.0


def trade(at_s: int, result: str = "success", **changes: Any) -> Trade:
    """One attempt decided `at_s` after the start: a success makes 10 - 3 - 1 - 2 = 4, a revert loses 1.4, a failure nothing."""
    parts = {"success": (10.0, 3.0, 1.0, 2.0), "reverted": (0.0, 0.0, 0.0, 1.4), "failed": (0.0, 0.0, 0.0, 0.0)}[result]
    gross, fees, slippage, gas = parts
    decided_ms = START_MS + at_s * 1000
    fields: dict[str, Any] = {
        "request_id": f"r{at_s}", "decided_ms": decided_ms, "landed_ms": decided_ms + 5_000, "known_ms": decided_ms + 6_000,
        "route": "buy:uniswap>sell:curve WETH/USDC", "pair": "WETH/USDC", "buy_venue": "uniswap", "sell_venue": "curve",
        "result": result, "amount_in": 2_000.0, "gross_profit": gross, "fee_cost": fees, "slippage_cost": slippage, "gas_cost": gas,
        "net_profit": gross - fees - slippage - gas, "expected_net": 4.5, "success_probability": 0.8, "expected_profit": 3.0,
        "recommendation": "EXECUTE", "variant": "champion", "gas_price_gwei": 8.0, "competed": False,
        "capital_before": CAPITAL_USDC, "shrunk": False,
    }  # fmt: skip
    return Trade(**{**fields, **changes})


def result(trades: Sequence[Trade], hours: float = 10.0, name: str = "bot", **changes: Any) -> BacktestResult:
    """What these trades come to, booked when they became known."""
    end_ms = START_MS + int(hours * HOUR_MS)
    ledger, value = Ledger("USDC"), CAPITAL_USDC
    ledger.book(START_MS, "", "funding", {CASH: to_atoms(value), CAPITAL: -to_atoms(value)})
    points = [EquityPoint(START_MS, value, value, 0.0)]
    for one in sorted(trades, key=lambda t: t.known_ms):
        ledger.book(one.known_ms, one.request_id, one.result, {CASH: to_atoms(one.net_profit), MARKET: -to_atoms(one.net_profit)})
        value += one.net_profit
        points.append(EquityPoint(one.known_ms, value, value, 0.0))
    points.append(EquityPoint(max(end_ms, points[-1].ts_ms), value, value, 0.0))
    fields: dict[str, Any] = {
        "name": name, "token": "USDC", "capital": CAPITAL_USDC, "start_ms": START_MS, "end_ms": end_ms, "step_ms": 1000,
        "n_ticks": 21_600, "n_moments": 7_200, "n_opportunities": 900, "trades": frame_of(trades, Trade),
        "equity": frame_of(points, EquityPoint), "ledger": ledger, "counts": {"sent": len(trades)},
        "settings": {"capital": CAPITAL_USDC, "slippage": "exact"}, "notes": (),
    }  # fmt: skip
    return BacktestResult(**{**fields, **changes})


def empty_trades() -> pd.DataFrame:
    """The trades of a bot that sent nothing."""
    return frame_of([], Trade)
