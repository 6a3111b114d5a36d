"""The bot's own impact: how far, on what, and for how long."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arbml.backtest import Backtester, Order, View
from arbml.backtest.impact import Impacts, swapped
from arbml.market import Opportunity, Pool, Result, amount_out, best_opportunity, spot_price
from tests.backtest.markets import COSTS, START_MS, Scripted, settings, two_venues

POOL = Pool("a", "WETH/USDC", 2000.0, 0.0, 0, 0, reserve_base=500.0, reserve_quote=1_000_000.0)


@given(st.floats(1e-6, 1e6), st.floats(0.0, 300.0))
def test_a_round_trip_loses_the_fees_and_nothing_else(quote_in: float, fee_bps: float) -> None:
    pool = replace(POOL, fee_bps=fee_bps)
    bought = amount_out(quote_in, 1_000_000.0, 500.0, fee_bps)
    there = swapped(pool, "buy", quote_in)
    assert there.reserve_base is not None
    assert there.reserve_quote is not None
    back = amount_out(bought, there.reserve_base, there.reserve_quote, fee_bps)
    first = quote_in * fee_bps / 1e4                                                # in quote, off the input
    withheld = bought * fee_bps / 1e4                                               # in base, worth what the curve pays for it last
    second = 5e8 / (there.reserve_base + bought - withheld) - 5e8 / (there.reserve_base + bought)
    assert quote_in - back == pytest.approx(first + second, rel=1e-6, abs=1e-7)


@given(st.floats(1e-3, 1e6), st.booleans())
def test_a_swap_moves_the_price_and_keeps_the_product(amount: float, buys: bool) -> None:
    there = swapped(POOL, "buy" if buys else "sell", amount if buys else amount / 2000)
    assert there.reserve_base is not None
    assert there.reserve_quote is not None
    assert there.reserve_base * there.reserve_quote == pytest.approx(5e8)
    assert (spot_price(there) > 2000.0) == buys
    assert there.price == pytest.approx(spot_price(there))


def test_half_is_left_after_each_half_life() -> None:
    impacts = Impacts(half_life_s=10.0)
    impacts.meet()
    impacts.add(0, 5_000, 0.08)
    assert [impacts.left(0, ms) for ms in (4_999, 5_000, 15_000, 25_000)] == [0.0, 0.08, 0.04, 0.02]
    impacts.add(0, 15_000, 0.02)
    assert [impacts.left(0, ms) for ms in (4_999, 5_000, 15_000, 25_000)] == pytest.approx([0.0, 0.08, 0.06, 0.03])
    for k in range(40):
        impacts.add(0, 15_000 + k, 0.001)  # more than there was room for
    assert impacts.left(0, 15_000 + 39) == pytest.approx(0.1, rel=0.01)
    moved = impacts.pool(POOL, 0, 5_000)
    assert spot_price(moved) == pytest.approx(2000.0 * math.exp(0.08))
    assert moved.price == pytest.approx(spot_price(moved))
    bare = impacts.pool(replace(POOL, reserve_base=None, reserve_quote=None), 0, 5_000)
    assert (bare.reserve_base, bare.price) == (None, moved.price)


def always(amount: float) -> Scripted:
    def send(view: View, now_ms: int) -> list[Order]:
        best = best_opportunity(view.pools("WETH/USDC"), COSTS, now_ms, amount)
        return [Order(best.id, best)] if best is not None and best.net_profit > 0 else []

    return Scripted(send)



MARKET = two_venues(*((6.0 * i, 2000.0, 2040.0) for i in range(30)), depth=1e6)


def test_the_same_edge_cannot_be_taken_again_and_again() -> None:
    free = Backtester(COSTS, settings(impact_half_life_s=0.0)).run(MARKET, always(9_000.0))
    lasting = Backtester(COSTS, settings(impact_half_life_s=1e9)).run(MARKET, always(9_000.0))
    decaying = Backtester(COSTS, settings(impact_half_life_s=30.0)).run(MARKET, always(9_000.0))
    assert free.trades["net_profit"].nunique() == 1  # nothing persists
    assert (free.trades["result"] == "success").all()
    assert lasting.trades["result"].tolist() == ["success"]  # 9,000 is about the best amount: it closed the edge
    assert free.net_profit > decaying.net_profit > lasting.net_profit > 0


def test_by_hand_the_second_trade_meets_what_the_first_left() -> None:
    result = Backtester(COSTS, settings(impact_half_life_s=6.0)).run(MARKET, always(1_000.0))
    first, second = result.trades.iloc[0], result.trades.iloc[1]
    assert (first["landed_ms"], second["landed_ms"]) == (START_MS + 6_000, START_MS + 12_000)
    dear = Pool("b", "WETH/USDC", 2040.0, 0.0, 0, 0, reserve_base=1e6 / 2040, reserve_quote=1e6)
    base = amount_out(1_000.0, 1e6, 500.0, 0.0)
    moved = [math.log(spot_price(swapped(POOL, "buy", 1_000.0)) / 2000), math.log(spot_price(swapped(dear, "sell", base)) / 2040)]
    left = [0.5 * one for one in moved]  # one half-life later
    root = [math.exp(one / 2) for one in left]
    bought = amount_out(1_000.0, 1e6 * root[0], 500.0 / root[0], 0.0)
    out = amount_out(bought, 1e6 / 2040 / root[1], 1e6 * root[1], 0.0)
    assert second["net_profit"] == pytest.approx(out - 1_000.0 - 4.8)
    assert second["net_profit"] < first["net_profit"]


def test_the_strategy_sees_its_impact_from_the_landing_on_in_ticks_and_view_alike() -> None:
    shown: list[tuple[int, float, float]] = []

    def send(view: View, now_ms: int) -> list[Order]:
        pool = view.pools("WETH/USDC")[0]
        tick = next(tick for tick in reversed(strategy.ticks) if tick.venue == "a")
        assert (tick.price, tick.reserve_base, tick.reserve_quote) == (pool.price, pool.reserve_base, pool.reserve_quote)
        assert view.history("a|WETH/USDC", 1).price[0] == pool.price
        assert pool.reserve_base is not None
        assert pool.reserve_quote is not None
        shown.append((now_ms - START_MS, pool.price, pool.reserve_base * pool.reserve_quote))
        best = best_opportunity(view.pools("WETH/USDC"), COSTS, now_ms, 9_000.0)
        return [Order("one", best)] if best is not None and now_ms == START_MS else []

    strategy = Scripted(send)
    Backtester(COSTS, settings(impact_half_life_s=6.0)).run(MARKET, strategy)
    jump = math.log(spot_price(swapped(POOL, "buy", 9_000.0)) / 2000.0)
    assert [price for _, price, _ in shown[:4]] == pytest.approx([2000.0, *(2000.0 * math.exp(jump * part) for part in (1, 0.5, 0.25))])
    assert [product for _, _, product in shown] == pytest.approx([5e8] * 30)


def test_other_slippage_models_and_failed_attempts_leave_no_trace() -> None:
    for changes in ({"slippage": "linear"}, {"slippage": "none"}, {"gas_percentile": 0.0, "competitors_per_minute": 0.0}):
        ticks = MARKET.assign(gas_price_gwei=[10.0 + (i // 2) for i in range(60)]) if "gas_percentile" in changes else MARKET
        strategy = always(9_000.0)
        Backtester(COSTS, settings(impact_half_life_s=1e9, **changes)).run(ticks, strategy)
        assert {tick.price for tick in strategy.ticks} == {2000.0, 2040.0}


def test_two_that_land_together_meet_each_other() -> None:
    def send(view: View, now_ms: int) -> list[Order]:
        best = best_opportunity(view.pools("WETH/USDC"), COSTS, now_ms, 4_000.0)
        return [Order(f"{k}", best) for k in range(2)] if best is not None and now_ms == START_MS else []

    result = Backtester(COSTS, settings(impact_half_life_s=60.0, max_open=2)).run(MARKET, Scripted(send))
    first, second = result.trades["net_profit"]
    assert result.trades["landed_ms"].nunique() == 1
    assert second < first
    alone = Backtester(COSTS, settings(impact_half_life_s=0.0, max_open=2)).run(MARKET, Scripted(send))
    assert alone.trades["net_profit"].tolist() == [first, first]


@pytest.mark.parametrize(("result", "profit"), [(Result.SUCCESS, 5.0), (Result.REVERTED, -1.0), (Result.FAILED, 0.0)])
def test_a_success_takes_the_edge_whoever_says_what_it_gained(result: Result, profit: float) -> None:
    class World:
        def outcome(self, opportunity: Opportunity, request_id: str, now_ms: int, landed_ms: int) -> tuple[Result, float]:
            return result, profit

    done = Backtester(COSTS, settings(impact_half_life_s=1e9), World()).run(MARKET, always(9_000.0))
    assert (len(done.trades) == 1) == (result is Result.SUCCESS)
