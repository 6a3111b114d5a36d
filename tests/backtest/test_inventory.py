"""Pre-funded venues: legs are paid where they are traded, venues run dry and are levelled."""

from typing import Any

import pandas as pd
import pytest

from arbml.backtest import Backtester, BacktestResult, Order, View
from arbml.backtest.ledger import to_tokens
from arbml.errors import DataError
from arbml.market import Opportunity, best_opportunity
from arbml.market.routes import Hop, price_route
from tests.backtest.markets import COSTS, START_MS, Scripted, found, settings, two_venues
from tests.backtest.test_ledger import check_sums

MARKET = two_venues(*((6.0 * k, 2000.0, 2040.0) for k in range(40)), depth=1e9)


def always(amount: float) -> Scripted:
    def send(view: View, now_ms: int) -> list[Order]:
        best = best_opportunity(view.pools("WETH/USDC"), COSTS, now_ms, amount)
        return [Order(best.id, best)] if best is not None else []

    return Scripted(send)


def run(amount: float, **changes: Any) -> BacktestResult:
    return Backtester(COSTS, settings(**changes)).run(MARKET, always(amount))


def test_quote_goes_from_the_cheap_venue_to_the_dear_one_and_base_back() -> None:
    result = run(4_000.0, inventory=10_000.0, rebalance_below=0.0)
    check_sums(result)
    ledger = result.ledger
    # 4,000, 4,000 and what the 4.9 of base at b are worth at a: then b has no base, and got all that a paid, with the profit
    sent = 10_000 / 2040 * 2000
    assert result.trades["amount_in"].tolist() == pytest.approx([4_000.0, 4_000.0, sent - 8_000.0], rel=1e-3)
    assert result.counts["shrunk"] == 1
    assert result.counts["dropped_capital"] > 30
    assert to_tokens(ledger.balance("quote:a")) == pytest.approx(10_000 - sent, rel=1e-2)
    gains = result.trades["net_profit"].sum() + result.trades["gas_cost"].sum()
    assert to_tokens(ledger.balance("quote:b")) == pytest.approx(10_000.0 + result.trades["amount_in"].sum() + gains)
    assert to_tokens(ledger.balance("base:a", "WETH")) == pytest.approx(5.0 + 10_000 / 2040, rel=1e-4)
    assert to_tokens(ledger.balance("base:b", "WETH")) == pytest.approx(0.0, abs=1e-4)
    assert to_tokens(ledger.balance("cash")) == pytest.approx(100_000.0 - 20_000.0 - result.trades["gas_cost"].sum())


def test_base_runs_dry_too() -> None:
    """b has 4.9 of base: less than 10,000 of quote buy at a."""
    result = run(50_000.0, inventory=10_000.0, rebalance_below=0.0)
    assert result.trades["amount_in"][0] == pytest.approx(10_000 / 2040 * 2_000, rel=1e-4)
    assert result.trades["shrunk"].iloc[0]


def test_levelling_costs_once_and_takes_its_time() -> None:
    result = run(4_000.0, inventory=10_000.0, rebalance_below=0.25, rebalance_cost=7.0, rebalance_s=30)
    check_sums(result)
    entries = result.ledger.entries
    starts = entries[(entries["kind"] == "rebalancing") & (entries["account"] == "rebalancing")]
    arrivals = entries[(entries["kind"] == "arrival") & (entries["account"] == "transit") & (entries["token"] == "USDC")]
    assert to_tokens(result.ledger.balance("rebalancing")) == 7.0 * len(starts)
    assert len(starts) > 1
    assert arrivals["ts_ms"].tolist() == [ts + 30_000 for ts in starts["ts_ms"].tolist()][: len(arrivals)]
    assert result.trades["net_profit"].sum() - 7.0 * len(starts) == pytest.approx(result.net_profit)
    assert len(result.trades) > len(run(4_000.0, inventory=10_000.0, rebalance_below=0.0).trades)
    halves = entries[(entries["kind"] == "rebalancing") & (entries["account"] == "transit") & (entries["token"] == "USDC")]
    held = entries.loc[: starts.index[0]]
    gap = [held.loc[held["account"] == f"quote:{venue}", "atoms"].sum() for venue in "ab"]
    assert halves["atoms"].iloc[0] == (gap[1] - gap[0]) // 2


def test_a_revert_leaves_inventories_and_takes_gas() -> None:
    ticks = two_venues((0, 2000.0, 2040.0), (6, 2000.0, 1990.0), depth=1e9)
    result = Backtester(COSTS, settings(inventory=10_000.0)).run(ticks, always(1_000.0))
    assert result.trades["result"].tolist()[:1] == ["reverted"]
    assert to_tokens(result.ledger.balance("quote:a")) == 10_000.0
    assert to_tokens(result.ledger.balance("base:b", "WETH")) == pytest.approx(10_000 / 2040)
    assert result.net_profit == pytest.approx(-result.trades["gas_cost"].sum())


def test_equity_is_what_was_earned_and_not_what_the_base_is_worth() -> None:
    ticks = two_venues((0, 2000.0, 2000.0), (6, 4000.0, 4000.0), (12, 1000.0, 1000.0))
    result = Backtester(COSTS, settings(inventory=10_000.0)).run(ticks, always(1_000.0))
    assert result.equity["equity"].unique().tolist() == [100_000.0]


def test_what_is_under_way_at_the_end_comes_back_to_its_venues() -> None:
    ticks = two_venues((0, 2000.0, 2040.0), (2, 2000.0, 2040.0), depth=1e9)
    result = Backtester(COSTS, settings(inventory=10_000.0)).run(ticks, always(1_000.0))
    check_sums(result)
    assert result.counts["unsettled"] == 1
    assert {account: atoms for (token, account), atoms in result.ledger.balances.items() if token == "USDC" and account[:5] == "quote"} == {
        "quote:a": 10_000 * 10**9, "quote:b": 10_000 * 10**9,
    }  # fmt: skip


def test_routes_over_several_pairs_need_other_capital() -> None:
    ticks = pd.concat(
        [two_venues((0, p, p), (6, p, p), pair=pair) for p, pair in ((2_000.0, "WETH/USDC"), (40_000.0, "WBTC/USDC"), (19.0, "WBTC/WETH"))],
        ignore_index=True,
    )

    def send(view: View, now_ms: int) -> list[Order]:
        first, second, third = (view.pools(pair)[0] for pair in ("WETH/USDC", "WBTC/WETH", "WBTC/USDC"))
        hops = (Hop(first, "buy"), Hop(second, "buy"), Hop(third, "sell"))
        opportunity: Opportunity = price_route(hops, 1_000.0, COSTS, now_ms, 2_000.0)
        return [Order("three", opportunity)] if now_ms == START_MS else []

    with pytest.raises(DataError, match=r"inventories serve routes that buy and sell one pair.*ML_BACKTEST__INVENTORY"):
        Backtester(COSTS, settings(token="USDC", inventory=1_000.0)).run(ticks, Scripted(send))


def test_the_view_counts_all_venues_as_free() -> None:
    seen = []

    def send(view: View, now_ms: int) -> list[Order]:
        seen.append(view.free_capital)
        best = found(view, amount_in=1_000.0)
        return [Order("one", best)] if best is not None and now_ms == START_MS else []

    Backtester(COSTS, settings(inventory=10_000.0, capital=50_000.0)).run(MARKET, Scripted(send))
    assert seen[0] == 50_000.0
    assert seen[1] > 50_000.0
