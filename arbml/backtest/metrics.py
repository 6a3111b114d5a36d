"""What a backtest came to, in figures. Each has a unit and a meaning in `arbml.backtest.figures`; what cannot be computed says why."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from arbml.backtest.blocks import YEAR_S, block_length_s, equity_increments
from arbml.backtest.drawdown import drawdown
from arbml.backtest.ratios import MIN_BLOCKS, deflated_sharpe, moments, probabilistic_sharpe, sortino
from arbml.backtest.results import BacktestResult
from arbml.evaluation import Reliability, reliability
from arbml.market import Variant
from arbml.models.proportion import wilson

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Metrics:
    """All figures of one backtest; None where a figure does not exist, with the reason in `why`. Money is in `token`."""

    token: str
    attempts: int
    successes: int
    reverts: int
    failed: int
    win_rate: float | None
    win_rate_low: float | None
    win_rate_high: float | None
    gross_profit: float
    fees: float
    slippage: float
    gas: float
    gas_on_reverts: float
    other_costs: float
    net_profit: float
    return_on_capital: float
    average_profit: float | None
    best_trade: float | None
    worst_trade: float | None
    profit_factor: float | None
    turnover: float
    average_hold_s: float | None
    max_drawdown: float
    max_drawdown_share: float
    longest_drawdown_s: float
    block_s: int
    blocks: int
    sharpe: float | None
    sortino: float | None
    skewness: float | None
    kurtosis: float | None
    probabilistic_sharpe: float | None
    deflated_sharpe: float | None
    trials: int
    promised_profit: float
    judged: int
    expected_profit: float | None
    realised_profit: float | None
    brier: float | None
    calibration_error: float | None
    why: Mapping[str, str]

    def to_dict(self) -> dict[str, Any]:
        """Plain data, ready for JSON."""
        return asdict(self) | {"why": dict(self.why)}


def metrics(result: BacktestResult, trials: int = 1) -> Metrics:
    """Return the figures of a backtest.

    Args:
        result: of one arm.
        trials: how many strategies or settings were tried on these data, this one included; deflates the Sharpe ratio.

    Raises:
        ValueError: if trials is below 1.
    """
    if trials < 1:
        raise ValueError(f"trials counts this one too, so that it is at least 1, not {trials}")
    why: dict[str, str] = {}
    money = _money(result)
    fall = drawdown(result.equity["ts_ms"].to_numpy(np.int64), result.equity["equity"].to_numpy(np.float64))
    return Metrics(
        token=result.token,
        **_counts(result.trades, why),
        **money,
        return_on_capital=money["net_profit"] / result.capital,
        **_per_trade(result, why),
        max_drawdown=fall.amount,
        max_drawdown_share=fall.share,
        longest_drawdown_s=fall.longest_s,
        **_ratios(result, trials, why),
        trials=trials,
        **_honesty(result.trades, why),
        why=why,
    )


def win_rate_interval(won: int, n: int) -> tuple[float, float]:
    """Return the 95 % interval of the share that won; NaN without cases."""
    low, high = wilson(won / n if n else math.nan, n)
    return float(low), float(high)


def landed(trades: pd.DataFrame) -> "pd.Series[bool]":
    """Return which attempts were included in a block and paid for it."""
    return trades["result"] != "failed"


def _counts(trades: pd.DataFrame, why: dict[str, str]) -> dict[str, Any]:
    by_result = trades["result"].value_counts()
    n, won = len(trades), int(by_result.get("success", 0))
    low, high = win_rate_interval(won, n)
    if not n:
        why |= dict.fromkeys(("win_rate", "win_rate_low", "win_rate_high"), "no attempt was made")
    return {
        "attempts": n,
        "successes": won,
        "reverts": int(by_result.get("reverted", 0)),
        "failed": int(by_result.get("failed", 0)),
        "win_rate": won / n if n else None,
        "win_rate_low": low if n else None,
        "win_rate_high": high if n else None,
    }


def _money(result: BacktestResult) -> dict[str, Any]:
    """Return where the money went: gross - fees - slippage - gas - other = net, which is what the equity gained.

    What did not happen has neither gross profit nor fees nor slippage, and its gas only if it landed.
    """
    trades, equity = result.trades, result.equity["equity"].to_numpy(np.float64)
    net = float(equity[-1] - equity[0]) if len(equity) else 0.0
    gross, fees, slippage = (float(trades[name].sum()) for name in ("gross_profit", "fee_cost", "slippage_cost"))
    gas = float(trades["gas_cost"].sum())
    other = gross - fees - slippage - gas - net
    scale = max(1.0, abs(gross), abs(net), gas)
    return {
        "gross_profit": gross,
        "fees": fees,
        "slippage": slippage,
        "gas": gas,
        "gas_on_reverts": float(trades.loc[trades["result"] == "reverted", "gas_cost"].sum()),
        "other_costs": 0.0 if abs(other) < 1e-6 * scale else other,
        "net_profit": net,
    }


def _per_trade(result: BacktestResult, why: dict[str, str]) -> dict[str, Any]:
    trades = result.trades
    net = trades["net_profit"].to_numpy(np.float64)
    lost = float(-net[net < 0].sum())
    if not len(net):
        why |= dict.fromkeys(("average_profit", "best_trade", "worst_trade", "average_hold_s"), "no attempt was made")
    if lost == 0.0:
        why["profit_factor"] = "no attempt lost money" if len(net) else "no attempt was made"
    used = trades["amount_in"].to_numpy(np.float64)[landed(trades).to_numpy(dtype=bool)]
    hold_ms = (trades["known_ms"] - trades["decided_ms"]).to_numpy(np.float64)
    return {
        "average_profit": float(net.mean()) if len(net) else None,
        "best_trade": float(net.max()) if len(net) else None,
        "worst_trade": float(net.min()) if len(net) else None,
        "profit_factor": float(net[net > 0].sum()) / lost if lost > 0 else None,
        "turnover": float(used.sum()) / result.capital,
        "average_hold_s": float(hold_ms.mean()) / 1000 if len(net) else None,
    }


def _ratios(result: BacktestResult, trials: int, why: dict[str, str]) -> dict[str, Any]:
    block_s = block_length_s(result.start_ms, result.end_ms)
    increments = equity_increments(result.equity, result.start_ms, result.end_ms, block_s) / result.capital
    found = moments(increments)
    names = ("sharpe", "sortino", "skewness", "kurtosis", "probabilistic_sharpe", "deflated_sharpe")
    values: dict[str, Any] = {"block_s": block_s, "blocks": found.n, **dict.fromkeys(names)}
    if found.n < MIN_BLOCKS:
        return values | _without(why, names, f"the period has {found.n} blocks of {block_s} s, {MIN_BLOCKS} are needed")
    if not found.deviation > 0:
        return values | _without(why, names, "the equity never moved" if not increments.any() else "the equity moved evenly")
    yearly = math.sqrt(YEAR_S / block_s)
    down = sortino(increments)
    if math.isnan(down):
        why["sortino"] = "no block lost money"
    shape = (found.sharpe, found.n, found.skewness, found.kurtosis)
    probable, deflated = probabilistic_sharpe(*shape), deflated_sharpe(*shape, trials)
    if math.isnan(probable):
        _without(why, names[-2:], "skewness and kurtosis of so few trades give no variance of the ratio")
    return values | {
        "sharpe": found.sharpe * yearly,
        "sortino": None if math.isnan(down) else down * yearly,
        "skewness": found.skewness,
        "kurtosis": found.kurtosis,
        "probabilistic_sharpe": None if math.isnan(probable) else probable,
        "deflated_sharpe": None if math.isnan(deflated) else deflated,
    }


def _without(why: dict[str, str], names: tuple[str, ...], reason: str) -> dict[str, Any]:
    why |= dict.fromkeys(names, reason)
    return {}


def _honesty(trades: pd.DataFrame, why: dict[str, str]) -> dict[str, Any]:
    """Return whether what was promised came true: by the finder for all attempts, by models for those that they judged."""
    given = judged_by_model(trades)
    promised = float(trades["expected_net"].sum())
    if given.empty:
        names = ("expected_profit", "realised_profit", "brier", "calibration_error")
        why |= dict.fromkeys(names, "no attempt was judged by a model" if len(trades) else "no attempt was made")
        return {"promised_profit": promised, "judged": 0, **dict.fromkeys(names)}
    success, probability = outcomes(given)
    return {
        "promised_profit": promised,
        "judged": len(given),
        "expected_profit": float(given["expected_profit"].sum()),
        "realised_profit": float(given["net_profit"].sum()),
        "brier": float(np.mean((probability - success) ** 2)),
        "calibration_error": reliability_of(given).error,
    }


def judged_by_model(trades: pd.DataFrame) -> pd.DataFrame:
    """Return the attempts on which a promoted model gave its word, rather than a baseline or nobody."""
    return trades[trades["success_probability"].notna() & trades["variant"].notna() & (trades["variant"] != Variant.BASELINE.value)]


def reliability_of(judged: pd.DataFrame) -> Reliability:
    """Return given beside observed success, in 2 to 10 bins of at least 20 attempts where there are so many."""
    return reliability(*outcomes(judged), bins=max(2, min(10, len(judged) // 20)))


def outcomes(judged: pd.DataFrame) -> tuple[Floats, Floats]:
    """Return (n,) whether each attempt succeeded, 0 or 1, and the probability that it was given."""
    return (judged["result"] == "success").to_numpy(np.float64), judged["success_probability"].to_numpy(np.float64)
