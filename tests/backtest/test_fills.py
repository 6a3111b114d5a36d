"""Each way in which an attempt can end, computed by hand."""

import math
from typing import Any

import pandas as pd
import pytest

from arbml.backtest import Backtester, BacktestResult, GrossStrategy, Order, View
from arbml.config import CostsConfig, changed
from arbml.errors import DataError
from arbml.frames import TickFrame
from arbml.market import Opportunity, Result, amount_out
from arbml.market.routes import Hop, price_route
from tests.backtest.markets import COSTS, START_MS, Scripted, once, settings, two_venues

GAS = 240_000 * 10e-9 * 2_000.0  # 4.8: two swaps at 10 gwei
AMOUNT = 2_000.0


def run(ticks: TickFrame, strategy: Scripted, costs: CostsConfig = COSTS, **changes: object) -> BacktestResult:
    return Backtester(costs, settings(**changes)).run(ticks, strategy)


def trade(result: BacktestResult) -> dict[str, Any]:
    assert len(result.trades) == 1
    return dict(result.trades.iloc[0])


def test_success_pays_what_it_meets_and_not_what_it_saw() -> None:
    ticks = two_venues((0, 2000.0, 2020.0), (4, 2000.0, 2000.0), (12, 2000.0, 2030.0), (24, 2000.0, 2000.0), fee_bps=10.0)
    result = run(ticks, once(amount_in=AMOUNT))
    got = trade(result)
    gross = AMOUNT * (2030 / 2000 - 1)
    fees = (AMOUNT + gross) * (1 - 0.999**2)
    assert (got["decided_ms"], got["landed_ms"], got["known_ms"]) == (START_MS, START_MS + 12_000, START_MS + 12_000)
    assert got["result"] == "success"
    assert got["gross_profit"] == pytest.approx(gross)
    assert got["fee_cost"] == pytest.approx(fees)
    assert got["slippage_cost"] == 0.0
    assert got["gas_cost"] == pytest.approx(GAS)
    assert got["net_profit"] == pytest.approx(gross - fees - GAS)
    assert got["expected_net"] == pytest.approx(20.0 - (AMOUNT + 20.0) * (1 - 0.999**2) - GAS)
    assert result.final_equity == pytest.approx(100_000.0 + gross - fees - GAS)
    assert result.counts == {"sent": 1, "shrunk": 0, "dropped_max_open": 0, "dropped_capital": 0, "unsettled": 0}


def test_revert_pays_its_part_of_the_gas_and_nothing_else() -> None:
    strategy = once(amount_in=AMOUNT)
    result = run(two_venues((0, 2000.0, 2020.0), (6, 2000.0, 2004.0)), strategy)  # 4 is left of the edge, gas takes 4.8
    got = trade(result)
    assert got["result"] == "reverted"
    assert got["net_profit"] == pytest.approx(-0.7 * GAS)
    assert (got["gross_profit"], got["fee_cost"], got["slippage_cost"]) == (0.0, 0.0, 0.0)
    assert got["gas_cost"] == pytest.approx(0.7 * GAS)
    assert result.final_equity == pytest.approx(100_000.0 - 0.7 * GAS)
    told, = strategy.executions
    assert (told.result, told.profit, told.gas_used) == (Result.REVERTED, pytest.approx(-0.7 * GAS), pytest.approx(0.7 * 240_000))
    assert (told.ts_ms, told.ts_known_ms, told.latency_ms) == (START_MS, START_MS + 6_000, 6_000.0)


def test_exact_slippage_is_the_swap_mathematics() -> None:
    result = run(two_venues((0, 2000.0, 2020.0), (6, 2000.0, 2030.0), fee_bps=5.0, depth=1e6), once(amount_in=AMOUNT))
    base = amount_out(AMOUNT, 1e6, 1e6 / 2000.0, 5.0)
    out = amount_out(base, 1e6 / 2030.0, 1e6, 5.0)
    got = trade(result)
    assert got["net_profit"] == pytest.approx(out - AMOUNT - GAS)
    assert got["slippage_cost"] == pytest.approx((AMOUNT * 2030 / 2000) * 0.9995**2 - out)


@pytest.mark.parametrize(("model", "per_leg_bps"), [("none", (0.0, 0.0)), ("linear", (1.0, 1.015)), ("quadratic", (0.2, 0.2 * 1.015**2))])
def test_the_other_slippage_models(model: str, per_leg_bps: tuple[float, float]) -> None:
    """2,000 of a depth of a million are 0.2 percent on the first leg, and 2,030 on the second."""
    ticks = two_venues((0, 2000.0, 2020.0), (6, 2000.0, 2030.0), depth=1e6)
    got = trade(run(ticks, once(amount_in=AMOUNT), slippage=model, slippage_bps=5.0))
    kept = math.prod(1 - bps / 1e4 for bps in per_leg_bps)
    assert got["gross_profit"] == pytest.approx(30.0)
    assert got["slippage_cost"] == pytest.approx(2_030.0 * (1 - kept), abs=1e-9)
    assert got["net_profit"] == pytest.approx(30.0 - 2_030.0 * (1 - kept) - GAS)


def test_a_pool_of_unknown_depth_is_taken_for_one_percent() -> None:
    got = trade(run(two_venues((0, 2000.0, 2020.0), (6, 2000.0, 2030.0)), once(amount_in=AMOUNT), slippage="linear", slippage_bps=5.0))
    assert got["slippage_cost"] == pytest.approx(2_030.0 * (1 - 0.9995**2), abs=1e-9)


def gas_market() -> TickFrame:
    """10 gwei, then 20, then 30 at landing."""
    ticks = two_venues((0, 2000.0, 2000.0), (60, 2000.0, 2200.0), (66, 2000.0, 2200.0), (80, 2000.0, 2000.0))
    return ticks.assign(gas_price_gwei=[10.0, 10.0, 20.0, 20.0, 30.0, 30.0, 30.0, 30.0])


def test_average_gas_pays_the_mean_of_what_was_known() -> None:
    got = trade(run(gas_market(), once(60, AMOUNT), gas="average"))
    assert got["gas_price_gwei"] == 15.0
    assert got["gas_cost"] == pytest.approx(GAS * 1.5)
    assert got["net_profit"] == pytest.approx(200.0 - GAS * 1.5)


@pytest.mark.parametrize(
    ("percentile", "tip", "paid"),
    [(100.0, 0.0, None), (100.0, 9.9, None), (100.0, 10.0, 30.0), (100.0, 12.0, 32.0), (0.0, 19.0, None), (0.0, 25.0, 35.0),
     (50.0, 16.0, 31.0)],
)
def test_dynamic_gas_lands_only_with_a_bid_that_reaches(percentile: float, tip: float, paid: float | None) -> None:
    """Bids are the percentile of (10, 10, 20, 20) plus the tip; the price at landing is 30, and the tip comes on top of it."""
    got = trade(run(gas_market(), once(60, AMOUNT), gas_percentile=percentile, priority_gwei=tip))
    if paid is None:
        assert (got["result"], got["net_profit"], got["gas_cost"]) == ("failed", 0.0, 0.0)
        assert math.isnan(got["gas_price_gwei"])
    else:
        assert (got["result"], got["gas_price_gwei"]) == ("success", paid)
        assert got["net_profit"] == pytest.approx(200.0 - GAS * paid / 10)


def test_a_strategy_may_bid_itself() -> None:
    assert trade(run(gas_market(), once(60, AMOUNT, bid_gwei=29.9)))["result"] == "failed"
    assert trade(run(gas_market(), once(60, AMOUNT, bid_gwei=31.0), priority_gwei=5.0))["gas_price_gwei"] == 31.0
    assert trade(run(gas_market(), once(60, AMOUNT, bid_gwei=90.0), priority_gwei=5.0))["gas_price_gwei"] == 35.0


def test_a_failed_attempt_cost_nothing_and_frees_its_capital() -> None:
    strategy = once(60, AMOUNT)
    result = run(gas_market(), strategy)
    assert result.final_equity == 100_000.0
    assert result.equity["in_flight"].iloc[-1] == 0.0
    assert strategy.executions[0].result is Result.FAILED
    assert strategy.executions[0].gas_price_gwei is None


def test_an_order_whose_fate_the_data_do_not_show_is_in_no_figure() -> None:
    result = run(two_venues((0, 2000.0, 2020.0), (4, 2000.0, 2020.0)), once(amount_in=AMOUNT))
    assert result.trades.empty
    assert result.counts["unsettled"] == 1
    assert result.final_equity == 100_000.0
    assert result.equity["in_flight"].tolist()[-3:] == [pytest.approx(AMOUNT + GAS), 0.0, 0.0]
    assert "1 orders were under way when the data ended" in result.notes[0]


class Always:
    """A world in which everything ends the same way."""

    def __init__(self, result: Result, profit: float) -> None:
        self.said = (result, profit)
        self.asked: list[tuple[float, str, int, int]] = []

    def outcome(self, opportunity: Opportunity, request_id: str, now_ms: int, landed_ms: int) -> tuple[Result, float]:
        self.asked.append((opportunity.amount_in, request_id, now_ms, landed_ms))
        return self.said


@pytest.mark.parametrize(
    ("result", "profit"), [(Result.SUCCESS, 3.25), (Result.SUCCESS, -1.5), (Result.REVERTED, -2.5), (Result.FAILED, 0.0)]
)
def test_a_fate_is_believed_and_everything_else_stays(result: Result, profit: float) -> None:
    fate = Always(result, profit)
    ticks = two_venues((0, 2000.0, 2020.0), (6, 2000.0, 1900.0), fee_bps=5.0, depth=1e6)
    done = Backtester(COSTS, settings(competitors_per_minute=1e9), fate).run(ticks, once(amount_in=AMOUNT))
    got = trade(done)
    assert fate.asked == [(AMOUNT, "one", START_MS, START_MS + 6_000)]
    assert (got["result"], got["net_profit"]) == (result.value, profit)
    assert got["gross_profit"] - got["fee_cost"] - got["slippage_cost"] - got["gas_cost"] == pytest.approx(profit, abs=1e-8)
    assert done.final_equity == 100_000.0 + profit


@pytest.mark.parametrize(("result", "profit"), [(Result.SUCCESS, math.nan), (Result.FAILED, -1.0), (Result.REVERTED, -math.inf)])
def test_a_fate_that_makes_no_sense_is_refused(result: Result, profit: float) -> None:
    runner, ticks = Backtester(COSTS, settings(), Always(result, profit)), two_venues((0, 2000.0, 2020.0), (6, 2000.0, 1900.0))
    with pytest.raises(DataError, match="the fate of 'one' is"):
        runner.run(ticks, once(amount_in=AMOUNT))


def test_a_strategy_that_buys_every_gross_positive_spread_loses_the_gas_it_should() -> None:
    """Spreads of 1 in 2,000, against 4.8 of gas: three attempts, three reverts."""
    prices = [(2000.0, 2001.0), (2001.0, 2000.0), (2000.0, 2000.5), (2000.0, 2000.0)]
    ticks = two_venues(*((6.0 * i, *pair) for i, pair in enumerate(prices)))
    result = Backtester(COSTS, settings()).run(ticks, GrossStrategy(COSTS, amount_in=AMOUNT))
    assert result.trades["result"].tolist() == ["reverted"] * 3
    assert result.net_profit == pytest.approx(-3 * 0.7 * GAS)
    assert result.trades["gas_cost"].sum() == pytest.approx(3 * 0.7 * GAS)


def test_three_legs_over_two_pairs() -> None:
    costs = changed(COSTS, native_price_quote=None)
    weth, wbtc, cross = (two_venues((0, p, p), (6, p, p), depth=1e9, pair=pair)
                         for p, pair in ((2_000.0, "WETH/USDC"), (40_000.0, "WBTC/USDC"), (19.0, "WBTC/WETH")))
    ticks = pd.concat([weth, wbtc, cross], ignore_index=True)

    def send(view: View, now_ms: int) -> list[Order]:
        if now_ms > START_MS:
            return []
        first, second, third = (view.pools(pair)[0] for pair in ("WETH/USDC", "WBTC/WETH", "WBTC/USDC"))
        hops = (Hop(first, "buy"), Hop(second, "buy"), Hop(third, "sell"))
        return [Order("three", price_route(hops, 1_000.0, costs, now_ms, 2_000.0))]

    result = Backtester(costs, settings(token="USDC")).run(ticks, Scripted(send))
    got = trade(result)
    gas = 330_000 * 10e-9 * 2_000.0
    assert got["result"] == "success"
    assert got["net_profit"] == pytest.approx(1_000.0 * (40_000 / 19 / 2_000 - 1) - gas, rel=1e-3)
